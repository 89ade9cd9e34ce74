"""Small classifiers on the embeddings of a frozen CLIP: Q16's soft prompts, and one head a label.

A file is safetensors: either `prompts` [2, d], or for each label the tensors of its head. What was published
as a pickle is converted once by whoever trusts it; pickle is never read here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from safelight.core.errors import BadInput

SCALE = 100.0  # of cosines, in Q16 as in OpenAI's CLIP
PROMPTS = "prompts"


class SoftPrompts(nn.Module):
    """Two learnt vectors in the place of texts, harmless and inappropriate (Q16, Schramowski et al. 2022)."""

    def __init__(self, prompts: Float[Tensor, "2 d"]) -> None:
        super().__init__()
        self.prompts = nn.Parameter(prompts.clone())

    def forward(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n 1"]:
        """The logit of "inappropriate": sigmoid of it is Q16's softmax over scaled cosines."""
        safe, unsafe = (cosine_similarity(x, prompt[None], dim=1) for prompt in self.prompts)
        return (SCALE * (unsafe - safe))[:, None]


class Heads(nn.Module):
    """One binary classifier a label, each for itself: the logits of all labels."""

    def __init__(self, heads: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.heads = nn.ModuleDict(heads)

    def forward(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n labels"]:
        return torch.cat([head(x) for head in self.heads.values()], 1)


def logistic(labels: Sequence[str], d: int) -> Heads:
    """Logistic regressions that start from 0."""
    heads = {label: nn.Linear(d, 1) for label in labels}
    for head in heads.values():
        nn.init.zeros_(head.weight)
        nn.init.zeros_(head.bias)
    return Heads(heads)


def perceptron(d: int, hidden: int) -> nn.Sequential:
    """A head of Unsafe Diffusion's multi-headed classifier (Qu et al. 2023), its tensors named as there."""
    return nn.Sequential(
        nn.Linear(d, hidden), nn.ReLU(), nn.Dropout(0.5), nn.BatchNorm1d(hidden), nn.Linear(hidden, 1)
    )


def tensors(head: SoftPrompts | Heads) -> dict[str, Tensor]:
    """What `load` reads: to be written with `safelight.store.files.write_tensors`."""
    return {name.removeprefix("heads."): value for name, value in head.state_dict().items()}


def load(file: Path, d: int) -> SoftPrompts | Heads:
    """The head in a file, for embeddings of d numbers, ready to read.

    file: or a folder with one LABEL.safetensors for each label, the tensors of one head in each, as the
    published heads are parted.

    Raises:
        BadInput: it is no safetensors, holds no such head, or one for another CLIP.
    """
    try:
        found = _found(Path(file))
        if wild := [name for name, value in found.items() if not value.isfinite().all()]:
            raise LookupError(f"{wild[0]} has NaN or infinity")
        head = _shaped(found)
        head.load_state_dict(found if isinstance(head, SoftPrompts) else _below(found))
    except (OSError, SafetensorError, RuntimeError, LookupError) as error:
        raise BadInput(
            f"{file} holds no head: it takes safetensors with `{PROMPTS}` [2, d], or with LABEL.weight and "
            f"LABEL.bias, or LABEL.0.weight and so on for each label, or a folder with a LABEL.safetensors "
            f"for each ({error!r:.200})"
        ) from error
    width = head.prompts.shape[1] if isinstance(head, SoftPrompts) else _width(head)
    if width != d:
        raise BadInput(f"{file} is for a CLIP with embeddings of {width} numbers, and this one's have {d}")
    return head.float().eval().requires_grad_(False)


def _found(place: Path) -> dict[str, Tensor]:
    if not place.is_dir():
        return load_file(place)
    files = sorted(place.glob("*.safetensors"))
    return {f"{file.stem}.{name}": value for file in files for name, value in load_file(file).items()}


def _shaped(found: Mapping[str, Tensor]) -> SoftPrompts | Heads:
    if PROMPTS in found:
        if len(found) > 1 or found[PROMPTS].ndim != 2 or len(found[PROMPTS]) != 2:
            raise LookupError(f"{PROMPTS} must be [2, d] and alone")
        if (found[PROMPTS].norm(dim=1) == 0).any():
            raise LookupError(f"{PROMPTS} has a row of zeros, which has no direction")
        return SoftPrompts(found[PROMPTS])
    heads: dict[str, nn.Module] = {}
    for label in sorted({name.partition(".")[0] for name in found}):
        plain = found.get(f"{label}.weight")
        hidden, d = (plain if plain is not None else found[f"{label}.0.weight"]).shape
        heads[label] = nn.Linear(d, 1) if plain is not None else perceptron(d, hidden)
    if not heads:
        raise LookupError("it is empty")
    return Heads(heads)


def _below(found: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"heads.{name}": value for name, value in found.items()}


def _width(heads: Heads) -> int:
    layers = [layer for layer in heads.modules() if isinstance(layer, nn.Linear)]
    return layers[0].in_features
