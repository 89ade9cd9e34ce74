"""Where a picture takes place: ten settings and two invented cultures."""

from __future__ import annotations

from random import Random

from safelight.miniature.draw.canvas import Canvas, mix, shade

HORIZON = 40


def setting(c: Canvas, name: str, r: Random) -> None:
    """Paint one of `scene.SETTINGS` over the whole canvas."""
    _PAINT[name](c, HORIZON + r.randint(-2, 3), r)


def _studio(c: Canvas, h: int, r: Random) -> None:
    wall = r.choice([(226, 232, 240), (240, 228, 215), (222, 238, 226), (236, 224, 238), (245, 240, 214)])
    c.rect(0, 0, 64, 64, wall)
    c.rect(0, h + 9, 64, 64, shade(wall, 0.9))


def _beach(c: Canvas, h: int, r: Random) -> None:
    c.rect(0, 0, 64, 64, (150, 214, 246))
    c.disc(r.choice([10, 54]), 9, 5, (255, 226, 90))
    c.rect(0, h - 10, 64, 64, (38, 140, 200))
    c.rect(0, h + 2, 64, 64, (244, 220, 160))
    for i in range(3):
        y = h - 6 + 3 * i
        c.line([(r.randint(0, 30), y), (r.randint(34, 64), y)], 0.7, (120, 200, 235))


def _forest(c: Canvas, h: int, r: Random) -> None:
    c.rect(0, 0, 64, 64, (190, 228, 200))
    c.rect(0, h + 6, 64, 64, (96, 150, 70))
    for x in (4, 15, 49, 60):
        x += r.randint(-2, 2)
        c.rect(x - 1.2, h - 4, x + 1.2, h + 9, (110, 75, 45))
        for k in range(3):
            top = h - 15 - 8 * k
            c.poly(
                [(x - 8 + k * 1.6, top + 14), (x + 8 - k * 1.6, top + 14), (x, top)], (34, 112 - 6 * k, 62)
            )


def _skyline(c: Canvas, h: int, r: Random, night: bool) -> None:
    x = -2
    while x < 64:
        w, top = r.randint(8, 13), r.randint(20, 32) if night else r.randint(10, 28)
        wall = (44, 48, 92) if night else mix((120, 130, 150), (160, 150, 145), r.random())
        c.rect(x, top, x + w - 1, h + 8, wall)
        for y in range(top + 2, h + 4, 5):
            for wx in range(x + 2, x + w - 3, 4):
                lit = (255, 220, 110) if r.random() < 0.6 else (30, 32, 60)
                c.rect(wx, y, wx + 1.6, y + 2, lit if night else (225, 235, 245))
        x += w
    c.rect(0, h + 6, 64, 64, (34, 36, 60) if night else (120, 120, 126))


def _city(c: Canvas, h: int, r: Random) -> None:
    c.rect(0, 0, 64, 64, (196, 216, 236))
    _skyline(c, h, r, night=False)


def night_sky(c: Canvas, r: Random) -> None:
    """Moon and stars, shared with the shooting star."""
    c.rect(0, 0, 64, 64, (24, 28, 66))
    c.disc(r.choice([10, 52]), 9, 5, (250, 244, 200))
    for _ in range(14):
        c.disc(r.uniform(0, 64), r.uniform(0, 30), 0.5, (240, 240, 255))


def _night(c: Canvas, h: int, r: Random) -> None:
    night_sky(c, r)
    _skyline(c, h, r, night=True)


def _mountain(c: Canvas, h: int, r: Random) -> None:
    c.rect(0, 0, 64, 64, (178, 216, 244))
    foot, snow = h + 8, 0.28
    for x, top, w in ((14 + r.randint(-4, 4), 12, 26), (48 + r.randint(-4, 4), 7, 30)):
        c.poly([(x - w, foot), (x, top), (x + w, foot)], (112, 122, 146))
        edge = top + (foot - top) * snow
        c.poly([(x - w * snow, edge), (x, top), (x + w * snow, edge)], (250, 250, 255))
    c.rect(0, h + 6, 64, 64, (122, 174, 96))


def _room(c: Canvas, h: int, r: Random) -> None:
    c.rect(0, 0, 64, 64, r.choice([(232, 206, 176), (196, 214, 206), (214, 200, 222)]))
    c.rect(0, h + 10, 64, 64, (150, 104, 66))
    x = r.choice([5, 43])
    c.rect(x, 7, x + 16, 25, (255, 255, 255))
    c.rect(x + 1.5, 8.5, x + 14.5, 23.5, (150, 206, 240))
    c.rect(x + 7.4, 8, x + 8.6, 24, (255, 255, 255))
    c.rect(x, 15.4, x + 16, 16.6, (255, 255, 255))


