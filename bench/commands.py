"""Rows of commands that change nothing, and of the program itself."""

import hashlib
import json
import shutil
import time

from runner import Run, median, shown
from samples import TOP, artifact, registry

CHECK = ',\n  "check": "'


def rows(bench, place, build):
    tar = place / "sample.tar.gz"
    manifest = registry(bench, "local-tar", {"sample": artifact(tar, "tar.gz", "sample-1.0.0", f"file://{tar}")})
    home = bench.fresh() / "home"
    bench.ampup("install", "sample", home=home, registry=manifest)
    postgres = place / "home"
    for name, arguments, how in [
            ("list", ["list"], {"home": home, "registry": manifest}),
            ("which", ["which", "sample"], {"home": home, "registry": manifest}),
            ("install of what is installed", ["install", "sample"], {"home": home, "registry": manifest}),
            ("list, with the built-in registry", ["list"], {"home": postgres}),
            ("which, with the built-in registry", ["which", "postgres"], {"home": postgres}),
            ("install of what is installed, with the built-in registry", ["install", "--component", "postgres"], {"home": postgres})]:
        bench.cpu(name, "≤ 3 ms", *arguments, **how)
    large_manifest(bench, home)
    many_versions(bench)
    size(bench, build)


def large_manifest(bench, home):
    """4 MiB of releases, as PostgreSQL's are written; the time is that of the process, from which that of `--version` is taken."""
    document = json.loads((TOP / "registry/manifest.json").read_text())
    releases = document["components"]["postgres"]["releases"]
    number, size = 0, len(json.dumps(document))
    while size < (4 << 20) - (16 << 10):
        release = json.loads(json.dumps(releases[number % 40]))
        major, minor, _ = release["version"].split(".")
        release["version"] = f"{major}.{minor}.{100 + number}"
        releases.append(release)
        size += len(json.dumps(release)) + 2
        number += 1
    path = bench.top / "manifest-4-MiB.json"
    path.write_text(json.dumps(document))
    ours = bench.measured("install", "--component", "postgres", "--dry-run", home=home, registry=path, runs=bench.rounds)
    start = bench.measured("--version", home=home, runs=bench.rounds)
    bench.row(f"parse and resolve a manifest of {path.stat().st_size / (1 << 20):.1f} MiB", "≤ 60 ms",
              f"{(median(ours, 'cpu') - median(start, 'cpu')) * 1000:.0f} ms of CPU",
              f"{shown(median(ours, 'seconds'))} until it ended")


def many_versions(bench):
    """`list` and `prune --dry-run` with 500 and 1,000 installed versions of which the registry has all."""
    def home_of(count):
        place = bench.fresh()
        versions = [f"1.{number}.0" for number in range(count)]
        file = place / "sample"
        file.write_text("".join(["#!/bin/sh\n", *(f"echo {version}\n" for version in versions)]))
        manifest = registry(bench, f"versions-{count}", {"sample": artifact(file, "raw", None, f"file://{file}")}, versions)
        home = place / "home"
        bench.ampup("install", "sample", home=home, registry=manifest)
        trees = home / "components/sample"
        [model] = [path for path in trees.iterdir()]
        for version in versions:
            if version != model.name:
                clone(model, trees / version, version)
        return {"home": home, "registry": manifest}
    homes = {count: home_of(count) for count in (500, 1000)}
    for arguments in (["list"], ["prune", "--dry-run"]):
        took = {count: bench.measured(*arguments, runs=bench.rounds, **how) for count, how in homes.items()}
        bench.row(f"`{' '.join(arguments)}` with 1,000 versions", "≤ 50 ms, linear", shown(median(took[1000], "seconds")),
                  f"{shown(median(took[1000], 'cpu'))} of CPU; with 500, {shown(median(took[500], 'cpu'))}")


def clone(model, tree, version):
    """A tree of another version, whose receipt ends with a digest of what is before it."""
    shutil.copytree(model, tree, symlinks=True)
    receipt = tree / ".receipt.json"
    text = receipt.read_text().split(CHECK)[0].replace(f'"version": "{model.name}"', f'"version": "{version}"')
    receipt.write_text(f'{text}{CHECK}sha256:{hashlib.sha256(text.encode()).hexdigest()}"\n}}\n')


def size(bench, build):
    bench.row("release binary, stripped", "≤ 6.5 MB", f"{bench.program.stat().st_size / 1e6:.2f} MB")
    if build:
        began = time.perf_counter()
        Run(["cargo", "build", "--release", "--quiet", "--target-dir", bench.fresh()], cwd=TOP)
        bench.row("clean release build", "≤ 3 min", f"{(time.perf_counter() - began) / 60:.1f} min")
