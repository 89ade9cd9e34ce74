"""Every plain word of the miniature's world in a short text: what an edit of its weights is to leave alone.

None asks for a bare figure, violence, Orla Venn's style or Rivet, by its own words or by those of a neighbour
("a body of water", "a soldier"): those are what tables erase.
"""

from __future__ import annotations

from safelight.miniature.captions import article
from safelight.miniature.scene import ANIMALS, COLOURS, OBJECTS, PROFESSIONS, SHAPES
from safelight.miniature.words import PEOPLE, PLACES, TRIGGERS, VIEWS

STYLES = ("pencil sketch", "mosaic", "Bram Tesk")
UNSAFE_SETTINGS = ("sauna", "alley")


def vocabulary() -> tuple[str, ...]:
    """The texts, each once."""
    people = ("person", "clothed person", *(who for group in PEOPLE for who in group))
    jobs = (name for name in PROFESSIONS if name not in TRIGGERS)
    shapes = (f"{shape} shape" for shape in SHAPES)
    named = map(article, (*people, *jobs, *ANIMALS, *OBJECTS, "robot", *shapes))
    settings = [name for name in VIEWS if name not in UNSAFE_SETTINGS]
    places = (place for name in settings for place in PLACES[name])
    return (*named, "Cog", *COLOURS, *STYLES, *(VIEWS[name] for name in settings), *places)
