"""Stable Diffusion 1 and 2 (Rombach et al. 2022): a UNet on VAE latents, conditioned on one CLIP encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from safelight.core.nouns import Cap, Cond, Kind
from safelight.diffusion.solvers import kind_of

PARTS = {"unet", "vae", "text_encoder", "tokenizer", "scheduler"}


class SD:
    """Drives a live `StableDiffusionPipeline`'s parts; shares its weights, changes nothing in it."""

    family = "sd"
    caps = frozenset(Cap)

    def __init__(self, pipe: Any):
        self.net, self.vae = pipe.unet, pipe.vae
        self.text_encoder, self.tokenizer, self.scheduler = pipe.text_encoder, pipe.tokenizer, pipe.scheduler
        self.kind: Kind = kind_of(pipe.scheduler)
        self.factor = 2 ** (len(self.vae.config.block_out_channels) - 1)

    @staticmethod
    def drives(pipe: Any) -> bool:
        """Whether a pipeline has this family's parts, one text encoder only, and plain latents as input."""
        parts = {name for name, part in getattr(pipe, "components", {}).items() if part is not None}
        return parts >= PARTS and "text_encoder_2" not in parts and pipe.unet.config.in_channels == 4

    @property
    def parts(self) -> dict[str, nn.Module]:
        return {"unet": self.net, "vae": self.vae, "text_encoder": self.text_encoder}

    @property
    def device(self) -> torch.device:
        return self.net.device

    @property
    def dtype(self) -> torch.dtype:
        return self.net.dtype

    @property
    def size(self) -> tuple[int, int]:
        side = self.net.config.sample_size
        h, w = (side, side) if isinstance(side, int) else side
        return h * self.factor, w * self.factor

    def latent_shape(self, height: int, width: int) -> tuple[int, int, int]:
        return self.net.config.in_channels, height // self.factor, width // self.factor

    @torch.no_grad()
    def encode(self, texts: Sequence[str]) -> Cond:
        """The text encoder's last hidden states [b, 77, d]; texts are cut at its length (see `lost`)."""
        ids = self.tokenizer(
            list(texts),
            padding="max_length",
            truncation=True,
            max_length=self.tokenizer.model_max_length,
            return_tensors="pt",
        )
        masked = getattr(self.text_encoder.config, "use_attention_mask", False)
        mask = ids.attention_mask.to(self.device) if masked else None
        states = self.text_encoder(ids.input_ids.to(self.device), attention_mask=mask)[0]
        return Cond({"text_encoder": states})

    def lost(self, text: str) -> str:
        room = self.tokenizer.model_max_length - 2  # start and end take one token each
        marks = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        spans = marks.offset_mapping
        return text[spans[room][0] :] if len(spans) > room else ""

    def predict(self, x: Float[Tensor, "b c h w"], t: Tensor, cond: Cond) -> Float[Tensor, "b c h w"]:
        states = cond.tokens["text_encoder"]
        return self.net(x.to(self.dtype), t, encoder_hidden_states=states, return_dict=False)[0].to(x.dtype)

    def decode(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 3 H W"]:
        latents = (x / self.vae.config.scaling_factor).to(self.vae.dtype)
        return (self.vae.decode(latents, return_dict=False)[0].float() / 2 + 0.5).clamp(0, 1)

    def encode_image(self, images: Float[Tensor, "b 3 H W"]) -> Float[Tensor, "b c h w"]:
        pixels = (images * 2 - 1).to(device=self.device, dtype=self.vae.dtype)
        return self.vae.encode(pixels).latent_dist.mean.float() * self.vae.config.scaling_factor
