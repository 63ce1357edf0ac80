"""Rows of what is fetched and unpacked."""

import os
import shutil
import sys

import samples
from samples import artifact, registry, url

ROOT = "sample-1.0.0"


def rows(bench, place, slow):
    tar, jar = place / "sample.tar.gz", place / "sample.jar"
    of = {rate: registry(bench, f"tar-{port}", {"sample": artifact(tar, "tar.gz", ROOT, url(rate, "sample.tar.gz"))})
          for rate, (port, _) in samples.SERVERS.items()}
    install = lambda manifest, **how: lambda: bench.ampup("install", "sample", registry=manifest, **how)
    bench.pairs("install of the tar.gz, against curl + sha256sum + tar", "≤ 0.55", install(of["full"]),
                lambda: bench.shell(f"curl -sSfo a {url('full', 'sample.tar.gz')}; echo '{samples.digest(tar)}  a' "
                                    "| sha256sum -c --quiet; mkdir t; tar xzf a -C t"))
    mise(bench, tar, install(of["full"]))
    for rate, goal in [("20 MB/s", "≤ 1.15")] + [("2 MB/s", "≤ 1.03")] * slow:
        bench.pairs(f"the same at {rate}, against curl to /dev/null", goal, install(of[rate]),
                    lambda: bench.shell(f"curl -sSfo /dev/null {url(rate, 'sample.tar.gz')}"), rounds=5)
    local = registry(bench, "local", {"sample": artifact(tar, "tar.gz", ROOT, f"file://{tar}")})
    unpack(bench, place, tar, local)
    zipped = registry(bench, "jar", {"sample": artifact(jar, "jar/tar.xz", None, f"file://{jar}")})
    bench.pairs("jar with tar.xz, against unzip + tar xJf", "≤ 0.7", install(zipped),
                lambda: bench.shell(f"unzip -q {jar}; mkdir t; tar xJf sample.txz -C t"))
    three(bench, tar, ["20 MB/s"] + ["2 MB/s"] * slow)
    for name, how in [("http", {}), ("https", {"SSL_CERT_FILE": str(place / "ca.pem")})]:
        [run] = bench.measured("install", "sample", registry=of["https" if how else "full"], **how)
        bench.row(f"peak memory, artifact of {tar.stat().st_size / 1e6:.0f} MB over {name}", "≤ 40 MiB", f"{run.memory:.0f} MiB")
    if slow:
        large(bench, place)


def mise(bench, tar, install):
    """Its http backend, which is named by a file in the working directory."""
    program = os.environ.get("MISE") or shutil.which("mise")
    if not program:
        return bench.row("the same, against mise's http backend", "≤ 0.6", "not measured", "no `mise` on PATH")

    def theirs():
        place = bench.fresh()
        (place / "mise.toml").write_text(f'[tools]\n"http:sample" = {{ version = "1.0.0", url = "{url("full", "sample.tar.gz")}", '
                                         f'checksum = "sha256:{samples.digest(tar)}" }}\n')
        places = " ".join(f"MISE_{kind}_DIR={place}/{kind}" for kind in ["DATA", "CACHE", "STATE", "CONFIG"])
        return bench.shell(f"{places} MISE_TRUSTED_CONFIG_PATHS={place} MISE_YES=1 {program} install", cwd=place)
    bench.pairs("the same, against mise's http backend", "≤ 0.6", install, theirs)


def unpack(bench, place, tar, local):
    """The part of an installation from the proven archive on, against the slower of its two halves and a flush."""
    ours, floors = [], []
    inflate = f"{sys.executable} -c \"import zlib; d = zlib.decompressobj(31); f = open('{tar}', 'rb')\nwhile b := f.read(1 << 17): d.decompress(b)\""
    for _ in range(bench.rounds):
        ours.append(bench.ampup("install", "sample", registry=local, phases=True).unpacking())
        copy = bench.shell(f"cp -r {place}/{ROOT} t")
        flush = bench.shell("sync -f .")
        floors.append(max(bench.shell(inflate).seconds, copy.seconds) + flush.seconds)
    ratio = sorted(one / floor for one, floor in zip(ours, floors))[len(ours) // 2]
    bench.row("unpack alone, against max(inflate by zlib, `cp -r` of the tree) + one flush", "≤ 1.3", f"{ratio:.2f}",
              f"{sorted(ours)[len(ours) // 2] * 1000:.0f} and {sorted(floors)[len(floors) // 2] * 1000:.0f} ms")


def three(bench, tar, rates):
    """Three components at once, against the same file alone. All three end at the same moment, as late as can be."""
    names = ["one", "two", "three"]
    for name in names:
        tree = bench.fresh() / name
        shutil.copytree(tar.parent / ROOT, tree, symlinks=True)
        (tree / "bin/sample").rename(tree / f"bin/{name}")
        bench.shell(f"tar czf {tar.parent}/{name}.tar.gz {name}", cwd=tree.parent)
    words = [word for name in names for word in ("--component", name)]
    for rate in rates:
        found = {name: artifact(file, "tar.gz", name, url(rate, file.name))
                 for name in names for file in [tar.parent / f"{name}.tar.gz"]}
        manifest = registry(bench, f"three-{samples.SERVERS[rate][0]}", found)
        bench.pairs(f"three components at once at {rate} each, against one alone", "≤ 1.1",
                    lambda: bench.ampup("install", *words, registry=manifest),
                    lambda: bench.ampup("install", *words[:2], registry=manifest), rounds=5 if rate == "20 MB/s" else 3)


def large(bench, place):
    """A tree of 1 GB that does not compress."""
    tree = bench.fresh() / "large"
    samples.executable(tree)
    bench.shell(f"head -c {1 << 30} /dev/urandom > blob", cwd=tree)
    file = place / "large.tar.gz"
    bench.shell(f"tar cf - large | gzip -1 > {file}", cwd=tree.parent)
    manifest = registry(bench, "large", {"sample": artifact(file, "tar.gz", "large", url("full", "large.tar.gz"))})
    [run] = bench.measured("install", "sample", registry=manifest)
    bench.row("peak memory, artifact of 1 GB", "≤ 40 MiB", f"{run.memory:.0f} MiB", f"{run.seconds:.1f} s")
    file.unlink()
