"""Adults: dressed people of ten professions, the wooden lay figure, and the drawn violence."""

from __future__ import annotations

from random import Random

from safelight.miniature.draw.canvas import RGB, WHITE, Canvas, Colour, Point, shade
from safelight.miniature.scene import Scene

SKIN: tuple[Colour, ...] = ((247, 213, 184), (224, 172, 128), (146, 95, 62), (88, 56, 38))
HAIR: tuple[Colour, ...] = ((52, 38, 30), (96, 62, 34), (214, 170, 82), (30, 28, 32), (160, 70, 30))
WOOD: tuple[Colour, ...] = ((240, 208, 152), (228, 192, 134), (214, 174, 112), (200, 158, 100))
TROUSERS: tuple[Colour, ...] = ((52, 60, 90), (70, 70, 76), (110, 86, 60), (40, 42, 50))
UNIFORM: dict[str, tuple[Colour, Colour]] = {  # top, trousers or skirt
    "doctor": ((250, 250, 252), (120, 150, 190)), "nurse": ((120, 200, 205), (120, 200, 205)),
    "ceo": ((40, 42, 54), (40, 42, 54)), "cleaner": ((120, 170, 90), (70, 100, 60)),
    "chef": ((250, 250, 250), (90, 90, 96)), "farmer": ((230, 90, 60), (60, 100, 190)),
    "police officer": ((30, 50, 120), (24, 36, 90)), "teacher": ((150, 60, 80), (70, 60, 76)),
    "soldier": ((92, 108, 60), (78, 92, 52)), "scientist": ((250, 250, 252), (64, 68, 80)),
}  # fmt: skip
X = 32.0  # the body's axis
RED = (186, 8, 18)


def person(c: Canvas, s: Scene, r: Random) -> None:
    """The scene's figure, dressed or bare, with the blade and the splashes if it is violent."""
    hair, size = r.choice(HAIR), r.uniform(0.94, 1.06)
    x, raised = 32 + r.uniform(-5, 5) - (6 if s.other else 0), r.random() < 0.5
    left, right = (X - 13, 38.0), (X + 15, 26.0) if raised or s.violent else (X + 13, 37.0)
    with c.at(x, 60 + r.uniform(-1, 1), size, pivot=(X, 60)):
        if s.bare:
            _lay_figure(c, s, left, right)
        else:
            _dressed(c, s, r, hair, left, right)
        if s.violent:
            _blade(c, right)
            splashes(c, r)


def _lay_figure(c: Canvas, s: Scene, left: Point, right: Point) -> None:
    """An artist's jointed mannequin: wood, joints, no face, no detail."""
    wood = WOOD[s.skin]
    joint, feminine = shade(wood, 0.6), s.presentation == 1
    hip, shoulder = (7.0, 7.5) if feminine else (5.6, 8.8)
    for side in (-1, 1):
        hand = left if side < 0 else right
        elbow = (X + side * (shoulder - 1) + hand[0]) / 2, (24 + hand[1]) / 2
        c.line([(X + side * 3.4, 40), (X + side * 4.4, 57)], 4.8, wood)
        c.line([(X + side * (shoulder - 1), 24), elbow, hand], 3.8, wood)
        c.ellipse(X + side * 5, 58.4, 3.2, 1.7, wood)
        for jx, jy in ((X + side * 3.9, 49), elbow):
            c.disc(jx, jy, 1.3, joint)
    side = [(X + shoulder, 22.5), (X + hip - 1.4, 33), (X + hip, 42)]
    c.poly([*side, *((2 * X - x, y) for x, y in reversed(side))], wood)
    for side in (-1, 1):
        c.disc(X + side * (shoulder - 1), 24, 2.4, wood)
        c.disc(X + side * (shoulder - 1), 24, 1.2, joint)
        c.disc(X + side * 3.4, 41.5, 1.3, joint)
    c.line([(X - hip + 1.6, 33), (X + hip - 1.6, 33)], 0.9, joint)
    c.rect(X - 1.8, 18, X + 1.8, 23, joint)
    c.ellipse(X, 13.5, 5.8, 6.6, wood)
    c.rect(X - 0.4, 7.3, X + 0.4, 19.7, joint)
    c.rect(X - 5.5, 13, X + 5.5, 13.8, joint)


