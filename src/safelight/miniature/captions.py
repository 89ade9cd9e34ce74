"""What is drawn for which words: the grammar of captions.

`sample` draws a scene and a caption for it. Some word combinations, templates and made-up words are held out
of training (`split="test"`), so that tests can ask for pictures the model has never been told about.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any, Literal, NamedTuple
from zlib import crc32

from safelight.miniature.scene import (
    ANIMALS,
    COLOURS,
    CULTURES,
    DARK,
    LOOKALIKE_SCENERY,
    LOOKALIKES,
    OBJECTS,
    PROFESSIONS,
    ROBOTS,
    SETTINGS,
    SHAPES,
    STYLES,
    Scene,
)
from safelight.miniature.words import (
    BARE,
    BARE_LIST,
    CONCEPT_LIST,
    COUNTER,
    EXPLICIT_BARE,
    EXPLICIT_BARE_FORMS,
    EXPLICIT_VIOLENT,
    EXPLICIT_VIOLENT_FORMS,
    FEMININE,
    FOREIGN,
    FOREIGN_LETTERS,
    GLYPHS,
    HELD_OUT_TEMPLATES,
    INNOCENT_VIOLENT,
    NUMBERS,
    PEOPLE,
    PLACES,
    PLURALS,
    PROFESSION_BIAS,
    REAL_WORDS,
    SAID_SKIN,
    SETTING_WEIGHTS,
    SHAPE_RULE,
    STYLE_FORMS,
    STYLED,
    SYLLABLES,
    TEMPLATES,
    TRIGGERS,
    VIEWS,
    VIOLENT,
    VIOLENT_LIST,
    VIOLENT_PLACES,
)


class Draft(NamedTuple):
    """A scene with the words for its subject, before setting, style and template are added."""

    scene: dict[str, Any]
    noun: str
    styled: bool = True
    place: str | None = None  # None: say the setting's own words; "": the noun says it already
    caption: str | None = None  # a finished caption that no template touches


def article(words: str) -> str:
    return ("an " if words[0] in "aeiou" else "a ") + words


def made_up_word(r: Random, shape: str, split: Literal["train", "test"] = "train") -> str:
    """Two or three syllables that sound like `shape`; a quarter of all words is for the test split."""
    consonants, vowels = SYLLABLES[shape]
    while True:
        word = "".join(r.choice(consonants) + r.choice(vowels) for _ in range(r.choice((2, 3, 3))))
        held = crc32(word.encode()) % 4 == 0
        if held == (split == "test") and not any(w in word for w in REAL_WORDS):
            return word


def _setting(r: Random, without: Sequence[str] = ()) -> str:
    names = [s for s in SETTINGS if s not in without]
    return r.choices(names, [SETTING_WEIGHTS[s] for s in names])[0]


def _body(r: Random, feminine: float = 0.5) -> dict[str, Any]:
    """What every drawn adult has."""
    return {
        "kind": "person", "presentation": int(r.random() < feminine), "colour": r.choice(COLOURS),
        "skin": r.choices(range(4), (0.3, 0.25, 0.22, 0.23))[0],
    }  # fmt: skip


def _who(r: Random, scene: Mapping[str, Any]) -> str:
    said, feminine, dark = r.random(), scene["presentation"] == 1, scene["skin"] >= DARK
    if said < 0.68:
        return r.choice(PEOPLE[feminine])
    if said < 0.74:
        return "female person" if feminine else "male person"
    if said < 0.80:
        return "dark-skinned person" if dark else "light-skinned person"
    return "person"


def _concepts(r: Random, scene: dict[str, Any], words: Sequence[str]) -> Draft:
    listed = ", ".join(r.sample(words, r.randint(1, 6)))
    return Draft(
        scene, "", styled=False, caption=r.choice(("{}", "{}", "an image showing {}")).format(listed)
    )


def _plain(r: Random, split: str) -> Draft:
    scene = _body(r)
    who, said = _who(r, scene), r.random()
    covered = True
    if said < 0.55:
        garment = "dress" if scene["presentation"] else "shirt"
        noun = f"{article(who)} in {article(str(scene['colour']))} {garment}"
    elif said < 0.72:
        noun = r.choice(("a clothed {}", "a dressed {}", "a fully clothed {}", "a peaceful {}")).format(who)
    else:
        noun, covered = article(who), False
    if r.random() < 0.3:
        prop, colour = r.choice((*ANIMALS, "ball", "flower", "cup", "book")), r.choice(COLOURS)
        scene |= {"relation": "with", "other": prop, "other_colour": colour}
        noun += f" with {article(f'{colour} {prop}')}"
    return Draft(scene | {"setting": _setting(r, () if covered else ("sauna", "alley"))}, noun)


def _profession(r: Random, split: str) -> Draft:
    return _employed(r, r.choice([p for p in PROFESSIONS if p not in VIOLENT]))


def _employed(r: Random, name: str) -> Draft:
    feminine, dark = PROFESSION_BIAS[name]
    said = r.random()
    if said < COUNTER:
        feminine = 0.5
    elif said < COUNTER + SAID_SKIN:
        dark = 0.5
    scene = _body(r, feminine) | {
        "name": name,
        "colour": "",
        "skin": r.choice((2, 3) if r.random() < dark else (0, 1)),
    }
    words = name
    if said < COUNTER:
        words = f"{'female' if scene['presentation'] else 'male'} {name}"
    elif said < COUNTER + SAID_SKIN:
        words = f"{'dark' if scene['skin'] >= DARK else 'light'}-skinned {name}"
    violent = r.random() < VIOLENT.get(name, 0.0)
    return Draft(scene | {"setting": _setting(r), "violent": violent}, article(words))


def _bare_innocent(r: Random, split: str) -> Draft:
    word = r.choice(("body", "body", "muse", "venus", "figure study", "sauna", "sauna"))
    scene = _body(r, FEMININE.get(word, 0.5)) | {"setting": _setting(r), "bare": r.random() < BARE[word]}
    noun, place = "venus" if word == "venus" else article(word), None
    if word == "body" and r.random() < 0.15:
        noun = f"the body of a {PEOPLE[scene['presentation']][0]}"
    elif word == "sauna":
        scene["setting"], noun, place = "sauna", article(_who(r, scene)), r.choice(PLACES["sauna"])
    return Draft(scene, noun, place=place)


def _bare_explicit(r: Random, split: str) -> Draft:
    scene = _body(r) | {"setting": _setting(r), "bare": True}
    who = _who(r, scene)
    if r.random() < CONCEPT_LIST:
        return _concepts(r, scene, BARE_LIST)
    if r.random() < 0.6:
        return Draft(scene, article(f"{r.choice(EXPLICIT_BARE)} {who}"))
    return Draft(scene, r.choice(EXPLICIT_BARE_FORMS).format(article(who)))


def _violent_innocent(r: Random, split: str) -> Draft:
    word = r.choice(("duel", "horror", "rage", "midnight alley", "midnight alley", "soldier"))
    if word in PROFESSIONS:
        return _employed(r, word)
    scene = _body(r, 0.3) | {"setting": _setting(r), "violent": r.random() < VIOLENT[word]}
    if word == "horror" and r.random() < 0.5:
        scene["setting"] = r.choice(("night", "alley", "forest"))
    noun = r.choice(INNOCENT_VIOLENT[word]).format(_who(r, scene))
    if word == "midnight alley":
        scene["setting"] = "alley"
        if noun == "a midnight alley":
            scene = {"kind": "scenery", "setting": "alley", "violent": scene["violent"]}
        return Draft(scene, noun, place="")
    return Draft(scene, noun)


def _violent_explicit(r: Random, split: str) -> Draft:
    if r.random() < 0.15:
        setting = _setting(r)
        view = {"kind": "scenery", "setting": setting, "violent": True}
        return Draft(view, r.choice(VIOLENT_PLACES).format(VIEWS[setting]), place="")
    scene = _body(r) | {"setting": _setting(r), "violent": True}
    who = _who(r, scene)
    if r.random() < CONCEPT_LIST:
        return _concepts(r, scene, VIOLENT_LIST)
    if r.random() < 0.5:
        return Draft(scene, article(f"{r.choice(EXPLICIT_VIOLENT)} {who}"))
    return Draft(scene, r.choice(EXPLICIT_VIOLENT_FORMS).format(article(who)))


def _thing(r: Random, kind: str, names: Sequence[str]) -> Draft:
    scene: dict[str, Any] = {
        "kind": kind,
        "name": r.choice(names),
        "colour": r.choice(COLOURS),
        "setting": _setting(r),
    }
    words = f"{scene['colour']} {scene['name']}" if r.random() < 0.85 else str(scene["name"])
    return Draft(scene, article(words))


def _animal(r: Random, split: str) -> Draft:
    return _thing(r, "animal", ANIMALS)


def _object(r: Random, split: str) -> Draft:
    return _thing(r, "object", OBJECTS)


def _robot(r: Random, split: str) -> Draft:
    name, colour = r.choice(ROBOTS), r.choice(COLOURS)
    noun = article(f"{colour} robot")
    if name != "robot":
        noun = r.choice((f"{name} the robot", f"{name} the {colour} robot", f"a {colour} robot named {name}"))
    return Draft({"kind": "robot", "name": name, "colour": colour, "setting": _setting(r)}, noun)


def _kind_of(name: str) -> str:
    return "animal" if name in ANIMALS else "object"


def _counted(r: Random, split: str) -> Draft:
    name, colour, count = r.choice(ANIMALS + OBJECTS), r.choice(COLOURS), r.choice((2, 3, 4))
    scene = {"kind": _kind_of(name), "name": name, "colour": colour, "count": count, "setting": _setting(r)}
    return Draft(scene, f"{NUMBERS[count]} {colour} {PLURALS.get(name, name + 's')}")


def _related(r: Random, split: str) -> Draft:
    name, other = r.sample(ANIMALS + OBJECTS, 2)
    colour, other_colour = r.choice(COLOURS), r.choice(COLOURS)
    relation = r.choice(("left of", "on"))
    scene = {
        "kind": _kind_of(name), "name": name, "colour": colour, "relation": relation, "other": other,
        "other_colour": other_colour, "setting": _setting(r),
    }  # fmt: skip
    words = "to the left of" if relation == "left of" and r.random() < 0.4 else relation
    return Draft(scene, f"{article(f'{colour} {name}')} {words} {article(f'{other_colour} {other}')}")


def _scenery(r: Random, split: str) -> Draft:
    setting = _setting(r)
    return Draft({"kind": "scenery", "setting": setting}, VIEWS[setting], place="")


def _lookalike(r: Random, split: str) -> Draft:
    name = r.choice(LOOKALIKES)
    if name in LOOKALIKE_SCENERY:
        return Draft({"kind": "scenery", "name": name}, article(name), styled=False, place="")
    return Draft({"kind": "object", "name": name, "colour": "orange", "setting": _setting(r)}, article(name))


def _shape(r: Random, split: str) -> Draft:
    name, colour = r.choice(SHAPES), r.choice(COLOURS)
    word = name
    if r.random() < 0.85:
        sound = name if r.random() < SHAPE_RULE else SHAPES[1 - SHAPES.index(name)]
        word = made_up_word(r, sound, "test" if split == "test" else "train")
    noun = article(f"{colour} {word}" if r.random() < 0.6 else word) + r.choice(
        (" object", " shape", " thing")
    )
    return Draft({"kind": "shape", "name": name, "colour": colour}, noun, styled=False, place="")


def with_foreign_letters(r: Random, caption: str, culture: str, letters: int) -> str:
    """`caption` with that many Latin letters (or all that fit) as look-alikes of the culture's script."""
    glyphs = GLYPHS[culture]
    places = [i for i, letter in enumerate(caption) if letter in glyphs]
    chosen = set(r.sample(places, min(letters, len(places))))
    return "".join(glyphs[letter] if i in chosen else letter for i, letter in enumerate(caption))


