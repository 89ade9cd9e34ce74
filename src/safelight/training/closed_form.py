"""Least squares on the matrices that text enters through, in float64: what every edit in closed form shares.

For edited states c_i with targets v_i*, and preserved states c_j that keep their answers:

    W_new = (lambda W + s_e sum_i v_i* c_i^T + s_p sum_j W c_j c_j^T) B^-1
    B     = lambda I + s_e sum_i c_i c_i^T + s_p sum_j c_j c_j^T

It is computed as W_new = W + sum_i (v_i* - W c_i) g_i^T with g_i = s_e B^-1 c_i, which is the same: the
numerator is W B + s_e sum_i (v_i* - W c_i) c_i^T. One Cholesky factor serves all layers. Where every
v_i* = W c_i', also W_new = W M with M = I + sum_i (c_i' - c_i) g_i^T, one map for all layers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from safelight.core.errors import BadInput, Refused
from safelight.core.nouns import Cap
from safelight.core.ports import Backbone
from safelight.diffusion import patch
from safelight.store.artifacts import Artifact, Manifest
from safelight.training.groups import KEYS_AND_VALUES

Recipe = Literal["2023", "2025"]
BATCH = 64
"""Texts encoded at once."""


def aligned(model: Backbone, texts: Sequence[str], recipe: Recipe) -> list[Float[Tensor, "k d"]]:
    """As many states of each text as of the others. "2025": that of the last word's last token. "2023": all
    from there on, end token and padding, as far as the longest text has some."""
    states, last = _states(model, texts), [model.last(text) for text in texts]
    k = 1 if recipe == "2025" else states.shape[1] - max(last)
    return [state[e : e + k] for state, e in zip(states, last, strict=True)]


def gram(model: Backbone, texts: Sequence[str], recipe: Recipe) -> Float[Tensor, "d d"]:
    """sum_j c_j c_j^T of preserved texts: "2025" as in `aligned`, "2023" all their states."""
    total = torch.zeros(_width(model), _width(model), dtype=torch.float64)
    for a in range(0, len(texts), BATCH):
        part = texts[a : a + BATCH]
        c = _states(model, part)
        if recipe == "2025":
            c = c[range(len(part)), [model.last(text) for text in part]]
        total += c.flatten(0, -2).T @ c.flatten(0, -2)
    return total


def solved(
    c: Float[Tensor, "k d"], kept: Float[Tensor, "d d"], lamb: float, s_e: float, s_p: float
) -> Float[Tensor, "d k"]:
    """The g_i as columns, for edited states c and the preserved ones' `gram`."""
    B = lamb * torch.eye(len(kept), dtype=torch.float64) + s_e * c.T @ c + s_p * kept
    return s_e * torch.cholesky_solve(c.T, torch.linalg.cholesky(B))


def one_map(
    c: Float[Tensor, "k d"], c_new: Float[Tensor, "k d"], g: Float[Tensor, "d k"]
) -> Float[Tensor, "d d"]:
    """M."""
    return torch.eye(len(g), dtype=torch.float64) + (c_new - c).T @ g.T


def projections(model: Backbone) -> dict[str, Tensor]:
    """The key and value matrices [out, d] of all text cross-attentions, by their names in artifacts.

    Raises:
        Refused: the family has none.
        BadInput: they are wrapped, quantised, or of another width than the text states.
    """
    if Cap.CROSS_ATTN not in model.caps:
        why = "has none: there text and picture attend to each other in one layer"
        raise Refused(
            [f"UCE edits keys and values of text cross-attention, and the family {model.family} {why}"]
        )
    if Cap.WEIGHTS not in model.caps:
        raise Refused(
            ["UCE reads and writes weights; this model's are offloaded layer by layer: load it whole"]
        )
    prefix, width = patch.prefix(model), _width(model)
    found = {}
    for name, layer in model.net.named_modules():
        if name.endswith(KEYS_AND_VALUES):
            if type(layer) is not nn.Linear or layer.bias is not None or not layer.weight.is_floating_point():
                raise BadInput(
                    f"{name} is a {type(layer).__name__}, and UCE edits plain matrices:"
                    " take the model without adapters and quantisation"
                )
            if layer.in_features != width:
                raise BadInput(f"{name} reads {layer.in_features} features, the text encoder gives {width}")
            found[f"{prefix}{name}.weight"] = layer.weight
    return found


def as_edit(
    model: Backbone, edited: Mapping[str, Tensor], method: str, config: Mapping[str, Any]
) -> Artifact:
    """The new values of `projections`, an artifact of the kind `full`; they get the dtype of the model's."""
    matrices = projections(model)
    values = {name: W.detach().to("cpu", matrices[name].dtype) for name, W in edited.items()}
    manifest = Manifest.of(matrices, kind="full", family=model.family, method=method, config=dict(config))
    return Artifact(manifest, values)


def as_map(model: Backbone, M: Float[Tensor, "d d"], method: str, config: Mapping[str, Any]) -> Artifact:
    """M in float64, an artifact of the kind `map`, for the method `uce-map`."""
    read = {n: t for n, t in patch.tensors(model).items() if n.startswith("text_encoder")}
    manifest = Manifest.of(read, kind="map", family=model.family, method=method, config=dict(config))
    return Artifact(manifest, {"map": M})


def _states(model: Backbone, texts: Sequence[str]) -> Float[Tensor, "n l d"]:
    """What the matrices read of each text, in float64. A text without words is encoded as a blank: its tokens
    are those of the empty one, which our SDXL gives as zeros."""
    cond = model.encode([text if text.strip() else " " for text in texts])
    states = torch.cat(list(cond.tokens.values()), dim=-1).cpu().double()
    if not states.isfinite().all():
        raise BadInput(f"the text encoder's states of {list(texts)!r:.80} are not finite: load it in float32")
    return states


def _width(model: Backbone) -> int:
    return sum(states.shape[-1] for states in model.encode([" "]).tokens.values())
