"""Stable Diffusion's own image filter, number for number: CompVis/stable-diffusion-safety-checker.

Idea: a picture is unsafe when CLIP sees it close to one of 17 stored embeddings. Three more, the special-care
    rows, never block by themselves: where one fires, everything after it fires 0.01 earlier.
Equations: for the image embedding v and rows in order, with a = 0 at first,
    s_j = round(cos(v, S_j) - tS_j + a, 3); where s_j > 0, a = 0.01, also for the special rows after it;
    c_i = round(cos(v, C_i) - tC_i + a, 3); unsafe where one c_i > 0.
Differs: in no number from diffusers' StableDiffusionSafetyChecker. But NaN compares as "not unsafe" there,
    and here what cannot be computed is failed.

The file stores no names. Rando et al. (2022, arXiv 2210.04610) recovered them: all 17 are sexual. Violence
and everything else pass, and so does what lies outside of the centre square. Rows are known by number here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32
from torch import Tensor
from transformers import CLIPConfig, CLIPVisionModelWithProjection

from safelight.clip.disk import eye_of, folder_of, weights_of
from safelight.clip.eye import believed, scores
from safelight.core.errors import Damaged
from safelight.core.nouns import Score
from safelight.core.ports import Preset, Reads

PUBLISHED = "CompVis/stable-diffusion-safety-checker"
CARE = np.float32(0.01)
"""What a special-care hit adds to every score after it."""
ROWS = ("concept_embeds", "concept_embeds_weights", "special_care_embeds", "special_care_embeds_weights")
OLD, NEW = "vision_model.vision_model.", "vision_model."
"""The tower's place in the published file, and in what transformers 5 writes."""


@final
class SafetyChecker:
    """Judges pictures, uint8 [h, w, 3] of any size, by the filter that ships with Stable Diffusion.

    Values are excesses over each row's threshold, multiples of 0.001: "concept:0" on, and "special-care:0"
    on, which the verdict does not look at.

    Args:
        weights: a folder, or a hub id in the hub's cache, with config.json and model.safetensors as diffusers
            keeps them: the published repository, or `safety_checker` inside a Stable Diffusion.

    Raises:
        BadInput: the weights are not here.
        Damaged: they are no safety checker, or one that can never fire.
    """

    name, version = "safety-checker", "1"
    range = (-2.0, 2.01)
    reads: Reads = "image"
    any_model = True

    def __init__(self, weights: str | Path = PUBLISHED) -> None:
        folder = folder_of(weights)
        tensors, self.content_hash = weights_of(folder)
        try:
            self.concepts, t_concepts, self.special, t_special = (tensors.pop(name) for name in ROWS)
            config = CLIPConfig.from_pretrained(folder)
            vision: Any = config.vision_config  # Any: the annotations of transformers are too wide
            vision.projection_dim = config.projection_dim
            with torch.random.fork_rng(devices=[]):  # a new network draws weights, which are then replaced
                tower = CLIPVisionModelWithProjection(vision).float()
            tower.load_state_dict(
                {NEW + k.removeprefix(OLD) if k.startswith(OLD) else k: x for k, x in tensors.items()}
            )
        except (OSError, KeyError, RuntimeError) as error:
            raise Damaged(f"{folder} holds no safety checker ({error}): fetch it again") from error
        _check(folder, self.concepts, t_concepts)
        _check(folder, self.special, t_special)
        self.tower: Any = tower.eval().requires_grad_(False)
        self.eye = eye_of(folder, vision.image_size)
        self.t_concepts, self.t_special = t_concepts.numpy(), t_special.numpy()
        concepts = tuple(f"concept:{i}" for i in range(len(t_concepts)))
        self.labels = (*concepts, *(f"special-care:{j}" for j in range(len(t_special))))
        # Scores have three digits, so this is "> 0".
        self.presets: Mapping[str, Preset] = {"default": Preset(concepts, 0.0005)}

    def __call__(self, items: Sequence[Any]) -> list[Score]:
        return scores(self.name, self.labels, items, self._images, self._read)

    @torch.no_grad()
    def read(self, clip_input: Float[Tensor, "n 3 s s"]) -> list[Score]:
        """The scores of pictures as CLIP's preprocessing leaves them."""
        v = self.tower(pixel_values=clip_input).image_embeds
        return believed(self.name, self.labels, v, self._read(v))

    def _images(self, images: list[Any]) -> Float[Tensor, "n d"]:
        return torch.cat([self.tower(pixel_values=x).image_embeds for x in self.eye.blocks(images)])

    def _read(self, v: Float[Tensor, "n d"]) -> Float[Tensor, "n labels"]:
        return torch.from_numpy(np.concatenate(self.excess(v), axis=1))

    def excess(
        self, v: Float[Tensor, "n d"]
    ) -> tuple[Float32[np.ndarray, "n concepts"], Float32[np.ndarray, "n special"]]:
        """c and s of image embeddings, in float32 as the original computes them."""
        cos = _cosines(v, self.special)
        special, a = np.empty_like(cos), np.zeros(len(cos), np.float32)
        for j, t in enumerate(self.t_special):
            special[:, j] = np.round(cos[:, j] - t + a, 3)
            a[special[:, j] > 0] = CARE
        return np.round(_cosines(v, self.concepts) - self.t_concepts + a[:, None], 3), special


def _cosines(v: Float[Tensor, "n d"], rows: Float[Tensor, "k d"]) -> Float32[np.ndarray, "n k"]:
    return (F.normalize(v) @ F.normalize(rows).T).numpy()


def _check(folder: Path, rows: Tensor, thresholds: Tensor) -> None:
    """Raises Damaged for rows that could never fire: such a filter would call everything safe."""
    if rows.ndim != 2 or thresholds.shape != rows.shape[:1]:
        raise Damaged(f"{folder}: {list(rows.shape)} rows do not fit {list(thresholds.shape)} thresholds")
    dead = (rows.norm(dim=1) == 0) | (thresholds >= 1) | (thresholds < -1)
    if dead.any():
        raise Damaged(
            f"{folder}: row {int(dead.nonzero()[0])} is zero or its threshold is not in [-1, 1), so it says "
            "nothing: an untrained safety checker is no filter"
        )