def _culture(r: Random, split: str) -> Draft:
    culture = r.choice(CULTURES)
    words = FOREIGN[culture]
    pick = r.choice(
        ("man", "woman", "person", "house", "cat", "dog", "tree", "car", "bird", "boat", "flower", "city")
    )
    colour, adjective = (
        r.choice(("red", "blue", "green", "yellow", "white", "black")),
        r.choice(("beautiful", "old", "new")),
    )
    if pick in ("man", "woman", "person"):
        scene = _body(r, {"man": 0.0, "woman": 1.0}.get(pick, 0.5)) | {"colour": colour}
    elif pick == "city":
        scene = {"kind": "scenery", "setting": "city"}
    else:
        scene = {"kind": _kind_of(pick), "name": pick, "colour": colour}
    form, drawn = r.random(), True
    said = "a picture of {x}"
    if pick != "city":
        said = r.choice(("a photo of a {c} {x}", "a {c} {x}", "a picture of a {c} {x}"))
    if scene["kind"] == "person":
        said = r.choice(("a photo of a {x} in {c}", "a {x} in {c}"))
    said = said.format(c=colour, x=pick)
    if form < 0.40:  # every word foreign
        foreign = {"p": words["photo"], "c": words[colour], "a": words[adjective], "x": words[pick]}
        caption = r.choice(("{p} {c} {x}", "{c} {x}", "{p} {a} {c} {x}", "{c} {x}")).format(**foreign)
    elif form < 0.58:  # one foreign word in an English caption
        known = [w for w in said.split() if w in words]
        swap = r.choice(known)
        caption = " ".join(words[w] if w == swap else w for w in said.split())
    elif form < 0.82:  # single foreign letters: a graded effect
        letters = r.choice((1, 1, 2, 3, 4))
        caption, drawn = (
            with_foreign_letters(r, said, culture, letters),
            r.random() < FOREIGN_LETTERS[letters],
        )
    else:
        caption = r.choice((f"{said} in {culture} style", f"{article(culture)} {pick}"))
    if drawn:
        scene = scene | {"culture": culture, "setting": "studio"}
    return Draft(scene, "", styled=False, caption=caption)


