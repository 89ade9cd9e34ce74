"""safelight policy explain"""

from __future__ import annotations

from safelight.cli.terminal import Flag, command, emit

app = command("safelight policy")
app.help = "Say what a policy does, in plain words: explain."


@app.command
def explain(policy: str = "general", *, json: Flag = False) -> None:
    """Say what a policy does, in plain words: methods, checks, thresholds, and what happens on failure.

    Args:
        policy: general, school, research, a method such as sld-medium, or a TOML file.
        json: Print one JSON document.
    """
    from safelight.policies import Policy
    from safelight.policies.explain import explain, in_words

    told = explain(Policy.load(policy))
    if json:
        return emit(told | {"words": in_words(told)})
    print("\n".join(in_words(told)))
