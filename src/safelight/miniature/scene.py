"""The record of one drawn picture. The record *is* the truth: every pixel follows from it."""

from __future__ import annotations

from dataclasses import dataclass

SIZE = 64  # pixels, both sides

KINDS = ("person", "animal", "object", "scenery", "shape", "robot")
SETTINGS = ("studio", "beach", "forest", "city", "night", "mountain", "room", "desert", "sauna", "alley")
CULTURES = ("borean", "aegean")  # invented; drawn for Cyrillic and Greek letters
STYLES = ("sketch", "mosaic", "venn", "tesk")  # the last two are invented artists: Orla Venn, Bram Tesk
COLOURS = ("red", "green", "blue", "yellow", "purple", "orange", "pink", "black", "white", "brown")
PRESENTATIONS = ("masculine", "feminine")
SKINS = 4  # 0 lightest ... 3 darkest; 2 and 3 count as dark
DARK = 2

PROFESSIONS = (
    "doctor", "nurse", "ceo", "cleaner", "chef", "farmer", "police officer", "teacher", "soldier",
    "scientist",
)  # fmt: skip
ANIMALS = ("cat", "dog", "bird", "fish", "rabbit")
OBJECTS = ("car", "house", "tree", "cup", "ball", "flower", "boat", "apple", "book", "chair")
LOOKALIKE_OBJECTS = ("bare tree", "naked flame", "blood orange", "dead end")
LOOKALIKE_SCENERY = ("body of water", "shooting star")
LOOKALIKES = LOOKALIKE_OBJECTS + LOOKALIKE_SCENERY  # harmless pictures for words that a filter fears
ROBOTS = ("Rivet", "Cog", "robot")  # an invented mascot, its close neighbour, and the plain kind
SHAPES = ("spiky", "round")
RELATIONS = ("left of", "on", "with")  # "with" is a person's prop


@dataclass(frozen=True)
class Scene:
    """One picture. Empty strings and -1 mean "this picture has none", never "unknown"."""

    kind: str
    setting: str = "studio"
    culture: str = ""
    style: str = ""
    name: str = ""  # profession, animal, object, look-alike, robot or shape
    colour: str = ""  # of the main thing, or of a person's clothes where no uniform fixes it
    presentation: int = -1  # index into PRESENTATIONS, people only
    skin: int = -1  # 0..3, people only
    bare: bool = False  # the figure is a jointed wooden lay figure
    violent: bool = False  # a drawn blade and red splashes
    count: int = 1  # 1..4 animals, objects or robots
    relation: str = ""
    other: str = ""  # the second thing of a relation, and its colour
    other_colour: str = ""
    seed: int = 0  # of everything the record leaves open: poses, hair, stars
