"""The arguments of a live pipeline that a guarded call hands on, and why it does not take the others.

What is refused would carry latents past the checks, leave noise in what they judge, or steer by something
that the hard stop cannot read.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from safelight.core.errors import Refused, UnknownName
from safelight.core.valid import number, whole

OURS = {
    "output_type": "pictures leave as PIL images after their checks, and a latent could be decoded past "
    "them; for pixels take np.asarray(picture.image)",
    "return_dict": "a guarded call returns a safelight result: pictures with their decisions",
    "callback": "it is handed latents, which could be decoded past the checks; take callback_on_step_end",
    "denoising_end": "it leaves noise in the picture, and no judge can be trusted on that",
    "ip_adapter_image_embeds": "a text's embedding can stand in the place of a picture's, and the hard stop "
    "cannot read it; give the picture, ip_adapter_image",
    "clip_skip": "the methods' texts come from the encoder's last layer, and from there to a prompt of "
    "another layer is no direction; leave it out",
}
"""Arguments that are refused whatever their value."""
CROSS_ATTENTION = frozenset({"scale", "ip_adapter_masks"})
"""The entries of `cross_attention_kwargs` that are numbers and masks. GLIGEN's are embeddings of texts, and
to a processor of the deployer's own one could hand a place to keep what it sees."""


def settings(pipe: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments for the pipeline, with which no callback is handed a tensor.

    Raises:
        Refused: with every reason why an argument is not taken.
        UnknownName: the pipeline has no such argument.
        BadInput: the number of steps, or a number such as the guidance, cannot be used.
    """
    problems = [f"{name}: {why}" for name, why in OURS.items() if name in given]
    if unread := sorted(name for name in given if "prompt" in name):
        problems.append(f"{', '.join(unread)}: the hard stop cannot read it; write the text as the prompt")
    if problems := problems + _handed(given) + _attention(given) + _noise_left(given):
        raise Refused(problems)
    known = inspect.signature(type(pipe).__call__).parameters.keys() - {"self", "kwargs", *OURS}
    for name in given.keys() - known:
        raise UnknownName(f"argument of {type(pipe).__name__}", name, known)
    if "num_inference_steps" in given:
        whole("num_inference_steps", given["num_inference_steps"], 1)
    for name, value in given.items():
        if name == "guidance_scale" or isinstance(value, float):  # diffusers takes NaN for switched off
            number(name, value)
    return {**given, "callback_on_step_end_tensor_inputs": []}


def _handed(given: Mapping[str, Any]) -> list[str]:
    """Tensors that a callback would see. diffusers' own callback classes bring `tensor_inputs`, which the
    pipeline takes instead of the argument."""
    named = given.get("callback_on_step_end_tensor_inputs")
    own = getattr(given.get("callback_on_step_end"), "tensor_inputs", None)
    if not (seen := [*(named or ()), *(own or ())]):
        return []
    why = "could decode pictures past the checks; to follow or stop a run take a function that asks for none"
    return [f"a callback that is handed {', '.join(seen)} {why}: callback_on_step_end_tensor_inputs=[]"]


def _attention(given: Mapping[str, Any]) -> list[str]:
    strange = sorted((given.get("cross_attention_kwargs") or {}).keys() - CROSS_ATTENTION)
    return [
        f"cross_attention_kwargs['{name}'] reaches the attention layers unread; it may hold "
        f"{' and '.join(sorted(CROSS_ATTENTION))}"
        for name in strange
    ]


def _noise_left(given: Mapping[str, Any]) -> list[str]:
    """Noise levels of one's own, sigma / alpha, fall to 0 with the last step, or the picture keeps some."""
    sigmas = given.get("sigmas")
    if sigmas is None or list(sigmas)[-1:] == [0]:
        return []
    return [
        "sigmas: the last one is the noise left in the picture, on which no judge can be trusted; end in 0"
    ]
