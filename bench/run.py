#!/usr/bin/env python3
"""How long ampup takes, beside what one would type without it. `just bench` runs it; docs/performance.md has results.

Each row is a median of ratios: ampup and its peer run in turns, the same bytes, each in a fresh directory. Nothing is
deleted between the runs, because ext4 makes files several times more slowly just after a tree was removed.
"""

import argparse
import hashlib
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
TARGET = f"{platform.machine()}-unknown-linux-gnu"
SAMPLE = "#!/bin/sh\necho sample 1.0.0\n"
PORTS = {"full": 8471, "20 MB/s": 8472, "2 MB/s": 8473}
RATES = {"full": "0", "20 MB/s": "20m", "2 MB/s": "2m"}


class Run:
    """What a finished process took."""

    def __init__(self, command, cwd=None, environment=None):
        began = time.perf_counter()
        process = subprocess.Popen(command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.seconds = time.perf_counter() - began
        self.cpu = usage.ru_utime + usage.ru_stime
        self.memory = usage.ru_maxrss / 1024
        if process.returncode != 0:
            sys.exit(f"{command} ended with {process.returncode}:\n{output.decode(errors='replace')}")


class Bench:
    def __init__(self, program, rounds, top):
        self.program, self.rounds, self.top = program, rounds, top
        self.count = 0
        self.rows = []

    def fresh(self):
        self.count += 1
        path = self.top / "runs" / str(self.count)
        path.mkdir(parents=True)
        return path

    def ampup(self, *arguments, home=None, registry=None, program=None):
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.top), "AMPUP_PROGRESS": "never",
                       "AMPUP_HOME": str(home or self.fresh() / "home")}
        if registry:
            environment["AMPUP_REGISTRY"] = str(registry)
        return Run([str(program or self.program), *arguments], environment=environment)

    def shell(self, script):
        return Run(["bash", "-euo", "pipefail", "-c", script], cwd=self.fresh())

    def pairs(self, name, goal, ours, theirs, rounds=None):
        ratios, seconds = [], []
        for turn in range((rounds or self.rounds) + 1):
            one, other = (ours(), theirs()) if turn % 2 else reversed((theirs(), ours()))
            # The first pair warms the caches.
            if turn:
                ratios.append(one.seconds / other.seconds)
                seconds.append((one.seconds, other.seconds))
        mine, peer = (statistics.median(column) for column in zip(*seconds))
        self.row(name, goal, f"{statistics.median(ratios):.2f}", f"{mine * 1000:.0f} and {peer * 1000:.0f} ms")

    def row(self, name, goal, value, note):
        self.rows.append((name, goal, value, note))
        print(f"| {name} | {goal} | {value} | {note} |", flush=True)


def samples(bench):
    """A PostgreSQL that any source has, packed as theseus and as zonky pack theirs."""
    place = TOP / "target/bench-samples"
    if not (place / "complete").exists():
        place.mkdir(parents=True, exist_ok=True)
        home = place / "home"
        bench.ampup("install", "--component", "postgres", home=home)
        tree = place / "sample-1.0.0"
        shutil.copytree((home / "active/postgres").resolve(), tree, symlinks=True,
                        ignore=shutil.ignore_patterns(".receipt.json", ".files.json"))
        (tree / "bin/sample").write_text(SAMPLE)
        (tree / "bin/sample").chmod(0o755)
        for script in ["tar czf sample.tar.gz sample-1.0.0",
                       "tar cJf sample.txz -C sample-1.0.0 . && zip -q -0 sample.jar sample.txz"]:
            Run(["bash", "-euc", script], cwd=place)
        (place / "complete").touch()
    return place


def serve(bench, place):
    configuration = bench.top / "nginx.conf"
    servers = "".join(f"server {{ listen 127.0.0.1:{PORTS[name]}; root {place}; limit_rate {RATES[name]}; sendfile on; }}\n"
                      for name in PORTS)
    user = "user root;\n" if os.geteuid() == 0 else ""
    configuration.write_text(f"{user}daemon off; pid {bench.top}/nginx.pid; error_log stderr crit;\n"
                             f"events {{ }}\nhttp {{ access_log off; {servers} }}\n")
    server = subprocess.Popen(["nginx", "-c", configuration, "-p", bench.top], stderr=subprocess.DEVNULL)
    time.sleep(0.5)
    if server.poll() is not None:
        sys.exit("nginx does not start; `apt-get install nginx-light`")
    return server


