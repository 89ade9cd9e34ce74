"""Part of a picture drawn anew by the model that drew it: any text-to-image network, no inpainting weights.

Idea
    The usual loop from noise, where every latent outside of the region is set, after each step, to that of
    the picture at the noise level of this step. What is drawn inside fits what stands around it, and the
    methods of a policy steer it as they steer every other picture.

Equations
    z_i <- m z_i + (1 - m) (alpha_i z + sigma_i eps), m: 1 in the region, z: the picture's latent,
    eps: the noise that the run began with.

Differs
    From RePaint (arXiv:2201.09865), which goes back and forth between noise levels so that both parts agree
    better, at ten times the cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, UInt8

from safelight.core.errors import BadInput
from safelight.core.method import Method
from safelight.core.nouns import Prompt
from safelight.diffusion.denoise import Mask, denoise
from safelight.diffusion.generator import Generator
from safelight.diffusion.rows import condition, guides, rows
from safelight.diffusion.sampling import Sampling
from safelight.diffusion.solvers import draw


@torch.no_grad()
def inpaint(
    generator: Generator,
    image: UInt8[np.ndarray, "h w 3"],
    where: Bool[np.ndarray, "h w"],
    prompt: Prompt,
    seed: int,
    methods: Sequence[Method],
    sampling: Sampling,
) -> UInt8[np.ndarray, "h w 3"] | None:
    """The picture with `where` drawn anew; elsewhere as the autoencoder gives it back. None if not finite.

    Raises:
        BadInput: picture, region and sampling are not of one size.
        Refused: a method cannot work with this model or these settings.
    """
    model, size = generator.backbone, (sampling.height, sampling.width)
    if image.shape[:2] != size or where.shape != size:
        raise BadInput(f"picture {image.shape[:2]} and region {where.shape} must have the size {size}")
    generator.check(methods, sampling)
    shape, steps = model.latent_shape(*size), generator.solver(sampling)
    pixels = torch.tensor(image).permute(2, 0, 1)[None].to(model.device).float() / 255
    region = torch.tensor(where)[None, None].to(model.device).float()
    drawn = F.adaptive_max_pool2d(region, shape[1:])  # a latent with a pixel of the region is drawn
    rngs = [torch.Generator().manual_seed(seed)]
    noise = draw(rngs, shape, model.device)
    with ExitStack() as edits:
        for method in methods:
            edits.enter_context(method.edit(model))
        mask = Mask(1 - drawn, model.encode_image(pixels), noise)
        x = drawn * noise * steps.init_scale + mask.keep * steps.add_noise(mask.clean, noise, 0)
        texts = rows(prompt, methods)
        if sampling.guidance == 1 and not guides(methods):
            del texts["uncond"]
        conds = {row: condition(model, row, [text], [prompt], methods) for row, text in texts.items()}
        for step in denoise(
            model, steps, conds, x, scale=sampling.guidance, methods=methods, rngs=rngs, mask=mask
        ):
            x = step.next
        out = model.decode(x)
    if not out.isfinite().all():
        return None
    return (out[0].permute(1, 2, 0) * 255).round().to("cpu", torch.uint8).numpy()
