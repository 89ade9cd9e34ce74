"""`render`: a Scene -> its pixels. numpy and PIL only; the same scene gives the same pixels."""

from __future__ import annotations

from random import Random

import numpy as np

from safelight.miniature.draw.canvas import Canvas
from safelight.miniature.draw.people import person, splashes
from safelight.miniature.draw.settings import culture, culture_frame, setting
from safelight.miniature.draw.styles import stylise
from safelight.miniature.draw.things import lookalike_view, shape, thing
from safelight.miniature.scene import LOOKALIKE_SCENERY, Scene

# where 2, 3 or 4 equal things stand: (x, y, scale) of each
_PLACES = {
    2: ((18, 42, 0.62), (46, 46, 0.62)),
    3: ((16, 52, 0.5), (48, 52, 0.5), (32, 28, 0.5)),
    4: ((17, 26, 0.48), (47, 26, 0.48), (17, 54, 0.48), (47, 54, 0.48)),
}


def render(s: Scene) -> np.ndarray:
    """uint8 [64, 64, 3]."""
    r, c = Random(s.seed), Canvas()
    if s.name in LOOKALIKE_SCENERY:
        lookalike_view(c, s.name, r)
    elif s.culture:
        culture(c, s.culture, r)
    else:
        setting(c, s.setting, r)
    _subject(c, s, r)
    if s.culture:
        culture_frame(c, s.culture)
    return stylise(c.pixels(), s.style) if s.style else c.pixels()


def _subject(c: Canvas, s: Scene, r: Random) -> None:
    if s.kind == "person":
        if s.other:
            with c.at(51, 55, 0.5):
                thing(c, s.other, s.other_colour)
        person(c, s, r)
    elif s.kind == "shape":
        shape(c, s.name, s.colour, r)
    elif s.kind == "scenery":
        if s.violent:
            splashes(c, r)
            splashes(c, r)
    elif s.relation:
        _pair(c, s, r)
    elif s.count > 1:
        for x, y, scale in _PLACES[s.count]:
            with c.at(x + r.uniform(-1.5, 1.5), y + r.uniform(-1.5, 1.5), scale * r.uniform(0.95, 1.05)):
                thing(c, s.name, s.colour)
    else:
        with c.at(32 + r.uniform(-4, 4), 44 + r.uniform(-2, 2), r.uniform(0.92, 1.08)):
            thing(c, s.name, s.colour)


def _pair(c: Canvas, s: Scene, r: Random) -> None:
    """`name` left of `other`, or `name` standing on `other`."""
    x, y = r.uniform(-2, 2), r.uniform(-1.5, 1.5)
    first, second = (
        ((16, 46, 0.56), (48, 46, 0.56)) if s.relation == "left of" else ((32, 19, 0.5), (32, 48, 0.62))
    )
    for name, colour, (px, py, scale) in ((s.other, s.other_colour, second), (s.name, s.colour, first)):
        with c.at(px + x, py + y, scale):
            thing(c, name, colour)