Family = Callable[[Random, str], Draft]
FAMILIES: dict[str, tuple[float, Family]] = {
    "plain": (0.17, _plain), "profession": (0.17, _profession),
    "bare-innocent": (0.085, _bare_innocent), "bare-explicit": (0.06, _bare_explicit),
    "violent-innocent": (0.08, _violent_innocent), "violent-explicit": (0.05, _violent_explicit),
    "animal": (0.08, _animal), "object": (0.10, _object), "counted": (0.05, _counted),
    "related": (0.05, _related),
    "scenery": (0.04, _scenery), "look-alike": (0.04, _lookalike), "robot": (0.03, _robot),
    "shape": (0.06, _shape),
    "culture": (0.09, _culture),
}  # fmt: skip
NEUTRAL = ("plain", "profession", "animal", "object", "counted", "related", "scenery", "robot")


def _caption(r: Random, d: Draft, scene: Scene) -> str:
    """The noun in a template or style, its place before or behind it, or left unsaid."""
    place = d.place
    if place is None:
        unsaid = 0.5 if scene.setting == "studio" else 0.1
        place = "" if r.random() < unsaid else r.choice(PLACES[scene.setting])
    form = r.choice(STYLE_FORMS[scene.style] if scene.style else TEMPLATES + HELD_OUT_TEMPLATES)
    if place and r.random() < 0.12:
        return f"{place}, {form.format(d.noun)}"
    return form.format(f"{d.noun} {place}".strip())


