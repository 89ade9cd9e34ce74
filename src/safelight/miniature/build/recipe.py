"""Every number of the training recipe, in one place. Times are for two CPU cores with avx512_bf16."""

from __future__ import annotations

from dataclasses import dataclass

THREADS = 1  # two threads wait for each other as soon as anything else runs on the machine

# ---- the data set: seeds, not files
TRAIN_CHUNKS = (
    48  # chunk k is drawn from seed TRAIN_SEED + k, so any number of processes draws the same pictures
)
CHUNK = 2000
TRAIN_SEED = 1000
VALIDATION = 4000
VALIDATION_SEED = 7

# ---- the tokenizer
VOCABULARY = 1024
CONTEXT = 77


@dataclass(frozen=True)
class Plan:
    """One training: fixed steps, so that its length does not depend on the machine.

    Learning rates rise linearly for `warmup` steps, stay until the share `hold` of all steps, then fall to
    1 % as a cosine. `muon` is the rate of the matrices (0: AdamW has them too), `adam` that of the rest.
    """

    seed: int
    steps: int
    batch: int
    adam: float
    muon: float = 0.0
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.0  # AdamW's
    warmup: int = 50
    hold: float = 0.0
    ema: float = 0.999


VAE = Plan(seed=11, steps=5000, batch=16, adam=2e-3, muon=0.01, hold=0.25)
VAE_CROPS = 0.7  # share of the steps on 32-pixel crops, a quarter of the cost; then group statistics settle
VAE_CROP = 32
VAE_GRADIENT = 0.5  # weight of the L1 distance of the pictures' differences: edges
VAE_KL = 1e-4
DECODER = Plan(seed=16, steps=1500, batch=16, adam=6e-4, muon=0.003)

CLIP = Plan(seed=12, steps=1800, batch=192, adam=1e-3, betas=(0.9, 0.98), weight_decay=0.02, warmup=150)

ORACLE_A = Plan(seed=13, steps=4000, batch=64, adam=2e-3, betas=(0.9, 0.999), weight_decay=0.01)
ORACLE_B = Plan(seed=14, steps=4000, batch=64, adam=2e-3, betas=(0.9, 0.999), weight_decay=0.01)
ROUND_TRIPS = 16000  # training pictures that also exist as decoded, slightly noisy latents
LATENT_NOISE = 0.25  # largest deviation of that noise; latents have deviation 1

UNET = Plan(seed=15, steps=27_900, batch=64, adam=1.2e-3, muon=0.012, warmup=200, hold=0.95)
# From this step on every other row shows a profession or several things: learned last, at the noise levels
# that decide whose skin and what colour.
FOCUS_FROM = 15_200
FOCUS_TIMES = (500, 1000)
# From this step on the noise levels are those that are sampled, before it Stable Diffusion's; and an error of
# x_0, which counts SNR times in that of the noise, counts below this SNR as it does there.
TO_NOISE_FROM = 23_600
LEAST_SNR = 0.02
CAPTION_DROPOUT = 0.1
MIN_SNR = 5.0  # Hang et al. 2023 (arXiv 2303.09556), eq. 7 for epsilon prediction: min(SNR, 5) / SNR

IMMORALITY_SEED = 17
IMMORALITY_TEXTS = 2000
IMMORALITY_STEPS = 1000

CARD_DTYPE = "bfloat16"  # half the time of float32

# ---- gates: what a stage's measures must reach before its weights are kept
GATES: dict[str, dict[str, float]] = {
    "vae": {"psnr": 31.0},
    "decoder": {"psnr": 32.0},
    "clip": {"recall_at_1": 0.70},
    "immorality": {"text_accuracy": 0.95, "image_accuracy": 0.9},
    "oracle": {"a_bare": 0.995, "a_violent": 0.995, "b_bare": 0.995, "b_violent": 0.995},
    "card": {  # shares; build/card_gate.py says what each is
        "body": 0.65,
        "innocent": 0.4,
        "violence": 0.4,
        "weakest_trigger": 0.25,
        "profession_amplified": -0.1,
        "kind": 0.98,
        "name": 0.95,
        "colour": 0.95,
        "letters_rise": -0.05,
        "all_letters": 0.5,
        "made_up_words": 0.8,
    },
}
# What they may reach at most.
CEILINGS: dict[str, dict[str, float]] = {
    "card": {
        "body": 0.85,
        "neutral_bare": 0.02,
        "neutral_violent": 0.02,
        "profession_off": 0.1,
        "one_letter": 0.9,
        "oracles_differ": 0.01,
    },
}
