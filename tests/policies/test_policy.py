"""Policy files: what ships reads and binds, and what is wrong is said, all of it at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest

from safelight.core.errors import BadInput, Refused, UnknownName
from safelight.core.nouns import Cap, Outcome
from safelight.core.ports import Preset, Reads
from safelight.core.registry import names
from safelight.methods.guidance.sld import SLD
from safelight.policies import Check, Policy


@dataclass
class Judge:
    """A judge that is never asked."""

    name: str = "mine"
    version: str = "1"
    labels: tuple[str, ...] = ("bare", "violent")
    range: tuple[float, float] = (0.0, 1.0)
    reads: Reads = "image"
    content_hash: str = "0"
    presets: Mapping[str, Preset] = field(
        default_factory=lambda: {"default": Preset(("bare", "violent"), 0.5), "low": Preset(("bare",), 0.1)}
    )

    def __call__(self, items):
        raise NotImplementedError


@dataclass(frozen=True)
class Model:
    """What a policy may know of a model."""

    name: str = "toy"
    family: str = "sd"
    caps: frozenset[Cap] = frozenset(Cap)
    judges: tuple[str, ...] = ()


HEAD = 'schema = 1\nname = "test"\n'


def check(more="", judge="mine"):
    return Policy.read(f'{HEAD}[[check]]\nstage = "image"\njudge = "{judge}"\naction = "block"\n{more}')


def problems(text):
    with pytest.raises(Refused) as refused:
        Policy.read(text)
    return refused.value.problems


@pytest.mark.parametrize("name", names("policies"))
def test_every_policy_that_ships_reads_and_is_called_like_its_file(name):
    policy = Policy.load(name)
    assert policy.name == name
    assert replace(policy, checks=()).bind(Model()).policy.methods == policy.methods


def test_the_policies_that_ship():
    sld = ["sld-max", "sld-medium", "sld-strong", "sld-weak", "sld-weak-diffusers"]
    stacks = ["sega-negative-prompt", "sld-negative-prompt"]
    compare = ["negative-prompt", "sega", *sld, *stacks]
    assert names("policies") == sorted(["general", "research", "school", *compare])
    for name, methods in (("general", ["sld"]), ("school", ["normalise", "terms", "sld"])):
        policy = Policy.load(name)
        assert [method["use"] for method in policy.methods] == methods
        [only] = policy.checks
        assert (only.stage, only.judge, only.on_error) == ("image", "oracle:strict", "block")
        assert not policy.keep_prompts
    assert (Policy.load("research").methods, Policy.load("research").checks) == ((), ())
    assert Policy.load("research").keep_prompts


def test_a_file_of_ones_own(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(f'{HEAD}[[method]]\nuse = "sld"\npreset = "max"\nconcept = ["bare", "hats"]\n')
    for where in (path, str(path)):
        [method] = Policy.load(where).bind(Model()).methods
        assert method == SLD.of("max", concept=("bare", "hats"))


@pytest.mark.parametrize("name", ["", "../general", "Genral", "🙂", "a" * 10_000])
def test_an_unknown_name_is_refused_with_those_that_exist(name):
    with pytest.raises(UnknownName, match="general"):
        Policy.load(name)


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"name = ", b"[[method"])
def test_a_file_that_cannot_be_read_is_named(tmp_path, content):
    path = tmp_path / "mine.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadInput, match=r"mine\.toml|no valid TOML"):
        Policy.load(path)


def test_all_problems_of_a_file_are_said_at_once():
    found = problems("""
        schema = 2
        nme = "x"
        keep_prompts = "yes"
        method = [
            { use = "sdl" }, { use = "sld", preset = "maxx" }, { use = "sld", sld_mom_bta = 1 },
            { use = "sld", sld_mom_beta = 1.5 }, { use = "sld", concept = 3 }, { preset = "max" },
            { use = "negative-prompt" }, { use = "negative-prompt" },
        ]
        check = [
            { stage = "imag", judge = "oracle", action = "blok", on_error = "allow" },
            { stage = "prompt", judge = "oracle", action = "blur", treshold = 1 },
            { judge = 3, threshold = nan },
        ]
    """)
    expected = [
        "unknown setting 'nme'. Did you mean 'name'?",
        "schema = 2: this release reads schema = 1", "it needs a name",
        "keep_prompts = 'yes' must be true or false",
        "method 1 ('sdl'): unknown method 'sdl'. Did you mean 'sld'?",
        "method 2 ('sld'): unknown preset of sld 'maxx'. Did you mean 'max'?",
        "method 3 ('sld'): unknown setting 'sld_mom_bta'. Did you mean 'sld_mom_beta'?",
        "method 4 ('sld'): sld_mom_beta must be a finite number in [0, 1], got 1.5",
        "method 5 ('sld'): 'concept' = 3",
        "method 6 ('?'): it needs a name", "set the unconditional row; keep one of them",
        "check 1: stage = 'imag' must be 'prompt' or 'image'",
        "check 1: action = 'blok' is no outcome. Did you mean 'block'?",
        "check 1: on_error = 'allow' is not possible for a failed judge: write one of block, review",
        "check 2: unknown setting 'treshold'. Did you mean 'threshold'?",
        "check 2: action = 'blur' is not possible for the prompt stage: write one of block, review",
        'check 3: it needs stage = "..."', 'check 3: it needs action = "..."',
        "check 3: judge = 3 must be a text", "check 3: threshold = nan must be a finite number",
    ]  # fmt: skip
    assert [words for words in expected if not any(words in problem for problem in found)] == []
    assert len(found) == len(expected)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f'{HEAD}[method]\nuse = "sld"', "write [[method]] with double brackets"),
        (f"{HEAD}check = 3", "write [[check]] with double brackets"),
        ('name = "x"', "schema = None"),
        ("schema = 1\nname = 7", "it needs a name"),
        (f"{HEAD}[[check]]", 'it needs judge = "..."'),
    ],
)
def test_common_slips(text, said):
    assert any(said in problem for problem in problems(text))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("unsure = [0.7, 0.3]", "two numbers, the lower first"),
        ("unsure = [0.3]", "two numbers"),
        ("unsure = [0.3, nan]", "two numbers"),
        ("unsure = [0.3, 0.7]\nthreshold = 0.5", "exclude each other"),
        ("threshold = true", "must be a finite number"),
        ("threshold = inf", "must be a finite number"),
        ('on_error = "blur"', "not possible for a failed judge"),
    ],
)
def test_a_check_says_what_is_wrong_with_it(more, said):
    with pytest.raises(Refused, match=said):
        check(more)


def test_a_check_made_in_python_is_held_to_the_same_rules():
    with pytest.raises(Refused, match="not possible for a failed judge"):
        Check("image", "mine", Outcome.BLOCK, on_error=Outcome.ALLOW)
    assert Check("image", "mine", Outcome.BLOCK).on_error is Outcome.BLOCK


@pytest.mark.parametrize(
    ("more", "preset"),
    [
        ("", Preset(("bare", "violent"), 0.5)),
        ("threshold = 0.9", Preset(("bare", "violent"), 0.9)),
        ("threshold = 0.0", Preset(("bare", "violent"), 0.0)),
        ('category = "violent"', Preset(("violent",), 0.5)),
        ('category = "violent"\nthreshold = 0.2', Preset(("violent",), 0.2)),
        ("unsure = [0.2, 0.8]", Preset(("bare", "violent"), 0.8)),
    ],
)
def test_label_and_threshold_of_the_check_replace_the_presets(more, preset):
    [bound] = check(more).bind(Model(), {"mine": Judge()}).checks
    assert bound.preset == preset


def test_a_preset_of_the_judge_is_named_behind_a_colon():
    [bound] = check(judge="mine:low").bind(Model(), {"mine": Judge()}).checks
    assert bound.preset == Preset(("bare",), 0.1)


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        (check(judge="mine:lo"), "unknown preset of mine 'lo'. Did you mean 'low'?"),
        (check('category = "bre"'), "unknown category of mine 'bre'. Did you mean 'bare'?"),
        (check("threshold = 2"), "the threshold 2 is outside of the range of mine, 0 to 1"),
        (check(judge="oracel"), "unknown judge 'oracel'. Did you mean 'oracle'?"),
        (check(judge="mien"), "unknown judge 'mien'. Did you mean 'mine'?"),
        (check(judge="oracle"), "'toy' has no judge"),
    ],
)
def test_what_the_judge_does_not_have_is_refused(policy, said):
    with pytest.raises(Refused) as refused:
        policy.bind(Model(), {"mine": Judge()})
    assert said in str(refused.value)
    assert "policy 'test': check 1" in str(refused.value)


def test_a_judge_that_the_model_lists_and_nobody_registered_is_unknown():
    with pytest.raises(Refused, match=r"unknown judge 'orakle'\. Did you mean 'oracle'"):
        check(judge="orakle").bind(Model(judges=("orakle",)))


@pytest.mark.parametrize(
    ("stage", "reads", "other"),
    [("prompt", "image", "text"), ("image", "text", "image"), ("image", "x", "image")],
)
def test_a_judge_is_given_what_it_reads(stage, reads, other):
    policy = Policy("test", checks=(Check(stage, "mine", Outcome.BLOCK),))
    with pytest.raises(
        Refused, match=rf"check 1 \({stage} stage.* reads = '{reads}'.* with reads = '{other}'"
    ):
        policy.bind(Model(), {"mine": Judge(reads=reads)})
    assert policy.bind(Model(), {"mine": Judge(reads=other)}).checks[0].judge.reads == other  # pyright: ignore


def test_a_registered_judge_is_given_what_it_reads_too():
    policy = Policy("test", checks=(Check("prompt", "oracle", Outcome.BLOCK),))
    with pytest.raises(Refused, match=r"the judge 'oracle' says reads = 'image', and here .* one text after"):
        policy.bind(Model(judges=("oracle",)))


def test_where_a_model_has_another_judge_the_refusal_names_it():
    with pytest.raises(Refused, match='can have oracle-b: write judge = "oracle-b"'):
        check(judge="oracle").bind(Model(judges=("oracle-b",)))


def test_methods_and_checks_are_refused_together():
    with pytest.raises(Refused) as refused:
        Policy.load("general").bind(Model(caps=frozenset({Cap.IMAGE})))
    text = str(refused.value)
    assert "sees every denoising step's predictions" in text
    assert "judges={'oracle': judge}" in text
