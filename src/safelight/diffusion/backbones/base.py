"""What all families have in common: a denoiser on the latents of a VAE, and text encoders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from diffusers.utils.torch_utils import get_module_execution_device
from jaxtyping import Float
from torch import Tensor, nn

from safelight.core.errors import BadInput
from safelight.core.nouns import Cap, Kind
from safelight.diffusion.backbones.text import TextEncoder
from safelight.diffusion.solvers import kind_of

TEXT_ENCODERS = ("text_encoder", "text_encoder_2", "text_encoder_3")


def parts_of(pipe: Any) -> dict[str, Any]:
    """A pipeline's parts without those that it does without; empty for what is no pipeline."""
    return {name: part for name, part in getattr(pipe, "components", {}).items() if part is not None}


def is_a(net: Any, name: str) -> bool:
    """Whether a network, compiled or not, is of a diffusers class or one derived from it; by the class's
    name, because to import them all takes seconds."""
    return name in {cls.__name__ for cls in type(getattr(net, "_orig_mod", net)).__mro__}


def is_plain(unet: Any) -> bool:
    """Whether a UNet takes latents alone: no mask, guidance scale (LCM's) or picture (an IP-Adapter's)."""
    if not is_a(unet, "UNet2DConditionModel"):
        return False
    config = unet.config
    pictures = config.encoder_hid_dim_type not in (None, "text_proj")
    return config.in_channels == 4 and config.time_cond_proj_dim is None and not pictures


def is_quantised(net: nn.Module) -> bool:
    """Whether weights are held as something else than plain numbers: by diffusers' quantisers, GGUF,
    bitsandbytes, torchao, or torch's own."""
    odd = any(type(value) is not nn.Parameter or not value.is_floating_point() for value in net.parameters())
    own = any(type(part).__module__.startswith("torch.ao.nn.quantized") for part in net.modules())
    return odd or own or getattr(net, "hf_quantizer", None) is not None


def called(pipe: Any, net: nn.Module) -> str:
    """A live pipeline's name, as refusals say it."""
    return f"{'quantised ' if is_quantised(net) else ''}{type(pipe).__name__}"


class Latent:
    """Drives a live pipeline's parts; shares its weights, changes nothing in it."""

    family: ClassVar[str]
    takes: ClassVar[str]
    """What a pipeline of this family is, for refusals."""
    steps: ClassVar[int]
    guidance: ClassVar[float]
    lengths: ClassVar[Mapping[str, int]] = {}
    """Tokens that a text encoder gets, where that is not its tokenizer's own length."""
    caps = frozenset(Cap)
    patch = 1
    """Latents a side of one of the network's tokens."""

    def __init__(self, pipe: Any, net: str):
        self._net_name, self.net = net, getattr(pipe, net)
        self.vae, self.scheduler = pipe.vae, pipe.scheduler
        self.texts = {
            name: _text_encoder(pipe, name, self.lengths) for name in TEXT_ENCODERS if name in parts_of(pipe)
        }
        self.kind: Kind = kind_of(pipe.scheduler)
        self.factor = 2 ** (len(self.vae.config.block_out_channels) - 1)
        self.inputs: dict[str, float] = {}
        if self.net.device.type == "meta":  # sequential offloading: the weights are here for one layer's time
            self.caps = self.caps - {Cap.WEIGHTS, Cap.GRAD}
        if is_quantised(self.net):  # such weights cannot be changed and restored bit for bit
            self.caps = self.caps - {Cap.WEIGHTS}

    @property
    def parts(self) -> dict[str, nn.Module]:
        encoders = {name: text.net for name, text in self.texts.items()}
        return {self._net_name: self.net, "vae": self.vae, **encoders}

    @property
    def device(self) -> torch.device:
        """Where the networks work; offloaded weights lie elsewhere in between."""
        return get_module_execution_device(self.net)

    @property
    def dtype(self) -> torch.dtype:
        return self.net.dtype

    @property
    def size(self) -> tuple[int, int]:
        side = self.net.config.sample_size
        h, w = (side, side) if isinstance(side, int) else side
        return h * self.factor, w * self.factor

    def latent_shape(self, height: int, width: int) -> tuple[int, int, int]:
        multiple = self.factor * self.patch
        for name, value in (("height", height), ("width", width)):
            if value % multiple:
                raise BadInput(f"{name} must be a multiple of {multiple}, got {value}")
        return self.vae.config.latent_channels, height // self.factor, width // self.factor

    def schedule(self, n: int, height: int, width: int) -> Mapping[str, Any]:
        return {}

    def lost(self, text: str) -> str:
        return min((encoder.lost(text) for encoder in self.texts.values()), key=len)

    def last(self, text: str) -> int:
        return next(iter(self.texts.values())).last(text)

    def decode(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 3 H W"]:
        latents = (x / self.vae.config.scaling_factor + self._shift).to(self.vae.dtype)
        return (self.vae.decode(latents, return_dict=False)[0].float() / 2 + 0.5).clamp(0, 1)

    def encode_image(self, images: Float[Tensor, "b 3 H W"]) -> Float[Tensor, "b c h w"]:
        pixels = (images * 2 - 1).to(device=self.device, dtype=self.vae.dtype)
        latents = self.vae.encode(pixels).latent_dist.mean.float()
        return (latents - self._shift) * self.vae.config.scaling_factor

    @property
    def _shift(self) -> float:
        return self.vae.config.shift_factor or 0.0


def _text_encoder(pipe: Any, name: str, lengths: Mapping[str, int]) -> TextEncoder:
    tokenizer = getattr(pipe, name.replace("text_encoder", "tokenizer"))
    return TextEncoder(getattr(pipe, name), tokenizer, lengths.get(name, tokenizer.model_max_length))
