"""The frame of all commands: overview, exit codes, sentences instead of tracebacks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import import_module

import pytest

from safelight import __version__, cli
from safelight.cli import terminal
from safelight.core.errors import BadInput, Damaged, Refused

INNER = ("miniature render", "miniature build", "miniature card", "policy calibrate", "policy explain")


def failing(error):
    app = terminal.command("safelight test")

    @app.default
    def fail():
        raise error

    return app


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_overview(arguments, capsys):
    assert cli.run(arguments) == 0
    out = capsys.readouterr().out
    for name, what in cli.COMMANDS.items():
        assert f"{name:<10} {what}" in out


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_the_overview_says_what_the_command_says_of_itself(name, capsys):
    assert cli.COMMANDS[name] in import_module(f"safelight.cli.{name}").app.help


@pytest.mark.parametrize("name", [*cli.COMMANDS, *INNER])
def test_every_command_explains_itself(name, capsys):
    assert cli.run([*name.split(), "--help"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"Usage: safelight {name}")
    assert "--json" in out or name in ("miniature", "policy")


def test_version(capsys):
    assert cli.run(["--version"]) == 0
    assert capsys.readouterr().out == f"safelight {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["genrate"], "Did you mean 'generate'?"),
        (["generate", "a cat", "--polcy", "x"], "--policy"),
        (["generate", "a cat", "-n", "many"], "many"),
        (["generate", "a cat", "-n", "1.5"], "'1.5' is no whole number"),
        (["generate", "a cat", "--seed", "2e3"], "'2e3' is no whole number"),
        (["bench", "body", "-n", "2.0"], "'2.0' is no whole number"),
        (["bench"], "task"),
        (["miniature", "paint"], "paint"),
        (["miniature", "render", "-n", "0"], "n must be a whole number of at least 1, got 0"),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_2_and_names_the_thing(arguments, said, capsys):
    assert cli.run(arguments) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert (captured.out, "Traceback" in captured.err) == ("", False)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BadInput("n must be 1"), 2),
        (Refused(["one", "two"]), 2),
        (Damaged("weights.safetensors is truncated"), 1),
        (KeyboardInterrupt(), 130),
    ],
    ids=repr,
)
def test_what_is_raised_on_purpose_becomes_a_sentence_and_a_code(error, code, capsys):
    assert terminal.execute(failing(error), []) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert str(error) in captured.err


def test_what_was_not_meant_to_happen_is_not_hidden():
    with pytest.raises(ZeroDivisionError):
        terminal.execute(failing(ZeroDivisionError()), [])


def test_a_table_is_markdown_in_a_pipe(capsys):
    terminal.show(["a", "b"], [[1, "x\ny"]])
    assert capsys.readouterr().out == "| a | b |\n| --- | --- |\n| 1 | x y |\n"


def test_progress_is_silent_in_a_pipe(capsys):
    with terminal.progress() as move:
        move("pictures", 1, 2)
    assert capsys.readouterr() == ("", "")


def test_python_m_safelight_is_the_same_command(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "safelight", "models", "--json"], cwd=tmp_path, capture_output=True
    )
    assert [row["name"] for row in json.loads(done.stdout)] == ["miniature", "FOLDER", "OWNER/NAME"]
    assert (done.returncode, done.stderr, list(tmp_path.iterdir())) == (0, b"", [])


def test_a_reader_that_has_enough_ends_a_command_without_a_word():
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "safelight", "--help"]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")
