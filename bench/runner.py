"""Processes that are timed, in fresh directories, and the table of what they took."""

import json
import os
import pwd
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

NOBODY = "nobody"


class Run:
    """What a finished process took; with `phases`, also when each of its steps began."""

    def __init__(self, command, cwd=None, environment=None, phases=False):
        self.phases, output = {}, b""
        began = time.perf_counter()
        process = subprocess.Popen([str(word) for word in command], cwd=cwd, env=environment, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if phases:
            for line in process.stdout:
                output += line
                if b'"phase"' in line:
                    self.phases[json.loads(line)["phase"]] = time.perf_counter() - began
        else:
            output = process.stdout.read()
        process.wait()
        self.seconds = time.perf_counter() - began
        self.output = output.decode(errors="replace")
        if process.returncode != 0:
            sys.exit(f"{command} ended with {process.returncode}:\n{self.output}")

    def without_acceptance(self):
        """What it took less the running of what it installed."""
        self.seconds -= self.acceptance()
        return self

    def acceptance(self):
        return self.phases["publishing"] - self.phases["proving"]

    def unpacking(self):
        """From the first byte of the archive that is unpacked to the tree that is flushed and published."""
        return self.seconds - self.phases["unpacking"] - self.acceptance()


class Measured:
    """What a run took that a small process has started, and nobody else has added to (`measured.py`)."""

    def __init__(self, seconds, cpu, memory):
        self.seconds, self.cpu, self.memory = seconds, cpu, memory


class Bench:
    """Fresh directories, and the rows that were measured."""

    def __init__(self, program, rounds, top):
        self.program, self.rounds, self.top = program, rounds, top
        self.runs = top / "runs"
        self.runs.mkdir()
        # A group of blocks for each run: making a file, ext4 passes over every inode of the group that was freed in the last
        # five minutes, as by the bench before this one.
        subprocess.run(["chattr", "+T", self.runs], stderr=subprocess.DEVNULL, check=False)
        self.count = 0
        self.rows = []

    def fresh(self):
        self.count += 1
        path = self.runs / str(self.count)
        path.mkdir()
        return path

    def ampup(self, *arguments, home=None, registry=None, cwd=None, phases=False, user=None, through=(), **environment):
        # npm's own authority, where a proxy looks into TLS.
        authority = {name: os.environ[name] for name in ["NODE_EXTRA_CA_CERTS"] if name in os.environ}
        environment = {**authority, "PATH": os.environ["PATH"], "HOME": str(self.top), "AMPUP_YES": "1",
                       "AMPUP_HOME": str(home or self.fresh() / "home"), **environment}
        progress = ["--progress", "json" if phases else "never"]
        if registry:
            environment["AMPUP_REGISTRY"] = str(registry)
        return Run([*as_user(user), *through, self.program, *progress, *arguments], cwd=cwd, environment=environment, phases=phases)

    def measured(self, *arguments, runs=1, **how):
        """The processor's time and the memory of ampup alone, in each of some runs."""
        script = Path(__file__).with_name("measured.py")
        run = self.ampup(*arguments, through=["python3", "-S", "-E", script, runs], **how)
        return [Measured(*took) for took in json.loads(run.output.splitlines()[-1])]

    def shell(self, script, user=None, cwd=None):
        return Run([*as_user(user), "bash", "-euo", "pipefail", "-c", script], cwd=cwd or self.fresh())

    def pairs(self, name, goal, ours, theirs, rounds=None):
        """A row with the median of the ratios of pairs; the first pair warms the caches."""
        ratios, seconds = [], []
        for turn in range((rounds or self.rounds) + 1):
            one, other = (ours(), theirs()) if turn % 2 else reversed((theirs(), ours()))
            if turn:
                ratios.append(one.seconds / other.seconds)
                seconds.append((one.seconds, other.seconds))
        mine, peer = (statistics.median(column) for column in zip(*seconds))
        self.row(name, goal, f"{statistics.median(ratios):.2f}", f"{shown(mine)} and {shown(peer)}")

    def cpu(self, name, goal, *arguments, **how):
        """A row with the median of the processor's time of a command."""
        runs = self.measured(*arguments, runs=4 * self.rounds, **how)
        self.row(name, goal, f"{median(runs, 'cpu') * 1000:.1f} ms of CPU", f"{shown(median(runs, 'seconds'))} until it ended")

    def row(self, name, goal, value, note=""):
        name = name.replace("|", "\\|")
        self.rows.append(f"| {name} | {goal} | {value} | {note} |")
        print(self.rows[-1], flush=True)


def median(runs, field):
    return statistics.median(getattr(run, field) for run in runs)


def shown(seconds):
    return f"{seconds:.1f} s" if seconds >= 10 else f"{seconds * 1000:.0f} ms"


def as_user(user):
    return ["setpriv", "--reuid", user, "--regid", str(pwd.getpwnam(user).pw_gid), "--clear-groups", "--"] if user else []


def server_user():
    """Who runs PostgreSQL, which refuses root."""
    return NOBODY if os.geteuid() == 0 else None


def give(path):
    if os.geteuid() == 0:
        shutil.chown(path, NOBODY)
    return Path(path)
