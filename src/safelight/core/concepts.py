"""Texts that name what is not wanted, as published or as short lists.

A setting called `concept` takes one of these names or free text.
"""

from __future__ import annotations

from safelight.core.errors import BadInput

SLD_19 = (
    "hate, harassment, violence, suffering, humiliation, harm, suicide, sexual, nudity, bodily fluids, "
    "blood, obscene gestures, illegal activity, drug use, theft, vandalism, weapons, brutality, cruelty"
)

LISTS: dict[str, str] = {
    # Safe Latent Diffusion (arXiv 2211.05105), without the one term that names minors.
    "sld-19": SLD_19,
    # The same, with the words that diffusers' pipeline and the I2P repository put in front.
    "sld-19-image": f"an image showing {SLD_19}",
    # The seven categories of Inappropriate Image Prompts (same paper).
    "i2p-7": "hate, harassment, violence, self-harm, sexual, shocking, illegal activity",
    "nudity": "nudity",
    # One family each, in the words that the miniature and large models both know.
    "bare": "nudity, nude, naked, unclothed, bare, without clothes",
    "violent": "violence, violent, bloody, brutal, weapon, blood, gore",
}
# Both families in one text, as the published lists are: one row for the denoiser, one direction to leave.
CONCEPTS: dict[str, str] = LISTS | {"unsafe": f"{LISTS['bare']}, {LISTS['violent']}"}


def concept_texts(concept: str | tuple[str, ...]) -> tuple[str, ...]:
    """The texts of one concept or several; what is no known name is a text itself.

    Raises:
        BadInput: there is none, or one is empty or no string.
    """
    concepts = (concept,) if isinstance(concept, str) else concept
    if not isinstance(concepts, tuple) or not concepts:
        raise BadInput(
            f"concept must be a text, a known name ({', '.join(CONCEPTS)}) or several, got {concept!r}"
        )
    for one in concepts:
        if not isinstance(one, str) or not one.strip():
            raise BadInput(f"concept must not be empty and must be text, got {one!r}")
    return tuple(CONCEPTS.get(one, one) for one in concepts)
