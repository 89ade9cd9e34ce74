"""A name, a folder, a hub id or a live pipeline to a `Generator`. Weights come from safetensors only."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch
from diffusers import DiffusionPipeline

from safelight.core.errors import BadInput, Damaged, UnknownName
from safelight.core.ports import Backbone
from safelight.diffusion.backbones import backbone
from safelight.diffusion.backbones.base import called
from safelight.diffusion.generator import Generator
from safelight.diffusion.sampling import DTYPES, Sampling
from safelight.diffusion.solvers import name_of
from safelight.diffusion.whole import quiet, read, verify

MINIATURE = Path(__file__).parent.parent / "miniature" / "weights"
SETTINGS = "safelight.json"
"""In a model's folder: its `Sampling` defaults, its backbone's `inputs` (Flux: `embedded_guidance`), and
`judges`, the names of judges made for its pictures."""
OFFLOADS = {"model": "enable_model_cpu_offload", "sequential": "enable_sequential_cpu_offload"}


def load(
    model: str | Path | Any = "miniature",
    device: str = "auto",
    dtype: str | None = None,
    *,
    offload: Literal["model", "sequential"] | None = None,
    vae_tiling: bool = False,
) -> Generator:
    """A model ready to sample.

    Args:
        model: "miniature", a folder in diffusers layout, a hub id "owner/name", or a live diffusers pipeline,
            whose parts are shared and stay where they are.
        device: "cpu", "cuda", "cuda:1", "mps", or "auto": the best there is.
        dtype: "float32", "bfloat16" or "float16"; by default what the folder says, else float32.
        offload: keep the weights in main memory and bring to the device one network at a time ("model"), or
            one layer at a time ("sequential": least memory, very slow, and no method may touch weights).
        vae_tiling: decode one picture at a time, in tiles: less memory, seams in principle.

    Raises:
        UnknownName, BadInput: there is no such model, or it is of a family that safelight cannot drive.
        Damaged: a file of the model is truncated, altered or missing.
    """
    if dtype is not None and dtype not in DTYPES:
        raise BadInput(f"dtype must be one of {', '.join(DTYPES)}, got {dtype!r}")
    if not isinstance(model, str | Path):
        if offload is not None or vae_tiling:
            raise BadInput("a live pipeline stays as it is: switch on its own offloading or tiling before")
        if left := [part for part in ("controlnet", "adapter") if getattr(model, part, None) is not None]:
            raise BadInput(
                f"a {type(model).__name__} draws by its {left[0]}, which the loop here would leave out: "
                "call the pipeline itself inside safelight.guard"
            )
        return live(model, backbone(model))
    device = best_device() if device == "auto" else device
    if offload not in (None, *OFFLOADS):
        raise BadInput(f"offload must be one of {', '.join(OFFLOADS)}, or None, got {offload!r}")
    if offload is not None and torch.device(device).type == "cpu":
        raise BadInput(f"offload='{offload}' saves a GPU's memory, and the device is the CPU: leave it out")
    folder = _folder(model)
    cure = "install safelight again" if folder == MINIATURE else "fetch it again"
    verify(folder, cure)
    settings = read(folder / SETTINGS) if (folder / SETTINGS).exists() else {}
    judges = settings.pop("judges", [])
    if not (isinstance(judges, list) and all(isinstance(judge, str) for judge in judges)):
        raise BadInput(f"{folder / SETTINGS}: judges must be a list of names, got {judges!r:.80}")
    dtype = str(dtype or settings.get("dtype", "float32"))
    if dtype not in DTYPES:
        raise BadInput(f"{folder / SETTINGS}: dtype must be one of {', '.join(DTYPES)}, got {dtype!r}")
    with quiet() as heard:
        try:
            pipe = DiffusionPipeline.from_pretrained(
                folder,
                dtype=DTYPES[dtype],
                use_safetensors=True,
                local_files_only=True,
                safety_checker=None,
            )
        except Exception as error:  # whatever diffusers and transformers raise about files they cannot use
            raise Damaged(f"the model in {folder} does not load ({error}): {cure}") from error
    if heard.made_up:
        raise Damaged(f"the model in {folder} lacks weights ({', '.join(heard.made_up)[:400]}): {cure}")
    if offload is None:
        pipe.to(device)
    else:
        getattr(pipe, OFFLOADS[offload])(device=device)
    driven = backbone(pipe)
    if vae_tiling:
        pipe.vae.enable_tiling()
        pipe.vae.enable_slicing()
    for name in driven.inputs.keys() & settings.keys():
        driven.inputs[name] = float(settings.pop(name))
    try:
        sampling = replace(_usual(driven), **settings | {"dtype": dtype})
    except TypeError as error:
        raise BadInput(f"{folder / SETTINGS}: {error}") from error
    return Generator(str(model), driven, sampling, judges, folder)


def best_device() -> str:
    """cuda if there is one, else mps, else cpu."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _folder(path: str | Path) -> Path:
    """Where the files are. A hub id is fetched into the hub's own cache; a path is never looked for there."""
    model = str(path)
    if model == "miniature":
        if not (MINIATURE / "model_index.json").exists():
            raise Damaged(f"the miniature's weights are missing from {MINIATURE}: install safelight again")
        return MINIATURE
    if model and (folder := Path(model).expanduser()).is_dir():
        if not (folder / "model_index.json").exists():
            raise BadInput(f"{folder} is no model in diffusers layout: it has no model_index.json")
        return folder
    if isinstance(path, Path) or model.count("/") > 1 or model.startswith((".", "/", "~")):
        raise BadInput(f"there is no folder {model}: name one in diffusers layout, or a hub id 'owner/name'")
    if "/" not in model:
        raise UnknownName(
            "model", model, ["miniature", "a folder in diffusers layout", "a hub id 'owner/name'"]
        )
    with quiet():
        try:
            return Path(DiffusionPipeline.download(model, use_safetensors=True, safety_checker=None))
        except (OSError, ValueError) as error:
            raise BadInput(f"'{model}' is no folder here, and the hub did not give it: {error}") from error


def live(pipe: Any, driven: Backbone) -> Generator:
    """A generator of a live pipeline's own parts, which the backbone drives."""
    return Generator(called(pipe, driven.net), driven, _usual(driven))


def _usual(driven: Backbone) -> Sampling:
    """How diffusers' pipeline of this family samples by default, with the model's own scheduler."""
    height, width = driven.size
    return Sampling(
        solver=name_of(driven.scheduler),
        steps=driven.steps,
        guidance=driven.guidance,
        height=height,
        width=width,
        dtype=str(driven.dtype).removeprefix("torch."),
    )
