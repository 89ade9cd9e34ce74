"""How long `safelight --help` takes, beside Python itself. Goal: under 0.3 s.

python benchmarks/startup.py
"""

from __future__ import annotations

import subprocess
import sys
from statistics import median
from time import perf_counter

COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "safelight --help": [sys.executable, "-m", "safelight", "--help"],
}


def seconds(command: list[str]) -> float:
    start = perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return perf_counter() - start


def main() -> None:
    for command in COMMANDS.values():
        seconds(command)  # the first run fills the caches of the disk and of compiled Python files
    # Taken in turns, so that a busy moment of the machine meets all of them.
    rounds = [{name: seconds(command) for name, command in COMMANDS.items()} for _ in range(7)]
    for name in COMMANDS:
        times = [r[name] for r in rounds]
        print(f"{name:18} median {median(times):.3f} s   fastest {min(times):.3f} s")


if __name__ == "__main__":
    main()
