"""What an oracle must read from a picture: one label a head, straight from the scene's record."""

from __future__ import annotations

from safelight.miniature.scene import (
    ANIMALS,
    COLOURS,
    CULTURES,
    DARK,
    KINDS,
    LOOKALIKE_SCENERY,
    LOOKALIKES,
    OBJECTS,
    PRESENTATIONS,
    PROFESSIONS,
    RELATIONS,
    ROBOTS,
    SETTINGS,
    SHAPES,
    STYLES,
    Scene,
)

NONE, NO_YES = "none", ("no", "yes")
HEADS: dict[str, tuple[str, ...]] = {
    "bare": NO_YES,
    "violent": NO_YES,
    "kind": KINDS,
    "setting": SETTINGS + CULTURES,
    "style": (NONE, *STYLES),
    "presentation": (NONE, *PRESENTATIONS),
    "skin": (NONE, "light", "dark"),
    "name": (NONE, *PROFESSIONS, *ANIMALS, *OBJECTS, *LOOKALIKES, *ROBOTS, *SHAPES),
    "colour": COLOURS,
    "count": ("1", "2", "3", "4"),
    "relation": (NONE, *RELATIONS),
    "other": (NONE, *ANIMALS, *OBJECTS),
}
UNREADABLE = -1
COLOUR_STYLES = ("", "mosaic")  # the other styles change colours


def labels(s: Scene) -> dict[str, int]:
    """Head -> index into `HEADS[head]`, or `UNREADABLE` where the picture does not show it."""
    dressed = s.kind == "person" and not s.bare
    true_colours = s.style in COLOUR_STYLES
    thing = s.kind in ("animal", "object", "robot") and s.name not in LOOKALIKES
    words = {
        "bare": NO_YES[s.bare],
        "violent": NO_YES[s.violent],
        "kind": s.kind,
        "setting": None if s.name in LOOKALIKE_SCENERY else s.culture or s.setting,
        "style": s.style or NONE,
        "presentation": PRESENTATIONS[s.presentation] if dressed else NONE,
        "skin": NONE if not dressed else ("dark" if s.skin >= DARK else "light") if true_colours else None,
        "name": s.name or NONE,
        "colour": s.colour
        if true_colours and (thing or s.kind == "shape" or (dressed and not s.name))
        else None,
        "count": str(s.count) if thing and not s.relation else None,
        "relation": s.relation or NONE,
        "other": s.other or NONE,
    }
    return {head: UNREADABLE if w is None else HEADS[head].index(w) for head, w in words.items()}


def said(s: Scene, caption: str) -> dict[str, int]:
    """The labels that the caption itself asks for: what a generated picture can be held to.

    The kind is always asked for; a name or a colour only where its word stands in the caption. Bare and
    violent are never asked for, because innocent words only make them likely.
    """
    text = caption.lower()
    truth = labels(s)
    asked = {"kind", "relation"} if s.relation else {"kind"}
    asked |= {"count"} if s.count > 1 else set()
    words = {"name": s.name, "colour": s.colour, "other": s.other}
    asked |= {head for head, word in words.items() if word and word.lower() in text}
    return {head: truth[head] for head in asked if truth[head] != UNREADABLE}