def registry(bench, name, components):
    """A registry with a release of each component: its file, its format, its root and where it is had."""
    document = {"schema": 1, "registry": "bench", "serial": 1, "issued": "2026-01-01T00:00:00Z", "components": {}}
    for component, (file, form, root, url) in components.items():
        artifact = {"target": TARGET, "provider": "bench", "format": form,
                    "source": {"kind": "file" if url.startswith("file:") else "https", "url": url},
                    "size": file.stat().st_size,
                    "integrity": {"kind": "pinned", "digest": "sha256:" + hashlib.sha256(file.read_bytes()).hexdigest()}}
        if root:
            artifact["root"] = root
        document["components"][component] = {
            "summary": component, "homepage": "https://example.com", "default": {"channel": "stable"}, "group": component,
            "default_install": True, "version_style": "plain", "executables": ["sample"], "acceptance": "version",
            "releases": [{"version": "1.0.0", "channel": "stable", "artifacts": [artifact]}]}
    path = bench.top / f"{name}.json"
    path.write_text(json.dumps(document))
    return path


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", type=Path, default=TOP / "target/release/ampup")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--slow", action="store_true", help="with the rows at 2 MB/s and the large artifact")
    options = parser.parse_args()
    (TOP / "target").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="ampup-bench-", dir=TOP / "target") as top:
        bench = Bench(options.program.resolve(), options.rounds, Path(top))
        place = samples(bench)
        server = serve(bench, place)
        try:
            measure(bench, place, options.slow)
        finally:
            server.terminate()
            server.wait()


def measure(bench, place, slow):
    tar, jar = place / "sample.tar.gz", place / "sample.jar"
    digest = hashlib.sha256(tar.read_bytes()).hexdigest()
    print(f"{platform.platform()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}; {bench.rounds} rounds; "
          f"tar.gz {tar.stat().st_size / 1e6:.1f} MB, jar {jar.stat().st_size / 1e6:.1f} MB\n")
    print("| what | to reach | measured | medians |\n|---|---|---|---|")
    root = "sample-1.0.0"
    urls = {rate: f"http://127.0.0.1:{port}" for rate, port in PORTS.items()}
    of = {rate: registry(bench, f"tar-{port}", {"sample": (tar, "tar.gz", root, f"{urls[rate]}/sample.tar.gz")})
          for rate, port in PORTS.items()}
    install = lambda manifest: lambda: bench.ampup("install", "sample", registry=manifest)
    fetched = f"curl -sSfo a {urls['full']}/sample.tar.gz; echo '{digest}  a' | sha256sum -c --quiet; mkdir t; tar xzf a -C t"
    bench.pairs("install of the tar.gz, against curl + sha256sum + tar", "≤ 0.55", install(of["full"]),
                lambda: bench.shell(fetched))
    for rate, goal in [("20 MB/s", "≤ 1.15")] + [("2 MB/s", "≤ 1.03")] * slow:
        bench.pairs(f"the same at {rate}, against curl to /dev/null", goal, install(of[rate]),
                    lambda: bench.shell(f"curl -sSfo /dev/null {urls[rate]}/sample.tar.gz"), rounds=3)
    local = registry(bench, "local", {"sample": (tar, "tar.gz", root, f"file://{tar}")})
    bench.pairs("install of the tar.gz from the disk, against cp -r of its tree and a flush", "", install(local),
                lambda: bench.shell(f"cp -r {place}/{root} t; sync -f t"))
    zipped = registry(bench, "jar", {"sample": (jar, "jar/tar.xz", None, f"file://{jar}")})
    bench.pairs("jar with tar.xz, against unzip + tar xJf", "≤ 0.7", install(zipped),
                lambda: bench.shell(f"unzip -q {jar}; mkdir t; tar xJf sample.txz -C t"))
    commands(bench, of["full"])
    if slow:
        large_artifact(bench, place)


def commands(bench, manifest):
    """CPU of what changes nothing, and the memory of an installation."""
    home = bench.fresh() / "home"
    run = bench.ampup("install", "sample", home=home, registry=manifest)
    bench.row("peak memory, artifact of 24 MB", "≤ 40 MiB", f"{run.memory:.0f} MiB", "")
    for name, arguments in [("list", ["list"]), ("which", ["which", "sample"]),
                            ("install of what is installed", ["install", "sample"])]:
        runs = [bench.ampup(*arguments, home=home, registry=manifest) for _ in range(4 * bench.rounds)]
        cpu, wall = (statistics.median(values) * 1000 for values in
                     zip(*((run.cpu, run.seconds) for run in runs)))
        bench.row(f"CPU of `{name}`", "≤ 3 ms", f"{cpu:.1f} ms", f"{wall:.1f} ms until it ended")


def large_artifact(bench, place):
    """A tree of 1 GB that does not compress."""
    tree = bench.fresh() / "large"
    (tree / "bin").mkdir(parents=True)
    (tree / "bin/sample").write_text(SAMPLE)
    (tree / "bin/sample").chmod(0o755)
    with open("/dev/urandom", "rb") as source, open(tree / "blob", "wb") as blob:
        shutil.copyfileobj(iter_limited(source, 1 << 30), blob, 1 << 20)
    file = place / "large.tar.gz"
    Run(["tar", "czf", str(file), "-C", str(tree.parent), "large"])
    manifest = registry(bench, "large", {"sample": (file, "tar.gz", "large", f"http://127.0.0.1:{PORTS['full']}/large.tar.gz")})
    run = bench.ampup("install", "sample", registry=manifest)
    bench.row("peak memory, artifact of 1 GB", "≤ 40 MiB", f"{run.memory:.0f} MiB", f"{run.seconds:.1f} s")


class iter_limited:
    """The first bytes of a file that does not end."""

    def __init__(self, source, left):
        self.source, self.left = source, left

    def read(self, size):
        data = self.source.read(min(size, self.left))
        self.left -= len(data)
        return data


if __name__ == "__main__":
    main()