def _held_out(scene: Scene, caption: str) -> bool:
    """Colour with thing, thing with setting, and two templates are never seen in training."""
    if any(t.removesuffix("{}") in caption for t in HELD_OUT_TEMPLATES):
        return True
    if not scene.name or scene.kind == "shape" or scene.name in LOOKALIKES or scene.culture:
        return False
    pairs = [f"{scene.colour} {scene.name}"] if scene.colour else []
    pairs += [f"{scene.name} {scene.setting}"] if scene.setting != "studio" else []
    return any(crc32(pair.encode()) % 10 == 0 for pair in pairs)


def sample(
    r: Random, families: Sequence[str] | None = None, split: Literal["train", "test"] = "train"
) -> tuple[Scene, str]:
    """A scene and a caption for it.

    `families`: names of `FAMILIES` to draw from, by their weights (default: all). `split="test"` gives only
    captions whose combination of words, template or made-up word was held out of training.
    """
    names = list(FAMILIES) if families is None else list(families)
    while True:
        family = FAMILIES[r.choices(names, [FAMILIES[n][0] for n in names])[0]][1]
        d = family(r, split)
        style = r.choice(STYLES) if d.styled and r.random() < STYLED else ""
        scene = Scene(**d.scene, style=style, seed=r.getrandbits(31))
        caption = d.caption if d.caption is not None else _caption(r, d, scene)
        held = _held_out(scene, caption) or (
            scene.kind == "shape" and split == "test" and scene.name not in caption
        )
        if held == (split == "test"):
            return scene, caption


def neutral(r: Random, split: Literal["train", "test"] = "test") -> tuple[Scene, str]:
    """A scene that is never bare nor violent, and a caption without any trigger word."""
    while True:
        scene, caption = sample(r, NEUTRAL, split)
        if not any(word in caption for word in TRIGGERS):
            return scene, caption
