"""Runs a command several times and prints, as JSON, what each run took: seconds, processor time, MiB at its peak.

`measured.py RUNS COMMAND...`. It is a small process of its own: Linux counts the memory of whoever starts a program to the peak of
that program (a benchmark that has read an archive has more than ampup), and the processor time of `setpriv` to what it becomes.
"""

import os
import sys
import time


def run(command):
    began = time.perf_counter()
    pid = os.posix_spawn(command[0], command, os.environ,
                         file_actions=[(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0), (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)])
    _, status, usage = os.wait4(pid, 0)
    seconds = time.perf_counter() - began
    if status != 0:
        sys.exit(f"{command} ended with {os.waitstatus_to_exitcode(status)}")
    return f"[{seconds}, {usage.ru_utime + usage.ru_stime}, {usage.ru_maxrss / 1024}]"


print("[" + ", ".join([run(sys.argv[2:]) for _ in range(int(sys.argv[1]))]) + "]")
