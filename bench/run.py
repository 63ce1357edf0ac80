#!/usr/bin/env python3
"""How long ampup takes, beside what one would type without it. `just bench` runs it; docs/performance.md has results.

Each row is a median of ratios: ampup and its peer run in turns, the same bytes, each in a fresh directory. Nothing is
deleted between the runs, because ext4 makes files several times more slowly just after a tree was removed.
"""

import argparse
import os
import platform
import subprocess
import tempfile
from pathlib import Path

import commands
import database
import installs
import release
import samples
from runner import Bench
from samples import TOP

SECTIONS = ["installs", "commands", "database", "release"]
BEGIN, END = "<!-- results -->\n", "<!-- end of results -->\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", type=Path, default=Path(os.environ.get("CARGO_TARGET_DIR", TOP / "target")) / "release/ampup")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", action="append", choices=SECTIONS, help="these rows alone; may be repeated")
    parser.add_argument("--slow", action="store_true", help="with 2 MB/s, the artifact and the database of 1 GB, and a clean build")
    parser.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    options = parser.parse_args()
    (TOP / "target").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="ampup-bench-", dir=TOP / "target") as top:
        # For whoever runs PostgreSQL where we are root.
        os.chmod(top, 0o755)
        bench = Bench(options.program.resolve(), options.rounds, Path(top))
        place = samples.prepare(bench)
        server = samples.serve(bench, place)
        head = heading(bench, place)
        print(head, end="", flush=True)
        try:
            chosen = options.only or SECTIONS
            if "installs" in chosen:
                installs.rows(bench, place, options.slow)
            if "commands" in chosen:
                commands.rows(bench, place, options.slow)
            if "database" in chosen:
                database.rows(bench, place, options.slow)
            if "release" in chosen:
                release.rows(bench, place)
        finally:
            server.terminate()
            server.wait()
    if options.write:
        write(head + "\n".join([*bench.rows, ""]))


def heading(bench, place):
    """The machine, and the head of the table."""
    model = next((line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), platform.machine())
    system = subprocess.run(["findmnt", "-no", "FSTYPE", "-T", bench.top], capture_output=True, text=True).stdout.strip()
    compiler = subprocess.run(["rustc", "--version"], capture_output=True, text=True).stdout.strip()
    sizes = [(place / name).stat().st_size / 1e6 for name in ("sample.tar.gz", "sample.jar")]
    return (f"{os.cpu_count()} CPUs ({model}), {platform.system()} {platform.release().split('-')[0]}, {system}; load "
            f"{os.getloadavg()[0]:.1f} at the start. {compiler}. {bench.rounds} rounds. "
            f"tar.gz {sizes[0]:.1f} MB, jar {sizes[1]:.1f} MB.\n\n"
            "| what | to reach | measured | medians |\n|---|---|---|---|\n")


def write(results):
    """Puts them between the marks."""
    page = TOP / "docs/performance.md"
    before, rest = page.read_text().split(BEGIN)
    page.write_text(before + BEGIN + results + END + rest.split(END)[1])


if __name__ == "__main__":
    main()
