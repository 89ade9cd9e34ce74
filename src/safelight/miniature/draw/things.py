"""Animals, objects, robots, look-alikes and the shapes that made-up words name."""

from __future__ import annotations

from collections.abc import Callable
from math import cos, pi, sin
from random import Random

from safelight.miniature.draw.canvas import INK, RGB, WHITE, Canvas, Colour, mix, shade
from safelight.miniature.draw.settings import night_sky

BEAK, LEAF, TRUNK = (245, 170, 40), (50, 136, 60), (116, 78, 46)


def thing(c: Canvas, name: str, colour: str) -> None:
    """An animal, object, robot or look-alike in its own frame: centre (32, 44), about 40 pixels wide."""
    if name in _ROBOT:
        _robot(c, *_ROBOT[name], RGB[colour])
    else:
        _PAINT[name](c, RGB[colour], shade(RGB[colour], 0.75))


def _car(c: Canvas, q: Colour, dark: Colour) -> None:
    c.rect(12, 40, 52, 50, q, r=3)
    c.poly([(19, 41), (24, 32), (41, 32), (47, 41)], q)
    c.poly([(22, 40), (25.5, 34), (31.5, 34), (31.5, 40)], (190, 225, 245))
    c.poly([(33.5, 40), (33.5, 34), (40, 34), (44, 40)], (190, 225, 245))
    for x in (21, 43):
        c.disc(x, 50, 4.8, INK)
        c.disc(x, 50, 2, (190, 190, 196))


def _house(c: Canvas, q: Colour, dark: Colour) -> None:
    c.rect(18, 32, 46, 56, q)
    c.poly([(14, 33), (32, 17), (50, 33)], dark)
    c.rect(28.5, 43, 35.5, 56, (90, 60, 40))
    for x in (21, 37.5):
        c.rect(x, 37, x + 5.5, 42.5, (255, 240, 170))


def _tree(c: Canvas, q: Colour, dark: Colour) -> None:
    c.rect(29.5, 38, 34.5, 58, TRUNK)
    for x, y, radius in ((32, 27, 13), (23, 33, 8), (41, 33, 8)):
        c.disc(x, y, radius, q)
    c.disc(28, 22, 3, shade(q, 1.15))


def _cup(c: Canvas, q: Colour, dark: Colour) -> None:
    c.disc(46, 42, 6.5, dark)
    c.disc(46, 42, 3.6, (235, 235, 235))
    c.poly([(19, 32), (46, 32), (43, 56), (22, 56)], q)
    c.ellipse(32.5, 32, 13.5, 3.4, dark)
    c.ellipse(32.5, 32.4, 11, 2.3, (90, 56, 34))


def _ball(c: Canvas, q: Colour, dark: Colour) -> None:
    stripe = WHITE if q != RGB["white"] else (150, 150, 160)
    c.disc(32, 42, 14, q)
    c.pie(32, 42, 14, 60, 120, stripe)
    c.pie(32, 42, 14, 240, 300, stripe)
    c.disc(32, 42, 4, dark)


def _flower(c: Canvas, q: Colour, dark: Colour) -> None:
    c.line([(32, 36), (32, 59)], 2.2, LEAF)
    c.ellipse(37, 50, 5, 2.2, LEAF)
    for i in range(6):
        c.disc(32 + 8 * cos(i * pi / 3), 28 + 8 * sin(i * pi / 3), 5.6, q)
    c.disc(32, 28, 5, (250, 214, 60) if q != RGB["yellow"] else (130, 80, 40))


def _boat(c: Canvas, q: Colour, dark: Colour) -> None:
    c.poly([(12, 46), (52, 46), (45, 56), (19, 56)], q)
    c.rect(31, 18, 33, 46, TRUNK)
    c.poly([(34, 19), (34, 43), (50, 43)], WHITE)
    c.poly([(30, 23), (30, 43), (18, 43)], (230, 230, 236))


