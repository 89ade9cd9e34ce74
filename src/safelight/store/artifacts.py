"""Artifacts: what training or an edit made of a model, as one small safetensors file.

Tensors have diffusers' own names behind the name of their part, as `Backbone.parts` has it:
`unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight`. The metadata key `safelight` holds
the manifest as JSON, the key `content` a hash of the tensors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, Self

import torch
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open
from torch import Tensor

from safelight.core.errors import BadInput, Damaged
from safelight.core.records import canonical
from safelight.store.files import write_tensors

HALVES = {"float16": torch.float16, "bfloat16": torch.bfloat16}


def tensor_hash(tensor: Tensor) -> str:
    """sha256 of the values in canonical float32: row by row, little-endian. Equal for all dtypes that hold
    the same values, so a model that ships in float16 has one hash whether it is loaded in that or float32."""
    return sha256(
        tensor.detach().to("cpu", torch.float32).contiguous().numpy().astype("<f4").data
    ).hexdigest()


def factors_of(name: str) -> tuple[str, str]:
    """The names of A [r, in, ...] and B [out, r, ...] in diffusers' LoRA files, where B A changes `name`."""
    layer = name.removesuffix(".weight")
    return f"{layer}.lora_A.weight", f"{layer}.lora_B.weight"


@dataclass(frozen=True)
class Manifest:
    """What an artifact is, and which model it belongs to.

    kind: `full` is new values and `delta` differences, both of the tensors in `base`; `lora` is differences
        too, each as two factors (see `factors_of`); `map` is a linear map of text states; the others belong
        to what reads them.
    base: tensor_hash by name, of the tensors as they were: those that it touches; for a map those of the text
        encoders whose states it maps.
    rounded: by half dtype, the same of the tensors rounded to it: what a model loaded in that dtype holds.
    config: the settings it was made with. run: the run that made it; empty where none was recorded.
    """

    kind: Literal["delta", "full", "lora", "map", "tokens", "module"]
    family: str
    base: Mapping[str, str]
    rounded: Mapping[str, Mapping[str, str]]
    method: str
    config: Mapping[str, Any]
    run: str = ""
    licence: str = "that of the base model"
    schema: Literal[1] = 1

    @classmethod
    def of(cls, base: Mapping[str, Tensor], **fields: Any) -> Self:
        """The manifest of an artifact of these tensors; `fields` are the others but `rounded`."""
        rounded = {
            dtype: {name: tensor_hash(tensor.to(half)) for name, tensor in base.items()}
            for dtype, half in HALVES.items()
        }
        return cls(
            base={name: tensor_hash(tensor) for name, tensor in base.items()}, rounded=rounded, **fields
        )

    @property
    def tensors(self) -> set[str]:
        """The names of what a `full`, a `delta` or a `lora` holds."""
        if self.kind != "lora":
            return set(self.base)
        return {factor for name in self.base for factor in factors_of(name)}

    def misfits(self, family: str, tensors: Mapping[str, Tensor]) -> list[str]:
        """Why it does not belong to the model of these tensors (by name in artifacts); empty if it does."""
        if family != self.family:
            return [f"it was made of a model of the family {self.family}, and this one is {family}"]
        if absent := [name for name in self.base if name not in tensors]:
            return [f"it needs {absent[0]}, which this model has not got"]
        other = [name for name in self.base if not self._is_base(name, tensors[name])]
        if not other:
            return []
        dtype = str(tensors[other[0]].dtype).removeprefix("torch.")
        which = f"{len(other)} of {len(self.base)} tensors have another hash, the first {other[0]} ({dtype})"
        why = (
            "the model is another one, or an earlier entry changed it, or the file was made in half precision"
        )
        return [f"it was made of other weights: {which}; either {why} and fits that only"]

    def _is_base(self, name: str, tensor: Tensor) -> bool:
        dtype = str(tensor.dtype).removeprefix("torch.")
        return tensor_hash(tensor) in (self.base[name], self.rounded.get(dtype, {}).get(name))


@dataclass(frozen=True)
class Artifact:
    """Tensors with their manifest."""

    manifest: Manifest
    tensors: Mapping[str, Tensor]

    @property
    def rank(self) -> int:
        """Of a `lora`: r, the same for all."""
        return len(self.tensors[factors_of(next(iter(self.manifest.base)))[0]])

    def change(self, name: str) -> Tensor:
        """Of a `lora`: B A for the tensor `name` of its base, in its shape and in float64."""
        A, B = (self.tensors[factor].double() for factor in factors_of(name))
        return (B.flatten(1) @ A.flatten(1)).reshape(len(B), *A.shape[1:])

    @property
    def content(self) -> str:
        """sha256 of all tensors: names, dtypes, shapes and bytes."""
        total = sha256()
        for name, tensor in sorted(self.tensors.items()):
            total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
            total.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
        return total.hexdigest()

    def save(self, path: str | Path) -> None:
        """Writes the file: complete or absent, even after a crash.

        Raises:
            BadInput: a tensor is not finite, or the place cannot be written.
        """
        path = Path(path)
        if unsound := _unsound(self.tensors):
            raise BadInput(f"{unsound} is not finite: nothing was written to {path}")
        about = {"safelight": canonical(self.manifest), "content": self.content}
        try:
            write_tensors(path, self.tensors, about)
        except (OSError, SafetensorError) as error:
            raise BadInput(f"cannot write {path}: {error}; name a file that is writable") from error


def load(path: str | Path) -> Artifact:
    """The artifact in a file.

    Raises:
        BadInput: there is no such file, or it cannot be read.
        Damaged: it is truncated, altered, or no artifact.
    """
    try:
        with safe_open(path, framework="pt") as file:
            about = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except OSError as error:
        raise BadInput(f"the artifact {path} cannot be read: {error}") from error
    except SafetensorError as error:
        raise Damaged(f"{path} is truncated or no safetensors file ({error}): make it again") from error
    if "safelight" not in about:
        raise Damaged(f"{path} is no artifact: it has no manifest that says which model it belongs to")
    try:
        manifest = TypeAdapter(Manifest).validate_json(about["safelight"])
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise Damaged(f"the manifest of {path} is none that this release reads ({problems})") from error
    artifact = Artifact(manifest, tensors)
    if artifact.content != about.get("content"):
        raise Damaged(f"{path} was altered: its tensors are not those that were written; make it again")
    if unsound := _unsound(tensors):
        raise Damaged(f"{path}: {unsound} is not finite; make it again")
    if manifest.kind in ("full", "delta", "lora") and tensors.keys() != manifest.tensors:
        raise Damaged(f"{path}: its tensors are not those of its manifest; make it again")
    return artifact


def _unsound(tensors: Mapping[str, Tensor]) -> str:
    """The name of a tensor that is not finite; empty if there is none."""
    return next((name for name, tensor in tensors.items() if not tensor.isfinite().all()), "")
