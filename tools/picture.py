#!/usr/bin/env python3
"""Draws docs/first-session.svg: the README's first session, run in a terminal, with what it really prints.

    tools/picture.py PROGRAM OUTPUT

PROGRAM is the ampup that the session installs. `just picture` builds it and calls this. It needs what the session needs, and bash;
as root the session is run by `nobody`, as PostgreSQL refuses root. What stands in place of this machine's own: the address of the release
(it is a directory here), the name of the home directory, and, where GitHub is not reached, the registry without what lies there.
"""

import json
import os
import pathlib
import pty
import re
import select
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import fcntl
from html import escape

TOP = pathlib.Path(__file__).resolve().parent.parent
RELEASES = "https://github.com/edgeandnode/ampup/releases"
COLUMNS = 96
QUIET = 2  # seconds after which a line without an end is a question

# The palette of each scheme: GitHub's own.
LIGHT = {"back": "#f6f8fa", "edge": "#d1d9e0", "text": "#1f2328", "dim": "#59636e", "1": "#cf222e", "2": "#116329", "3": "#7d4e00",
         "4": "#0550ae", "5": "#8250df", "6": "#1b7c83"}
DARK = {"back": "#151b23", "edge": "#3d444d", "text": "#f0f6fc", "dim": "#9198a1", "1": "#ff7b72", "2": "#3fb950", "3": "#d29922",
        "4": "#58a6ff", "5": "#bc8cff", "6": "#39c5cf"}
WIDTH, HEIGHT, MARGIN, SIZE = 8.0, 19, 16, 13.3


def commands():
    """The commands of the README's first console block."""
    block = (TOP / "README.md").read_text().split("```console\n")[1].split("```")[0]
    return [line[2:] for line in block.splitlines() if line.startswith("$ ")]


class Screen:
    """A terminal without an end: each line is a list of (character, classes)."""

    def __init__(self):
        self.lines, self.row, self.column, self.style = [[]], 0, 0, ()

    def feed(self, text):
        for part in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b.|.", text, re.S):
            if part.startswith("\x1b["):
                self.control(part[-1], part[2:-1])
            elif part == "\r":
                self.column = 0
            elif part == "\n":
                self.down()
            elif part == "\b":
                self.column = max(0, self.column - 1)
            elif not part.startswith("\x1b") and part >= " ":
                self.put(part)

    def down(self):
        self.row += 1
        while len(self.lines) <= self.row:
            self.lines.append([])

    def put(self, character):
        if self.column == COLUMNS:
            self.column = 0
            self.down()
        line = self.lines[self.row]
        line.extend([(" ", ())] * (self.column + 1 - len(line)))
        line[self.column] = (character, self.style)
        self.column += 1

    def control(self, letter, words):
        numbers = [int(word) for word in words.split(";") if word.isdigit()]
        first = numbers[0] if numbers else 0
        if letter == "m":
            self.color(numbers or [0])
        elif letter == "A":
            self.row = max(0, self.row - max(1, first))
        elif letter == "B":
            for _ in range(max(1, first)):
                self.down()
        elif letter == "C":
            self.column = min(COLUMNS - 1, self.column + max(1, first))
        elif letter == "D":
            self.column = max(0, self.column - max(1, first))
        elif letter == "G":
            self.column = max(1, first) - 1
        elif letter == "K":
            self.lines[self.row] = [] if first == 2 else self.lines[self.row][: self.column]
        elif letter == "J":
            self.lines[self.row] = self.lines[self.row][: self.column]
            del self.lines[self.row + 1:]

    def color(self, numbers):
        for number in numbers:
            if number == 0:
                self.style = ()
            elif number in (1, 2):
                self.style = (*self.style, "bold" if number == 1 else "dim")
            elif number == 39:
                self.style = tuple(style for style in self.style if not style.startswith("c"))
            elif number in (22, 24):
                self.style = tuple(style for style in self.style if style.startswith("c"))
            elif 30 <= number <= 37 or 90 <= number <= 97:
                self.style = (*(style for style in self.style if not style.startswith("c")), f"c{number % 10}")


def registry(place):
    """The registry as this machine reaches it, or None for all of it."""
    try:
        socket.create_connection(("github.com", 443), timeout=5).close()
        return None
    except OSError:
        manifest = json.loads((TOP / "registry/manifest.json").read_text())
        for component in manifest["components"].values():
            for release in component["releases"]:
                release["artifacts"] = [one for one in release["artifacts"] if one["source"]["kind"] != "https"]
        path = place / "registry.json"
        path.write_text(json.dumps(manifest))
        return path