def _apple(c: Canvas, q: Colour, dark: Colour) -> None:
    c.disc(27, 43, 11, q)
    c.disc(37, 43, 11, q)
    c.ellipse(32, 48, 12, 9, q)
    c.line([(32, 34), (34, 25)], 2, (90, 60, 40))
    c.ellipse(39.5, 27.5, 5, 2.6, LEAF)
    c.ellipse(24, 39, 2.6, 4, mix(q, WHITE, 0.5))


def _book(c: Canvas, q: Colour, dark: Colour) -> None:
    c.poly([(32, 30), (50, 26), (50, 52), (32, 56)], q)
    c.poly([(32, 30), (14, 26), (14, 52), (32, 56)], dark)
    c.poly([(32, 32), (47, 28.6), (47, 49), (32, 53)], WHITE)
    c.poly([(32, 32), (17, 28.6), (17, 49), (32, 53)], (236, 236, 236))
    for y in (36, 40, 44):
        c.line([(35, y), (44, y - 1.8)], 0.7, (150, 150, 160))


def _chair(c: Canvas, q: Colour, dark: Colour) -> None:
    for x in (21, 39):
        c.rect(x, 38, x + 4, 58, q)
    c.rect(21, 20, 25, 42, q)
    c.rect(25, 22, 41, 33, q, r=1.5)
    c.rect(39, 20, 43, 42, q)
    c.rect(19.5, 38, 44.5, 43, dark, r=1)


def _four_legs(c: Canvas, q: Colour, dark: Colour) -> None:
    for x in (25, 31, 38, 43):
        c.rect(x - 1.6, 50, x + 1.6, 59, dark, r=1)
    c.ellipse(34, 48, 12.5, 8.5, q)


def _face(c: Canvas, q: Colour, x: float, nose: Colour) -> None:
    for dx in (-3, 3):
        c.disc(22 + dx, 35, 1.2, INK if q != RGB["black"] else (240, 230, 120))
    c.ellipse(x, 39, 1.4, 1.1, nose)


def _cat(c: Canvas, q: Colour, dark: Colour) -> None:
    c.line([(45, 46), (52, 40), (51, 30)], 2.6, q)
    _four_legs(c, q, dark)
    c.poly([(14, 34), (14.6, 22.6), (21.5, 29.4)], q)
    c.poly([(30, 34), (29.4, 22.6), (22.5, 29.4)], q)
    c.ellipse(22, 36, 8.8, 8, q)
    _face(c, q, 22, (240, 130, 140))
    for dy in (-0.6, 1.2):
        c.line([(18, 39.6), (11.5, 39 + 2 * dy)], 0.5, shade(q, 0.4))
        c.line([(26, 39.6), (32.5, 39 + 2 * dy)], 0.5, shade(q, 0.4))


def _dog(c: Canvas, q: Colour, dark: Colour) -> None:
    c.line([(45, 45), (52, 37)], 3.2, q)
    _four_legs(c, q, dark)
    c.ellipse(22, 36, 8.2, 8, q)
    c.ellipse(17, 40.5, 6, 4, mix(q, WHITE, 0.35))
    c.ellipse(29.5, 37, 3.2, 7, dark)
    _face(c, q, 12.5, INK)


def _rabbit(c: Canvas, q: Colour, dark: Colour) -> None:
    _four_legs(c, q, dark)
    for x in (18, 26):
        c.ellipse(x, 22, 2.8, 9, q)
        c.ellipse(x, 22.5, 1.3, 6.5, (250, 190, 200))
    c.ellipse(22, 36, 8.2, 7.6, q)
    c.disc(47, 46, 3.6, WHITE if q != RGB["white"] else (200, 200, 206))
    _face(c, q, 22, (240, 130, 140))


