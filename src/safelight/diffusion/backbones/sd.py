"""Stable Diffusion 1 and 2 (Rombach et al. 2022): a UNet on VAE latents, conditioned on one CLIP encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor

from safelight.core.nouns import Cond
from safelight.diffusion.backbones.base import Latent, is_plain, parts_of

PARTS = {"unet", "vae", "text_encoder", "tokenizer", "scheduler"}


class SD(Latent):
    """Drives a live `StableDiffusionPipeline`'s parts."""

    family = "sd"
    takes = "Stable Diffusion 1 and 2 (a UNet with 4 latent channels, one CLIP text encoder, a VAE)"
    steps = 50
    guidance = 7.5

    def __init__(self, pipe: Any):
        super().__init__(pipe, "unet")

    @staticmethod
    def drives(pipe: Any) -> bool:
        """Whether a pipeline has this family's parts, one text encoder only, and plain latents as input."""
        parts = parts_of(pipe)
        return parts.keys() >= PARTS and "text_encoder_2" not in parts and is_plain(pipe.unet)

    def encode(self, texts: Sequence[str]) -> Cond:
        """The text encoder's last hidden states [b, 77, d]; texts are cut at its length (see `lost`)."""
        return Cond({"text_encoder": self.texts["text_encoder"](texts, self.device)[0]})

    def predict(self, x: Float[Tensor, "b c h w"], t: Tensor, cond: Cond) -> Float[Tensor, "b c h w"]:
        states = cond.tokens["text_encoder"]
        return self.net(x.to(self.dtype), t, encoder_hidden_states=states, return_dict=False)[0].to(x.dtype)
