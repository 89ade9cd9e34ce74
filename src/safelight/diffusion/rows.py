"""The rows of a run: texts to ask the network about, their conditioning, and what the methods report of them.

Both doors use it: the loop of `Generator.run` predicts the rows, `guard` adds them to a pipeline's own batch.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch

from safelight.core.errors import BadInput
from safelight.core.method import Method, hooks
from safelight.core.nouns import Cond, Prompt
from safelight.core.ports import Backbone
from safelight.diffusion.denoise import join, row_key

Rows = Mapping[str, str | Cond]


def rows(prompt: Prompt, methods: Sequence[Method]) -> dict[str, str | Cond]:
    """What to predict for one picture, in the order of the batch: uncond, prompt, then the methods' own."""
    named: dict[str, str | Cond] = {"uncond": prompt.negative, "prompt": prompt.text}
    for k, method in enumerate(methods):
        named |= {row_key(k, name): text for name, text in method.rows(prompt).items()}
    return named


def guides(methods: Sequence[Method]) -> bool:
    """Whether a method adds a term: then the unconditional row is needed whatever the guidance."""
    return any("term" in hooks(type(method)) for method in methods)


def condition(
    backbone: Backbone,
    row: str,
    texts: Sequence[str | Cond],
    prompts: Sequence[Prompt],
    methods: Sequence[Method],
) -> Cond:
    """The conditioning of one row of pictures; a text that all share is encoded once and has batch 1."""
    plain = [text for text in texts if isinstance(text, str)]
    if len(plain) < len(texts):
        given = [_fitting(backbone, row, text) if isinstance(text, Cond) else text for text in texts]
        cond = join([one if isinstance(one, Cond) else backbone.encode([one]) for one in given])
    else:
        unique = list(dict.fromkeys(plain))
        cond = backbone.encode(unique)
        if len(unique) > 1:
            index = torch.tensor([unique.index(text) for text in plain], device=backbone.device)
            cond = cond.map(lambda x: x[index])
    return embedded(cond, row, prompts, methods)


def _fitting(backbone: Backbone, row: str, given: Cond) -> Cond:
    """A conditioning from elsewhere on the model's device and in its dtype.

    Raises BadInput: its parts or their sizes are not those of the model's own texts.
    """
    own = backbone.encode([""])
    if _sizes(given) != _sizes(own):
        raise BadInput(
            f"the embedding for {row.rpartition(':')[2]!r} has the sizes {_sizes(given)}; this model's "
            f"texts have {_sizes(own)}: make it with this model's text encoder"
        )
    dtype = next(iter(own.tokens.values())).dtype
    return given.map(lambda x: x.to(backbone.device, dtype))


def _sizes(cond: Cond) -> dict[str, tuple[int, ...]]:
    """By part: widths, whatever the number of tokens."""
    tokens = {f"tokens.{key}": tuple(value.shape[2:]) for key, value in cond.tokens.items()}
    others = {"pooled": cond.pooled, "extra": cond.extra}
    return tokens | {
        f"{part}.{key}": tuple(value.shape[1:])
        for part, held in others.items()
        for key, value in held.items()
    }


def embedded(cond: Cond, row: str, prompts: Sequence[Prompt], methods: Sequence[Method]) -> Cond:
    """A row's conditioning after the methods' `embed`, picture by picture."""
    name = row.rpartition(":")[2]
    for method in methods:
        if "embed" in hooks(type(method)):
            cond = cond.expand(len(prompts))
            parts = [cond.map(lambda x, j=j: x[j : j + 1]) for j in range(len(prompts))]
            cond = join(
                [method.embed(part, name, prompt) for part, prompt in zip(parts, prompts, strict=True)]
            )
    return cond


def dropped(backbone: Backbone, prompts: Sequence[Prompt], asked: Sequence[Rows]) -> list[str]:
    """What the text encoder will not see of each prompt. Warns once for all, once for other texts."""
    lost = [backbone.lost(prompt.text) for prompt in prompts]
    if cut := [words for words in lost if words]:
        first = f"the first loses {cut[0]!r:.200}"
        warnings.warn(
            f"{len(cut)} of {len(prompts)} prompts are too long for the text encoder; {first}", stacklevel=3
        )
    others = {
        text for named in asked for row, text in named.items() if row != "prompt" and isinstance(text, str)
    }
    for text in sorted(others):
        if words := backbone.lost(text):
            warnings.warn(
                f"{text!r:.80} is too long for the text encoder, which loses {words!r}", stacklevel=3
            )
    return lost


def reports(methods: Sequence[Method], states: Sequence[Any], b: int) -> list[dict[str, Any]]:
    """The methods' reports by picture; a method that is used twice is called `name#2` the second time."""
    out: list[dict[str, Any]] = [{} for _ in range(b)]
    for k, (method, state) in enumerate(zip(methods, states, strict=True)):
        before = sum(other.name == method.name for other in methods[:k])
        for picture, said in zip(out, method.report(state, b), strict=True):
            picture[f"{method.name}#{before + 1}" if before else method.name] = said
    return out


def warn_off(reported: Iterable[Mapping[str, Mapping[str, Any]]]) -> None:
    """One warning for each method that was off in some picture, and for each reason."""
    for name, why in sorted(
        {(name, said["why"]) for picture in reported for name, said in picture.items() if not said["on"]}
    ):
        warnings.warn(f"'{name}' was off: {why}", stacklevel=3)
