"""Importing has no effect, and `safelight --help` stays light."""

from __future__ import annotations

import json
import subprocess
import sys

# Large libraries that only a command at work may load.
HEAVY = {
    "torch",
    "diffusers",
    "transformers",
    "accelerate",
    "peft",
    "torchmetrics",
    "sqlalchemy",
    "pyarrow",
    "matplotlib",
}

# What an import could disturb. The libraries load first: what they do to the process is not ours.
EFFECTS = """
import importlib, json, logging, os, random, signal, sys, threading
import numpy, torch, diffusers, transformers, sqlalchemy, torchmetrics
import rich.style  # draws the number of its first link

def state():
    return {
        "folder": os.getcwd(),
        "environment": dict(os.environ),
        "files": sorted(os.listdir()),
        "path": list(sys.path),
        "python's generator": hash(random.getstate()),
        "numpy's generator": numpy.random.get_state()[1].tolist(),
        "torch's generator": torch.get_rng_state().tolist(),
        "torch's threads": torch.get_num_threads(),
        "torch's default type": str(torch.get_default_dtype()),
        "gradients": torch.is_grad_enabled(),
        "threads": threading.active_count(),
        "log handlers": len(logging.getLogger().handlers),
        "Ctrl-C": str(signal.getsignal(signal.SIGINT)),
    }

before = state()
for name in json.load(sys.stdin):
    importlib.import_module(name)
after = state()
print([what for what in before if before[what] != after[what]], "torchvision" in sys.modules)
"""

HELP = """
import sys
sys.argv = ["safelight", "--help"]
from safelight.cli import main
try:
    main()
except SystemExit as end:
    code = end.code
else:
    code = 0
print(*sorted(name for name in sys.modules if "." not in name), file=sys.stderr)
sys.exit(code)
"""


def test_importing_any_module_changes_nothing(modules, tmp_path):
    names = [module.name for module in modules if not module.name.endswith("__main__")]
    done = subprocess.run(
        [sys.executable, "-c", EFFECTS],
        input=json.dumps(names), cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (done.stdout, list(tmp_path.iterdir())) == ("[] False\n", [])


def test_help_loads_no_large_library(tmp_path):
    done = subprocess.run([sys.executable, "-c", HELP], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "generate" in done.stdout
    assert HEAVY & set(done.stderr.split()) == set()