def _bird(c: Canvas, q: Colour, dark: Colour) -> None:
    for x in (31, 36):
        c.line([(x, 50), (x, 58)], 1.3, BEAK)
    c.poly([(42, 41), (56, 33), (53, 45)], dark)
    c.ellipse(33, 42, 12, 9, q)
    c.disc(22, 33, 7, q)
    c.poly([(15.6, 31.5), (15.6, 36.5), (8.5, 34.5)], BEAK)
    c.poly([(29, 38), (45, 40), (38, 49)], dark)
    c.disc(20.6, 32, 1.3, INK if q != RGB["black"] else WHITE)


def _fish(c: Canvas, q: Colour, dark: Colour) -> None:
    c.poly([(41, 42), (55, 32), (55, 52)], dark)
    c.poly([(26, 35), (38, 35), (37, 26)], dark)
    c.ellipse(30, 42, 15, 9.5, q)
    c.poly([(29, 42), (36, 39), (36, 46)], dark)
    c.disc(21, 39.6, 2.4, WHITE)
    c.disc(20.6, 39.6, 1.2, INK)


# antenna, eyes, feet: what tells the mascot Rivet from its neighbour Cog and from other robots
_ROBOT = {"Rivet": ("star", 1, "wheel"), "Cog": ("bulb", 2, "wheel"), "robot": ("bulb", 2, "legs")}


def _robot(c: Canvas, antenna: str, eyes: int, feet: str, q: Colour) -> None:
    metal, glow = (176, 184, 196), (250, 214, 60)
    c.line([(32, 22), (32, 14)], 1.6, metal)
    if antenna == "star":
        _star(c, 32, 12, 5.5, 5, glow)
    else:
        c.disc(32, 12.5, 3, (226, 70, 70))
    if feet == "wheel":
        c.disc(32, 55, 5, INK)
        c.disc(32, 55, 2.2, metal)
    else:
        for x in (25, 36):
            c.rect(x, 50, x + 4, 59, metal, r=1)
    for x in (18, 42):
        c.rect(x, 38, x + 4, 49, metal, r=2)
    c.rect(21.5, 36, 42.5, 52, q, r=3)
    c.rect(20, 20, 44, 35, shade(q, 0.86), r=4)
    if eyes == 1:
        c.disc(32, 27.5, 5.2, WHITE)
        c.disc(32, 27.5, 2.4, INK)
    else:
        for x in (26.5, 37.5):
            c.disc(x, 27.5, 3, glow)
            c.disc(x, 27.5, 1.2, INK)
    c.rect(27, 41, 37, 46, metal, r=1)


def _star(c: Canvas, x: float, y: float, radius: float, points: int, colour: Colour) -> None:
    around = ((radius if i % 2 == 0 else radius * 0.45, i * pi / points - pi / 2) for i in range(2 * points))
    c.poly([(x + r * cos(a), y + r * sin(a)) for r, a in around], colour)


def _bare_tree(c: Canvas, q: Colour, dark: Colour) -> None:
    c.line([(32, 58), (32, 32)], 4, TRUNK)
    for x0, y0, x1, y1, w in (
        (32, 42, 20, 28, 2.6), (32, 40, 45, 25, 2.6), (32, 34, 31, 15, 2.4), (25, 34, 14, 33, 1.6),
        (39, 32, 51, 32, 1.6), (31.5, 26, 24, 15, 1.6), (31.5, 25, 40, 15, 1.6),
    ):  # fmt: skip
        c.line([(x0, y0), (x1, y1)], w, TRUNK)


def _naked_flame(c: Canvas, q: Colour, dark: Colour) -> None:
    c.rect(26, 40, 38, 58, (244, 240, 228), r=1)
    c.ellipse(32, 40, 6, 1.8, (224, 216, 196))
    c.line([(32, 40), (32, 36)], 1, INK)
    for radius, tall, colour in (
        (7, 13, (240, 120, 30)),
        (4.6, 9, (250, 190, 50)),
        (2.2, 5, (255, 244, 190)),
    ):
        c.disc(32, 30 + (7 - radius), radius, colour)
        c.poly(
            [(32 - radius, 29 + 7 - radius), (32 + radius, 29 + 7 - radius), (32, 29 - tall + 7 - radius)],
            colour,
        )


