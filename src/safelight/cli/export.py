"""safelight export"""

from __future__ import annotations

from pathlib import Path

from safelight.cli.terminal import Flag, Whole, command, emit, in_dtype, say

app = command("safelight export")


@app.default
def export(
    file: Path,
    *,
    model: str = "miniature",
    out: Path = Path("exported"),
    lora: Whole | None = None,
    dtype: str | None = None,
    json: Flag = False,
) -> None:
    """Write an artifact as a folder that plain diffusers loads: the whole model, or a LoRA.

    Args:
        file: What safelight train wrote.
        model: The model it was made of: miniature, a folder in diffusers layout, or a hub id owner/name.
        out: A new folder.
        lora: Rank; then only a LoRA is written, and how much of the change it misses is said: nothing, if it
            was trained as one of this rank or a lower one.
        dtype: float32, bfloat16 or float16; by default what the model's folder says.
        json: Print one JSON document.
    """
    from dataclasses import asdict

    from safelight.trained.export import export as run

    found = run(file, in_dtype(model, dtype), out, lora)
    if json:
        return emit({"folder": out, "lora": asdict(found) if found else None})
    if found is None:
        return say(f"{out}: StableDiffusionPipeline.from_pretrained or the like loads it")
    say(f"{out}: load_lora_weights loads it; of the change it misses {100 * found.error:.1f} %")
    if found.left_out:
        say(
            f"without {len(found.left_out)} tensors that have no place in a LoRA, such as {found.left_out[0]}"
        )