def release(program, place):
    """The files of a release with this program, for this machine."""
    files = place / "release"
    files.mkdir()
    version = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout.split()[1]
    kernel, machine = os.uname().sysname, os.uname().machine.replace("arm64", "aarch64")
    shutil.copy(program, files / f"ampup-{machine}-{'apple-darwin' if kernel == 'Darwin' else 'unknown-linux-gnu'}")
    subprocess.run([TOP / "release/assemble", files, version], check=True, stdout=subprocess.DEVNULL)
    return files


def session(program, place):
    """What the terminal shows, with the prompts."""
    files, home = release(program, place), place / "you"
    home.mkdir()
    place.chmod(0o755)
    environment = {"HOME": str(home), "SHELL": "/bin/bash", "PATH": "/usr/bin:/bin", "TERM": "xterm-256color", "LANG": "C.UTF-8", "PAGER": "cat"}
    environment |= {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy") or name.startswith(("PIP_", "SSL_"))}
    if (path := registry(place)) is not None:
        environment["AMPUP_REGISTRY"] = str(path)
    script = ""
    for command in commands():
        script += "printf '\\033[2m$\\033[0m \\033[1m%s\\033[0m\\n' " + f"'{quoted(command)}'\n"
        # As a variable: what is told next would name the option.
        run = re.sub(r"^curl .*/install\.sh \| sh", f"AMPUP_MIRROR=file://{files} sh < {files}/install.sh", command)
        script += f"eval '{quoted(run)}'\n"
    words = ["bash", "--noprofile", "--norc", "-c", script]
    if os.geteuid() == 0:
        shutil.chown(home, "nobody")
        words = ["setpriv", "--reuid", "nobody", "--clear-groups", *words]
    text = run_in_terminal(words, home, environment)
    return text.replace(f"file://{files}", f"{RELEASES}/latest/download").replace(str(home), "/home/you")


def quoted(command):
    return command.replace("'", "'\\''")


def run_in_terminal(words, directory, environment):
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(directory)
        os.execvpe(words[0], words, environment)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, COLUMNS, 0, 0))
    output = b""
    while True:
        ready, _, _ = select.select([terminal], [], [], QUIET)
        if not ready:
            # A question waits for its answer.
            if re.search(rb"[\])?:] ?$", output):
                os.write(terminal, b"y\n")
            continue
        try:
            data = os.read(terminal, 4096)
        except OSError:
            break
        if not data:
            break
        output += data
    _, status = os.waitpid(process, 0)
    if status != 0:
        sys.exit(f"the session failed:\n{output.decode()}")
    return output.decode()


def runs(line):
    """The stretches of a line that look alike: column, text, classes."""
    found = []
    for column, (character, style) in enumerate(line):
        if found and found[-1][2] == style:
            found[-1][1] += character
        else:
            found.append([column, character, style])
    return [run for run in found if run[1].strip()]


def colors(palette):
    rules = [f"rect{{fill:{palette['back']};stroke:{palette['edge']}}}", f"text{{fill:{palette['text']}}}", f".dim{{fill:{palette['dim']}}}"]
    rules += [f".c{number}{{fill:{palette[number]}}}" for number in "123456"]
    return "".join(rules)


def svg(lines):
    width, height = COLUMNS * WIDTH + 2 * MARGIN, len(lines) * HEIGHT + 2 * MARGIN
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}" role="img">',
        "<title>A first session with ampup</title>",
        f"<desc>{escape(chr(10).join(commands()))}</desc>",
        f"<style>text{{font:{SIZE}px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;white-space:pre}}"
        f".bold{{font-weight:600}}{colors(LIGHT)}@media(prefers-color-scheme:dark){{{colors(DARK)}}}</style>",
        f'<rect x="0.5" y="0.5" width="{width - 1:g}" height="{height - 1:g}" rx="8"/>',
    ]
    for number, line in enumerate(lines):
        y = MARGIN + number * HEIGHT + SIZE
        for column, text, style in runs(line):
            kind = f' class="{" ".join(style)}"' if style else ""
            text, length = text.rstrip(), len(text.rstrip()) * WIDTH
            out.append(
                f'<text x="{MARGIN + column * WIDTH:g}" y="{y:g}" textLength="{length:g}" lengthAdjust="spacingAndGlyphs"'
                f' xml:space="preserve"{kind}>{escape(text)}</text>'
            )
    return "\n".join([*out, "</svg>", ""])


def main():
    program, output = map(pathlib.Path, sys.argv[1:])
    with tempfile.TemporaryDirectory() as place:
        text = session(program.resolve(), pathlib.Path(place))
    screen = Screen()
    screen.feed(text)
    lines = screen.lines
    while lines and not any(character.strip() for character, _ in lines[-1]):
        lines.pop()
    output.write_text(svg(lines))


if __name__ == "__main__":
    main()
