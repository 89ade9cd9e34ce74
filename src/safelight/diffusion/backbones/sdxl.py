"""Stable Diffusion XL (Podell et al. 2023, arXiv 2307.01952): a UNet that sees two CLIP encoders, a pooled
text and the picture's size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from safelight.core.nouns import Cond
from safelight.diffusion.backbones.base import Latent, is_plain, parts_of

PARTS = {"unet", "vae", "text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2", "scheduler"}


class SDXL(Latent):
    """Drives a live `StableDiffusionXLPipeline`'s parts.

    Where the model says `force_zeros_for_empty_prompt`, the empty text is all zeros, as in its training; in
    diffusers' pipeline that is so for a negative prompt that was not given.
    """

    family = "sdxl"
    takes = "Stable Diffusion XL's base (a UNet with 4 latent channels, two CLIP text encoders, a VAE)"
    steps = 50
    guidance = 5.0

    def __init__(self, pipe: Any):
        super().__init__(pipe, "unet")
        self.empty_is_zero: bool = pipe.config.force_zeros_for_empty_prompt

    @staticmethod
    def drives(pipe: Any) -> bool:
        """Whether a pipeline has this family's parts, plain latents as input and sizes as conditioning."""
        if not parts_of(pipe).keys() >= PARTS:
            return False
        return is_plain(pipe.unet) and pipe.unet.config.addition_embed_type == "text_time"

    def encode(self, texts: Sequence[str]) -> Cond:
        """Tokens: both encoders' hidden states before their last layer [b, 77, d]. Pooled: the second's."""
        outs = {
            name: text(texts, self.device, output_hidden_states=True) for name, text in self.texts.items()
        }
        tokens = {name: out.hidden_states[-2] for name, out in outs.items()}
        return self.emptied(Cond(tokens, {"text_encoder_2": outs["text_encoder_2"][0]}), texts)

    def emptied(self, cond: Cond, texts: Sequence[str]) -> Cond:
        """The conditioning of texts, one row each, with zeros for an empty one where the model wants them."""
        if not self.empty_is_zero or all(texts):
            return cond
        given = torch.tensor([bool(text) for text in texts], device=self.device)
        return cond.map(lambda x: torch.where(given.view(-1, *[1] * (x.ndim - 1)), x, 0))

    def predict(self, x: Float[Tensor, "b c h w"], t: Tensor, cond: Cond) -> Float[Tensor, "b c h w"]:
        states = torch.cat([cond.tokens["text_encoder"], cond.tokens["text_encoder_2"]], dim=-1)
        # Original size, upper left corner of the crop, target size: a whole picture of the size asked for.
        h, w = (side * self.factor for side in x.shape[2:])
        sizes = torch.tensor([[h, w, 0, 0, h, w]], dtype=states.dtype, device=x.device)
        added = {"text_embeds": cond.pooled["text_encoder_2"], "time_ids": sizes.expand(len(x), -1)}
        return self.net(
            x.to(self.dtype), t, encoder_hidden_states=states, added_cond_kwargs=added, return_dict=False
        )[0].to(x.dtype)

    def decode(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 3 H W"]:
        with self._wide_vae():
            return super().decode(x)

    def encode_image(self, images: Float[Tensor, "b 3 H W"]) -> Float[Tensor, "b c h w"]:
        with self._wide_vae():
            return super().encode_image(images)

    @contextmanager
    def _wide_vae(self) -> Iterator[None]:
        """SDXL's first VAE overflows in float16: it works in float32 where its config says so."""
        if narrow := self.vae.dtype == torch.float16 and self.vae.config.force_upcast:
            self.vae.to(torch.float32)
        try:
            yield
        finally:
            if narrow:
                self.vae.to(torch.float16)