def _blood_orange(c: Canvas, q: Colour, dark: Colour) -> None:
    c.disc(32, 40, 17, (240, 130, 30))
    c.disc(32, 40, 15, (250, 226, 190))
    for i in range(8):
        a = i * 45
        c.pie(32 + 1.2 * cos(a * pi / 180), 40 + 1.2 * sin(a * pi / 180), 13, a - 19, a + 19, (176, 26, 46))


def _dead_end(c: Canvas, q: Colour, dark: Colour) -> None:
    c.rect(30.5, 40, 33.5, 60, (120, 120, 126))
    c.rect(17, 14, 47, 42, (30, 80, 190), r=3)
    c.rect(29.5, 24, 34.5, 40, WHITE)
    c.rect(22, 19, 42, 24.5, (220, 40, 50))


_PAINT: dict[str, Callable[[Canvas, Colour, Colour], None]] = {
    "car": _car, "house": _house, "tree": _tree, "cup": _cup, "ball": _ball, "flower": _flower, "boat": _boat,
    "apple": _apple, "book": _book, "chair": _chair, "cat": _cat, "dog": _dog, "rabbit": _rabbit,
    "bird": _bird,
    "fish": _fish, "bare tree": _bare_tree, "naked flame": _naked_flame, "blood orange": _blood_orange,
    "dead end": _dead_end,
}  # fmt: skip


def lookalike_view(c: Canvas, name: str, r: Random) -> None:
    """The two look-alikes that fill the picture: a lake and a shooting star."""
    if name == "shooting star":
        night_sky(c, r)
        c.rect(0, 54, 64, 64, (30, 44, 60))
        x, y = r.uniform(22, 34), r.uniform(30, 40)
        for width, reach, colour in ((4, 30, (90, 110, 170)), (2.4, 24, (190, 200, 230))):
            c.line([(x, y), (x + reach, y - reach * 0.6)], width, colour)
        _star(c, x, y, 8, 5, (255, 240, 150))
    else:
        c.rect(0, 0, 64, 64, (178, 216, 244))
        c.rect(0, 24, 64, 64, (112, 160, 90))
        y = 46 + r.uniform(-2, 2)
        c.ellipse(32, y, 29, 13, (196, 186, 140))
        c.ellipse(32, y, 27, 11.4, (48, 120, 200))
        for _ in range(5):
            wx, wy = r.uniform(14, 44), y + r.uniform(-7, 7)
            c.line([(wx, wy), (wx + 6, wy)], 0.8, (130, 185, 235))
        for x in (8, 17, 50, 58):
            c.rect(x - 0.8, 20, x + 0.8, 27, TRUNK)
            c.disc(x, 17, 4.5, (60, 130, 66))


def shape(c: Canvas, name: str, colour: str, r: Random) -> None:
    """A spiky star or a round blob: what made-up words name."""
    q, turn, radius = RGB[colour], r.uniform(0, 2 * pi), r.uniform(19, 23)
    x, y = 32 + r.uniform(-3, 3), 34 + r.uniform(-3, 3)
    if name == "spiky":
        n = r.randint(7, 11)
        reach = [
            radius * (r.uniform(0.9, 1.1) if i % 2 == 0 else r.uniform(0.38, 0.48)) for i in range(2 * n)
        ]
        c.poly(
            [(x + k * cos(turn + i * pi / n), y + k * sin(turn + i * pi / n)) for i, k in enumerate(reach)], q
        )
    else:
        n = r.randint(4, 6)
        for i in range(n):
            a = turn + i * 2 * pi / n
            c.disc(x + radius * 0.5 * cos(a), y + radius * 0.5 * sin(a), radius * r.uniform(0.42, 0.55), q)
        c.disc(x, y, radius * 0.62, q)
