"""Flux.1 (Black Forest Labs 2024): a transformer on 2 x 2 packed latents, by flow matching, that attends
jointly to a T5, with a pooled CLIP text.

Two things are called guidance. Classifier-free guidance is `Sampling.guidance`, as for every family, and 1
(none) is this one's habit. The other is a number that the distilled network was trained to be fed, which
imitates guidance in one prediction: `inputs["embedded_guidance"]`. Methods' terms need the first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from safelight.core.nouns import Cap, Cond
from safelight.diffusion.backbones.base import Latent, is_a, parts_of
from safelight.diffusion.solvers import dynamic_shift

PARTS = {"transformer", "vae", "text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2", "scheduler"}


class Flux(Latent):
    """Drives a live `FluxPipeline`'s parts."""

    family = "flux"
    takes = "Flux.1 (its transformer on plain latents, a CLIP text encoder, a T5, a VAE)"
    steps = 28
    guidance = 1.0
    lengths: ClassVar = {"text_encoder_2": 512}
    caps = frozenset(Cap) - {Cap.CROSS_ATTN}  # text and picture attend to each other in one layer
    patch = 2

    def __init__(self, pipe: Any):
        super().__init__(pipe, "transformer")
        if self.net.config.guidance_embeds:
            self.inputs["embedded_guidance"] = 3.5

    @staticmethod
    def drives(pipe: Any) -> bool:
        """Whether a pipeline has this family's parts, and plain latents as input: no mask, no depth."""
        if not parts_of(pipe).keys() >= PARTS or not is_a(pipe.transformer, "FluxTransformer2DModel"):
            return False
        return pipe.transformer.config.in_channels == 4 * pipe.vae.config.latent_channels

    @property
    def size(self) -> tuple[int, int]:
        return 128 * self.factor, 128 * self.factor  # the network does not say; its pipeline takes this

    def schedule(self, n: int, height: int, width: int) -> Mapping[str, Any]:
        """Noise levels 1 to 1/n, shifted by the number of tokens. Solvers made for flows space their own."""
        side = self.factor * self.patch
        shift = dynamic_shift(self.scheduler, (height // side) * (width // side))
        own = self.scheduler.config.get("use_flow_sigmas", False)
        return shift if own else {"sigmas": np.linspace(1.0, 1 / n, n), **shift}

    def encode(self, texts: Sequence[str]) -> Cond:
        """Tokens: T5's last hidden states [b, 512, d]. Pooled: CLIP's."""
        states = self.texts["text_encoder_2"](texts, self.device)[0]
        pooled = self.texts["text_encoder"](texts, self.device).pooler_output
        return Cond({"text_encoder_2": states}, {"text_encoder": pooled})

    def predict(self, x: Float[Tensor, "b c h w"], t: Tensor, cond: Cond) -> Float[Tensor, "b c h w"]:
        b, (h, w) = len(x), (side // 2 for side in x.shape[2:])
        states = cond.tokens["text_encoder_2"]
        # Positions: text at the origin, tokens of the picture at (0, row, column).
        rows, columns = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
        positions = torch.stack([torch.zeros_like(rows), rows, columns], dim=-1).view(-1, 3).to(x)
        guidance = self.inputs.get("embedded_guidance")
        out = self.net(
            hidden_states=pixel_unshuffle(x.to(self.dtype), 2).flatten(2).mT.contiguous(),
            timestep=t.expand(b).to(self.dtype) / 1000,
            guidance=None if guidance is None else torch.full([b], guidance, device=x.device),
            pooled_projections=cond.pooled["text_encoder"],
            encoder_hidden_states=states,
            txt_ids=positions.new_zeros(states.shape[1], 3),
            img_ids=positions,
            return_dict=False,
        )[0]
        return pixel_shuffle(out.mT.unflatten(2, (h, w)), 2).to(x.dtype)
