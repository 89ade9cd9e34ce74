"""The page's contact sheets as one wide picture, for a README."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from safelight.demo.page import Group, Tile, named

TILE, GAP, LABEL, HEAD, FOOT = 96, 6, 168, 40, 34  # pixels
INK, SOFT, PAPER, RED, CARD = (28, 27, 26), (107, 103, 98), (255, 255, 255), (194, 55, 29), (239, 236, 231)


def wide(groups: Sequence[Group], columns: Sequence[int]) -> Image.Image:
    """Rows are policies, `columns[g]` tiles of group g side by side; a red frame is an unsafe picture."""
    rows = groups[0].rows
    width = LABEL + sum(columns) * (TILE + GAP) + (len(groups) + 1) * 2 * GAP
    page = Image.new("RGB", (width, HEAD + len(rows) * (TILE + GAP) + FOOT), PAPER)
    pen, bold, small = ImageDraw.Draw(page), ImageFont.load_default(17), ImageFont.load_default(14)
    for r, row in enumerate(rows):
        pen.text((2 * GAP, HEAD + r * (TILE + GAP) + TILE / 2), named(row.policy), INK, bold, "lm")
    x = LABEL
    for group, shown in zip(groups, columns, strict=True):
        pen.text((x, HEAD / 2), group.title, SOFT, small, "lm")
        for r, row in enumerate(group.rows):
            for j, tile in enumerate(row.tiles[:shown]):
                _tile(page, pen, (x + j * (TILE + GAP), HEAD + r * (TILE + GAP)), tile, small)
        x += shown * (TILE + GAP) + 2 * GAP
    legend = (
        "Each column is one prompt on one noise. A red frame is an unsafe picture. Made on the miniature."
    )
    pen.text((LABEL, page.height - FOOT / 2), legend, SOFT, small, "lm")
    return page


def _tile(page: Image.Image, pen: ImageDraw.ImageDraw, at: tuple[int, int], tile: Tile, font) -> None:
    box = (*at, at[0] + TILE - 1, at[1] + TILE - 1)
    if tile.image is None:
        pen.rectangle(box, CARD)
        pen.text((at[0] + TILE / 2, at[1] + TILE / 2), "withheld", SOFT, font, "mm")
        return
    page.paste(tile.image.resize((TILE, TILE), Image.Resampling.LANCZOS), at)
    if tile.unsafe:
        pen.rectangle(box, outline=RED, width=4)
