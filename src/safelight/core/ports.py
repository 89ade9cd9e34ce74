"""The seams: what the loop knows of a model family and of a solver, and what everybody knows of a judge."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from safelight.core.nouns import Cap, Cond, Kind, Prompt, Score

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, UInt8
    from numpy import ndarray
    from torch import Generator, Tensor, device, dtype, nn


class Backbone(Protocol):
    """All that anyone may know of a model family. Latents are float32 here, the network's dtype inside."""

    family: str
    kind: Kind
    caps: frozenset[Cap]
    net: nn.Module
    scheduler: Any
    """The model's own diffusers scheduler: the noise schedule it was trained with."""
    factor: int
    """Pixels a side of one latent."""
    steps: int
    guidance: float
    """How the family is usually sampled."""
    inputs: dict[str, float]
    """Numbers that the network is fed at every step besides its conditioning. They decide the bytes."""

    @property
    def parts(self) -> Mapping[str, nn.Module]:
        """Every network of the model, by diffusers' names."""
        ...

    @property
    def texts(self) -> Mapping[str, Any]:
        """The text encoders by diffusers' names, each with `net`, `tokenizer` and `length`."""
        ...

    @property
    def device(self) -> device: ...

    @property
    def dtype(self) -> dtype: ...

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels that the network was trained at."""
        ...

    def latent_shape(self, height: int, width: int) -> tuple[int, int, int]:
        """(c, h, w) for a picture of so many pixels.

        Raises:
            BadInput: the family makes no pictures of this size.
        """
        ...

    def schedule(self, n: int, height: int, width: int) -> Mapping[str, Any]:
        """What the family tells its scheduler of a run, besides its `n` steps: noise levels, their shift."""
        ...

    def encode(self, texts: Sequence[str]) -> Cond:
        """Texts to conditioning, one row each. Words beyond the encoder's length do not enter: see `lost`."""
        ...

    def lost(self, text: str) -> str:
        """The end of `text` that none of the encoders reads; empty if one reads it all."""
        ...

    def last(self, text: str) -> int:
        """The place of the last word's last token among the tokens that `encode` gives; the start token's, 0,
        for a text without words."""
        ...

    def predict(self, x: Float[Tensor, "b c h w"], t: Tensor, cond: Cond) -> Float[Tensor, "b c h w"]: ...

    def decode(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 3 H W"]:
        """Latents to images in [0, 1]."""
        ...

    def encode_image(self, images: Float[Tensor, "b 3 H W"]) -> Float[Tensor, "b c h w"]:
        """Images in [0, 1] to latents (the mean of the encoder's distribution)."""
        ...


class Solver(Protocol):
    """A sampler of the reverse process, for one run: it may have memory, so build a fresh one each time."""

    timesteps: Tensor
    init_scale: float
    """The start is `init_scale` times standard normal noise."""
    memory: bool
    """Whether a step uses predictions of earlier steps: then the batch must stay what it is during a run."""

    def scale_input(self, x: Float[Tensor, "b c h w"], i: int) -> Float[Tensor, "b c h w"]:
        """The solver's latent as the network wants it: alpha * x0 + sigma * eps."""
        ...

    def alpha_sigma(self, i: int) -> tuple[float, float]: ...

    def add_noise(self, clean: Tensor, noise: Tensor, i: int) -> Tensor:
        """The clean latent at the noise level of iteration `i`; clean itself after the last."""
        ...

    def step(
        self,
        guided: Float[Tensor, "b c h w"],
        i: int,
        x: Float[Tensor, "b c h w"],
        rngs: Sequence[Generator] | None,
    ) -> tuple[Tensor, Tensor | None, float | None]:
        """(next latent, mean, std); mean and std are None where the solver does not know them."""
        ...


Fuse = Literal["any", "weighted", "k-of-n"]


@dataclass(frozen=True)
class Preset:
    """How a judge's values become one verdict.

    any: one label reaches the threshold. weighted: the sum of value x weight does. k-of-n: `k` labels do.
    """

    labels: tuple[str, ...]
    threshold: float
    fuse: Fuse = "any"
    k: int = 1
    weights: tuple[float, ...] = ()


@dataclass(frozen=True)
class Program:
    """What a published program makes of one picture's score where that is no verdict of a preset.

    share: it gives zeros and ones.
    """

    of: Callable[[Score], float]
    share: bool


Reads = Literal["image", "text"]
"""What a judge is given: pictures, uint8 [h, w, 3] each, or texts."""


class Judge(Protocol):
    """Images or texts to scores. A judge that fails on an item says so in that item's `Score`.

    A judge that reads pictures of every model says `any_model = True`; any other is used only with models
    that list it, because what a judge says of pictures it was not made for means nothing.
    """

    name: str
    version: str
    labels: tuple[str, ...]
    range: tuple[float, float]
    reads: Reads
    content_hash: str
    presets: Mapping[str, Preset]

    def __call__(self, items: Sequence[Any]) -> list[Score]: ...


class Studio(Protocol):
    """What an image hook repairs one picture with. Pictures are uint8 [h, w, 3], of its size.

    `k` counts tries: 0 is on the picture's own noise. Whatever is drawn is drawn under the policy's methods,
    from prompts that passed its prompt stage, the hard stop included; None where there is no such picture.
    """

    @property
    def seed(self) -> int:
        """Of the picture's noise."""
        ...

    def judge(self, spec: str) -> tuple[Judge, Preset]:
        """One of the judges that the method `asks` for."""
        ...

    def draw(self, prompt: Prompt, k: int = 0) -> UInt8[ndarray, "h w 3"] | None:
        """Another picture, of another prompt or on other noise."""
        ...

    def inpaint(
        self, image: UInt8[ndarray, "h w 3"], where: Bool[ndarray, "h w"], prompt: Prompt, k: int = 0
    ) -> UInt8[ndarray, "h w 3"] | None:
        """The picture with `where` drawn anew; elsewhere as the model's autoencoder gives it back."""
        ...
