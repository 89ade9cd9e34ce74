"""Stable Diffusion 3 and 3.5 (Esser et al. 2024, arXiv 2403.03206): a transformer on patches of latents, by
flow matching, that attends jointly to two CLIP encoders and a T5."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from safelight.core.errors import BadInput
from safelight.core.nouns import Cap, Cond
from safelight.diffusion.backbones.base import Latent, is_a, parts_of
from safelight.diffusion.solvers import dynamic_shift

PARTS = {"transformer", "vae", "text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2", "scheduler"}
T5_LENGTH = 256


class SD3(Latent):
    """Drives a live `StableDiffusion3Pipeline`'s parts. It may lack the T5, its largest: zeros then stand for
    what T5 would say, as in the model's training, where each encoder was left out at times."""

    family = "sd3"
    takes = "Stable Diffusion 3 (its transformer, two CLIP text encoders, a T5 or none, a VAE)"
    steps = 28
    guidance = 7.0
    lengths: ClassVar = {"text_encoder_3": T5_LENGTH}
    caps = frozenset(Cap) - {Cap.CROSS_ATTN}  # text and picture attend to each other in one layer

    def __init__(self, pipe: Any):
        super().__init__(pipe, "transformer")
        self.patch = self.net.config.patch_size

    @staticmethod
    def drives(pipe: Any) -> bool:
        """Whether a pipeline has this family's parts."""
        return parts_of(pipe).keys() >= PARTS and is_a(pipe.transformer, "SD3Transformer2DModel")

    def latent_shape(self, height: int, width: int) -> tuple[int, int, int]:
        most = self.net.config.pos_embed_max_size * self.patch * self.factor
        if max(height, width) > most:
            raise BadInput(f"height and width must be at most {most}, got {height} x {width}")
        return super().latent_shape(height, width)

    def schedule(self, n: int, height: int, width: int) -> Mapping[str, Any]:
        side = self.factor * self.patch
        return dynamic_shift(self.scheduler, (height // side) * (width // side))

    def encode(self, texts: Sequence[str]) -> Cond:
        """Tokens: the CLIPs' hidden states before the last layer [b, 77, d], T5's last [b, 256, d]. Pooled:
        the CLIPs'."""
        clips = {
            name: self.texts[name](texts, self.device, output_hidden_states=True)
            for name in ("text_encoder", "text_encoder_2")
        }
        tokens = {name: out.hidden_states[-2] for name, out in clips.items()}
        if "text_encoder_3" in self.texts:
            tokens["text_encoder_3"] = self.texts["text_encoder_3"](texts, self.device)[0]
        return Cond(tokens, {name: out[0] for name, out in clips.items()})

    def predict(self, x: Float[Tensor, "b c h w"], t: Tensor, cond: Cond) -> Float[Tensor, "b c h w"]:
        clip = torch.cat([cond.tokens["text_encoder"], cond.tokens["text_encoder_2"]], dim=-1)
        width = self.net.config.joint_attention_dim
        t5 = cond.tokens.get("text_encoder_3", clip.new_zeros(len(x), T5_LENGTH, width))
        states = torch.cat([pad(clip, (0, width - clip.shape[-1])), t5], dim=1)  # side by side in time
        pooled = torch.cat([cond.pooled["text_encoder"], cond.pooled["text_encoder_2"]], dim=-1)
        return self.net(
            hidden_states=x.to(self.dtype),
            timestep=t.expand(len(x)),
            encoder_hidden_states=states,
            pooled_projections=pooled,
            return_dict=False,
        )[0].to(x.dtype)
