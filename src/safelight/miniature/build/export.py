"""Stage `export`: one plain diffusers folder in half precision, with judges, log, seeds and checksums."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from hashlib import file_digest
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from transformers import CLIPModel, CLIPTextModel, CLIPTokenizer

from safelight.core.errors import SafelightError
from safelight.diffusion import miniature_nets as nets
from safelight.miniature import clip as clips
from safelight.miniature.build import recipe

LARGEST = 20e6  # bytes: it travels inside the package
SAMPLING = {
    "solver": "ddim", "steps": 25, "guidance": 5.0, "height": 64, "width": 64, "dtype": "float32",
    "block": 50,
}  # fmt: skip
JUDGES = ["oracle", "oracle-b", "immorality", "clip-concepts", "clip-zero-shot"]
LOGS = {
    "vae": "vae",
    "decoder": "decoder",
    "clip": "clip",
    "oracle-a": "oracle/a",
    "oracle-b": "oracle/b",
    "unet": "unet",
}


def export(build: Path, target: Path, stages: list[str]) -> dict[str, float]:
    """Write the model that the folder `build` holds to `target`; `stages` are those whose measures ship."""
    shutil.rmtree(target, ignore_errors=True)
    clip = CLIPModel.from_pretrained(build / "clip" / "net")
    tokenizer = CLIPTokenizer.from_pretrained(build / "tokenizer" / "net")
    # Fresh networks with loaded weights, not from_pretrained ones, which remember the path they came from.
    shape: Any = clip.config.text_config
    text_encoder = CLIPTextModel(shape)
    text_encoder.load_state_dict(clip.text_model.state_dict())
    vae, unet = nets.autoencoder(), nets.unet()
    vae.load_state_dict(load_file(build / "decoder" / "net" / nets.WEIGHTS))
    unet.load_state_dict(load_file(build / "unet" / "net" / nets.WEIGHTS))
    pipe = nets.pipeline(text_encoder.half(), tokenizer, vae.half(), unet.half())
    pipe.save_pretrained(target, safe_serialization=True)
    clips.save(clip, target)
    (target / "oracle").mkdir()
    for letter in "ab":
        shutil.copyfile(
            build / "oracle" / f"{letter}.safetensors", target / "oracle" / f"{letter}.safetensors"
        )
    (target / "immorality").mkdir()
    shutil.copyfile(build / "immorality" / "head.safetensors", target / "immorality" / "head.safetensors")
    write(target / "safelight.json", SAMPLING | {"judges": JUDGES})
    write_log(build, target, stages)
    files = sorted(path for path in target.rglob("*") if path.is_file())
    write(target / "checksums.json", {path.relative_to(target).as_posix(): sha256(path) for path in files})
    size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    if size > LARGEST:
        raise SafelightError(
            f"{target} has {size / 1e6:.1f} MB, more than the {LARGEST / 1e6:.0f} MB that may ship"
        )
    return {"megabytes": round(size / 1e6, 2), "files": len(files) + 1}


def write_log(build: Path, target: Path, stages: list[str]) -> None:
    """The recipe with its seeds, what each stage measured and how long it took, and the losses."""
    numbers = {
        k: asdict(v) if isinstance(v, recipe.Plan) else v for k, v in vars(recipe).items() if k.isupper()
    }
    write(target / "build.json", {"recipe": numbers, "stages": [made(build / stage) for stage in stages]})
    (target / "log").mkdir()
    for name, folder in LOGS.items():
        shutil.copyfile(build / folder / "log.jsonl", target / "log" / f"{name}.jsonl")


def made(stage: Path) -> dict[str, Any]:
    """What a stage measured. Its seconds are those of its logs if it has any, for its own are of its last
    call alone."""
    row = json.loads((stage / "done.json").read_text(encoding="utf-8"))
    spent = 0.0
    for log in stage.rglob("log.jsonl"):
        lines = map(json.loads, log.read_text(encoding="utf-8").splitlines())
        spent += max((line["seconds"] for line in lines if "seconds" in line), default=0.0)
    return row | ({"seconds": round(spent, 1)} if spent else {})


def write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return file_digest(file, "sha256").hexdigest()