def _desert(c: Canvas, h: int, r: Random) -> None:
    c.rect(0, 0, 64, 64, (252, 226, 176))
    c.disc(r.choice([12, 52]), 10, 6, (250, 160, 60))
    c.ellipse(10, h + 16, 40, 17, (228, 176, 98))
    c.ellipse(56, h + 18, 36, 17, (214, 156, 80))
    c.rect(0, h + 14, 64, 64, (222, 168, 92))


def _sauna(c: Canvas, h: int, r: Random) -> None:
    for i in range(8):
        c.rect(i * 8, 0, i * 8 + 8, 64, (136, 88, 54) if i % 2 else (124, 78, 46))
        c.rect(i * 8, 0, i * 8 + 0.6, 64, (92, 56, 30))
    c.rect(0, h + 4, 64, h + 8, (104, 64, 34))
    c.rect(0, h + 8, 64, 64, (160, 108, 66))
    for x in (r.randint(4, 12), r.randint(50, 60)):
        c.line([(x, 30), (x + 3, 24), (x - 2, 18), (x + 2, 12), (x, 6)], 1.8, (226, 216, 206))


def _alley(c: Canvas, h: int, r: Random) -> None:
    c.rect(0, 0, 64, 64, (58, 50, 62))
    for y in range(0, h + 8, 5):
        for x in range(-8 if (y // 5) % 2 else -4, 64, 8):
            c.rect(x, y, x + 7.2, y + 4.2, (84, 62, 66))
    c.rect(0, h + 6, 64, 64, (40, 38, 48))
    x = r.choice([8, 56])
    c.rect(x - 0.7, 14, x + 0.7, h + 8, (20, 20, 24))
    c.disc(x, 12, 4, (255, 232, 140))


_PAINT = {
    "studio": _studio, "beach": _beach, "forest": _forest, "city": _city, "night": _night,
    "mountain": _mountain, "room": _room, "desert": _desert, "sauna": _sauna, "alley": _alley,
}  # fmt: skip


def culture(c: Canvas, name: str, r: Random) -> None:
    """Background of an invented culture: onion domes in snow, or a temple by the sea."""
    if name == "borean":
        c.rect(0, 0, 64, 64, (186, 208, 232))
        c.rect(0, 44, 64, 64, (244, 248, 252))
        red, green, gold = (200, 40, 50), (30, 120, 90), (230, 170, 40)
        for x, base, dome in ((9, 30, red), (55, 30, green), (20, 36, gold), (45, 36, red)):
            w = 6 if base == 30 else 4
            c.rect(x - w + 1, base, x + w - 1, 50, (250, 240, 224))
            c.ellipse(x, base - w * 0.6, w, w * 0.95, dome)
            c.poly(
                [(x - w * 0.55, base - w * 1.1), (x + w * 0.55, base - w * 1.1), (x, base - w * 2.3)], dome
            )
            c.rect(x - 0.5, base - w * 2.9, x + 0.5, base - w * 2, (240, 200, 70))
            c.rect(x - 1, base + 5, x + 1, base + 9, (90, 100, 140))
        for _ in range(16):
            c.disc(r.uniform(0, 64), r.uniform(0, 60), 0.7, (255, 255, 255))
    else:
        c.rect(0, 0, 64, 64, (130, 200, 250))
        c.rect(0, 34, 64, 46, (30, 90, 190))
        c.rect(0, 46, 64, 64, (240, 226, 196))
        c.poly([(2, 20), (32, 8), (62, 20)], (250, 250, 250))
        c.rect(2, 20, 62, 23, (222, 226, 234))
        for x in (5, 15, 45, 55):
            c.rect(x, 23, x + 5, 48, (250, 250, 250))
            c.rect(x + 2, 23, x + 3, 48, (214, 218, 228))
        c.rect(2, 48, 62, 51, (236, 236, 240))


def culture_frame(c: Canvas, name: str) -> None:
    """The culture's ornament along the upper and lower edge, over everything else."""
    ground, line = ((192, 32, 44), (250, 244, 236)) if name == "borean" else ((28, 78, 190), (250, 250, 250))
    for y in (0, 59):
        c.rect(0, y, 64, y + 5, ground)
        for x in range(0, 68, 8):
            if name == "borean":
                c.poly([(x - 3, y + 2.5), (x, y + 0.3), (x + 3, y + 2.5), (x, y + 4.7)], line)
            else:
                key = [(x + 1, y + 4), (x + 1, y + 1), (x + 6, y + 1), (x + 6, y + 3), (x + 3.5, y + 3)]
                c.line(key, 0.9, line)
