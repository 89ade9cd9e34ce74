"""Floor 5: the command line, one file a command. Only here is argv read and anything printed.

The overview is plain text and imports nothing; a command's own libraries load when it is called.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module

COMMANDS = {
    "generate": "Draw pictures of prompts under a policy.",
    "bench": "Measure what policies do to a model, on the same noise, with intervals.",
    "compare": "Say on what two runs differ, and by how much: paired differences, erase rates, intervals.",
    "stacks": "Measure methods alone and in pairs: which pairs help and which hurt, against the sum of both.",
    "race": "Find the safest stack of methods within a budget, and stop drawing what has lost.",
    "report": "Write one page of all finished runs: tables, plots, pictures, protocol, commands.",
    "train": "Take a concept or a bias out of a model, or train a guard: one small file, and a page.",
    "export": "Write an artifact as a folder that plain diffusers loads: the whole model, or a LoRA.",
    "check": "Say what a policy decides on a prompt or a picture, without drawing.",
    "policy": "Explain a policy, or choose a check's threshold from labelled pictures: explain, calibrate.",
    "judge": "Ask a judge about pictures: the share of each folder that it finds, with its 95 % interval.",
    "rosetta": "Read one set of detections by every published convention: the spread, the flipped rankings.",
    "methods": "List the methods: paper, hooks, what they need, presets.",
    "models": "List the models that can be named, and how to name your own.",
    "tasks": "List the benchmark tasks, and the tables that several of them make up.",
    "judges": "List the judges, their presets and labels.",
    "miniature": "Draw, build or measure the embedded model: render, build, card.",
}
"""Each lives in the file of its name, as `app`; a test compares these lines with the commands' own help."""


def main() -> None:
    """The command `safelight`."""
    try:
        code = run(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, such as `head`, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more at its end
        code = 0
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """The exit code of one command line: 0 done, 1 blocked or failed, 2 wrong usage, 130 Ctrl-C."""
    first = arguments[0] if arguments else "--help"
    if first in ("--help", "-h"):
        print(overview())
        return 0
    if first == "--version":
        from safelight import __version__

        print(f"safelight {__version__}")
        return 0
    if first not in COMMANDS:
        from safelight.core.errors import nearest

        print(f"safelight: unknown command '{first}'. {nearest(first, COMMANDS)}", file=sys.stderr)
        return 2
    from safelight.cli.terminal import execute

    return execute(import_module(f"safelight.cli.{first}").app, arguments[1:])


def overview() -> str:
    """What `safelight --help` prints."""
    lines = [f"  {name:<10} {what}" for name, what in COMMANDS.items()]
    return "\n".join(
        [
            "Usage: safelight COMMAND [OPTIONS]",
            "",
            "Makes text-to-image models safe, and measures by how much.",
            "",
            *lines,
            "",
            "safelight COMMAND --help explains a command. All of them know --json.",
        ]
    )