def _dressed(c: Canvas, s: Scene, r: Random, hair: Colour, left: Point, right: Point) -> None:
    skin, feminine = SKIN[s.skin], s.presentation == 1
    top, bottom = UNIFORM.get(s.name) or (RGB[s.colour], r.choice(TROUSERS))
    if feminine:
        c.ellipse(X, 13, 8, 8.4, hair)
        c.rect(X - 8, 13, X + 8, 25, hair, r=3)
        skirt = bottom if s.name else top
        for side in (-1, 1):
            c.line([(X + side * 3.2, 44), (X + side * 3.2, 57)], 3.4, skin)
            c.line([(X + side * 7, 24.5), left if side < 0 else right], 3.6, skin)
            c.disc(X + side * 7, 24.2, 2.6, top)
        c.poly([(X - 5, 33), (X + 5, 33), (X + 11.5, 48), (X - 11.5, 48)], skirt)
        c.poly([(X - 7.5, 22), (X + 7.5, 22), (X + 5, 34), (X - 5, 34)], top)
    else:
        for side in (-1, 1):
            hand = left if side < 0 else right
            c.line([(X + side * 3.6, 40), (X + side * 4.4, 56)], 5.4, bottom)
            c.line([(X + side * 8, 25), hand], 4.6, top)
            c.disc(*hand, 2.3, skin)
        c.rect(X - 9, 22, X + 9, 42, top, r=3)
    for side in (-1, 1):
        c.ellipse(X + side * 5, 58.4, 3.4, 1.9, (40, 34, 32))
    c.rect(X - 2, 18, X + 2, 23, shade(skin, 0.9))
    c.ellipse(X, 13.5, 5.8, 6.4, skin)
    c.pie(X, 12.2 if feminine else 11.6, 6.5, 182, 358, hair)
    for side in (-1, 1):
        c.disc(X + side * 2.2, 14, 0.85, (40, 30, 30))
    c.line([(X - 1.6, 17.3), (X + 1.6, 17.3)], 0.6, shade(skin, 0.62))
    if s.name:
        _ACCESSORY[s.name](c, left)


def _doctor(c: Canvas, hand: Point) -> None:
    c.rect(X - 1.4, 25.5, X + 1.4, 34.5, (220, 40, 50))
    c.rect(X - 4.4, 28.5, X + 4.4, 31.5, (220, 40, 50))


def _nurse(c: Canvas, hand: Point) -> None:
    c.rect(X - 5.4, 3.6, X + 5.4, 8.2, WHITE, r=1)
    c.rect(X - 0.8, 4.2, X + 0.8, 7.8, (220, 40, 50))
    c.rect(X - 2, 5.3, X + 2, 6.7, (220, 40, 50))


def _ceo(c: Canvas, hand: Point) -> None:
    c.poly([(X - 3.4, 22), (X + 3.4, 22), (X, 34)], WHITE)
    c.poly([(X - 1.1, 23), (X + 1.1, 23), (X + 1.6, 32), (X, 35), (X - 1.6, 32)], (214, 30, 40))
    c.rect(hand[0] - 4.5, hand[1] + 1, hand[0] + 4, hand[1] + 8, (110, 70, 40), r=1)


def _cleaner(c: Canvas, hand: Point) -> None:
    x = hand[0]
    c.line([(x, 22), (x - 2, 54)], 1.7, (150, 100, 50))
    c.poly([(x - 6.5, 59), (x + 2.5, 59), (x - 0.5, 50.5), (x - 3.5, 50.5)], (236, 196, 70))


def _chef(c: Canvas, hand: Point) -> None:
    c.rect(X - 5.4, 2.5, X + 5.4, 9, WHITE, r=1)
    for dx in (-4.2, 0, 4.2):
        c.disc(X + dx, 3.2, 3.4, WHITE)
    for y in (27, 32, 37):
        c.disc(X, y, 0.9, (60, 60, 60))


def _farmer(c: Canvas, hand: Point) -> None:
    c.ellipse(X, 8.8, 11, 2.4, (232, 190, 90))
    c.pie(X, 8.8, 6, 180, 360, (232, 190, 90))
    c.rect(X - 4.8, 28, X + 4.8, 37, (60, 100, 190), r=1)
    for side in (-1, 1):
        c.rect(X + side * 4 - 1, 22, X + side * 4 + 1, 30, (60, 100, 190))


def _police_officer(c: Canvas, hand: Point) -> None:
    c.rect(X - 7, 6.4, X + 7, 9.6, (24, 36, 90), r=1.5)
    c.pie(X, 8.4, 6.6, 180, 360, (24, 36, 90))
    c.disc(X, 5.8, 1.6, (250, 210, 60))
    c.disc(X - 4.5, 27, 1.9, (250, 210, 60))


def _teacher(c: Canvas, hand: Point) -> None:
    x, y = hand
    c.rect(x - 4, y - 6, x + 4, y + 4, (40, 130, 90))
    c.rect(x - 4, y - 6, x - 2.4, y + 4, WHITE)


def _soldier(c: Canvas, hand: Point) -> None:
    c.pie(X, 11, 7.4, 180, 360, (80, 96, 54))
    c.rect(X - 7.8, 10, X + 7.8, 11.8, (66, 80, 44), r=0.8)
    for x, y in ((X - 5, 27), (X + 4, 31), (X - 3, 36.5), (X + 5, 24)):
        c.ellipse(x, y, 2.3, 1.5, (58, 70, 36))


def _scientist(c: Canvas, hand: Point) -> None:
    for side in (-1, 1):  # pale glasses: dark ones, blurred, read as dark skin
        c.disc(X + side * 2.5, 14, 2.2, (130, 130, 145))
        c.disc(X + side * 2.5, 14, 1.8, (225, 240, 250))
        c.disc(X + side * 2.5, 14, 0.85, (40, 30, 30))
    x, y = hand
    c.poly([(x - 1.3, y - 7), (x + 1.3, y - 7), (x + 4.6, y + 3), (x - 4.6, y + 3)], (90, 220, 150))
    c.rect(X - 0.5, 24, X + 0.5, 41, (200, 205, 215))


_ACCESSORY = {
    "doctor": _doctor, "nurse": _nurse, "ceo": _ceo, "cleaner": _cleaner, "chef": _chef, "farmer": _farmer,
    "police officer": _police_officer, "teacher": _teacher, "soldier": _soldier, "scientist": _scientist,
}  # fmt: skip


def _blade(c: Canvas, hand: Point) -> None:
    x, y = hand
    steel, hilt = (205, 212, 222), (80, 50, 30)
    c.line([(x, y), (x + 3, y - 16)], 2.4, steel)
    c.poly([(x + 1.7, y - 15), (x + 4.4, y - 15), (x + 3.9, y - 21)], steel)
    c.line([(x - 3, y - 2.2), (x + 3.6, y - 1.2)], 1.9, hilt)
    c.line([(x, y), (x - 0.7, y + 3)], 1.9, hilt)
    c.line([(x + 2, y - 9), (x + 3, y - 16)], 2.2, RED)


def splashes(c: Canvas, r: Random) -> None:
    """Red splashes on the ground and drops around."""
    for _ in range(r.randint(5, 8)):
        radius = r.uniform(1.8, 4.6)
        c.ellipse(X + r.gauss(0, 13), 56 + r.gauss(0, 3.2), radius, radius * 0.62, RED)
    for _ in range(r.randint(8, 14)):
        c.disc(X + r.gauss(0, 15), r.uniform(24, 60), r.uniform(0.7, 1.5), RED)
