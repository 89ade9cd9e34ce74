"""Which noise level a partly denoised latent is told to have: the published programs differ here.

T training steps, N solver steps, stride s = T / N. After n steps of DDIM the latent's true level is the
solver's time step n. For samplers that begin a stride before the last step, as Stable Diffusion's do
("leading"), that is T - s (n + 1) + 1, 981 - 20 n for N = 50; for those that begin at it ("trailing"), as the
miniature's, T - 1 - s n. The published programs assume the first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from safelight.core.errors import BadInput


@dataclass(frozen=True)
class Pair:
    """A latent `steps` solver steps after noise at iteration `start`, and time steps to pair it with."""

    start: int
    steps: int
    times: Sequence[float]


def fixed(N: int, T: int, timesteps: Sequence[float]) -> list[Pair]:
    """n ~ U{0..N-1}, t ~ U{T - s(n+1) .. T - 1 - s n}: contains the latent's true level."""
    s = T // N
    return [Pair(0, n, range(T - s * (n + 1), T - s * n)) for n in range(N)]


def as_released(N: int, T: int, timesteps: Sequence[float]) -> list[Pair]:
    """As `fixed`, but n = 0 never stops the program's loop: the clean latent gets the noisiest time steps."""
    clean, *others = fixed(N, T, timesteps)
    return [Pair(0, N, clean.times), *others]


def classic(N: int, T: int, timesteps: Sequence[float]) -> list[Pair]:
    """k ~ U{0..N-1}, t ~ U{s k .. s k + s - 1}. The sampler drops its noisiest time step and stops after the
    one with index k - 1, two strides cleaner than k; for k = 0, 1 it runs to the end."""
    s = T // N
    return [Pair(1, min(N - k, N - 1), range(s * k, s * k + s)) for k in range(N)]


def exact(N: int, T: int, timesteps: Sequence[float]) -> list[Pair]:
    """n ~ U{0..N-1} and the solver's own time step n: the latent's true level for every solver, flows too."""
    return [Pair(0, n, timesteps[n : n + 1]) for n in range(N)]


def alt(N: int, T: int, timesteps: Sequence[float]) -> list[Pair]:
    """n ~ U{1..N-2}, t = T - s n: 19 above the latent's level for N = 50, 1 above it with a trailing one."""
    s = T // N
    return [Pair(0, n, [T - s * n]) for n in range(1, N - 1)]


Pairing = Callable[[int, int, Sequence[float]], list[Pair]]
PAIRINGS: Mapping[str, Pairing] = {
    "fixed": fixed,
    "as-released": as_released,
    "classic": classic,
    "exact": exact,
    "alt": alt,
    "trajectory": exact,
}
"""Under "trajectory" no pair is drawn: each is trained on, see `buffer`."""


def pairs(pairing: str, N: int, T: int, timesteps: Sequence[float]) -> list[Pair]:
    """All pairs of a pairing; one is drawn uniformly, then one of its time steps.

    Raises:
        BadInput: N does not divide T, or is too small for there to be a partly denoised latent.
    """
    if N < 3:
        raise BadInput(f"solver_steps must be at least 3, got {N}")
    if PAIRINGS[pairing] is not exact and T % N:
        raise BadInput(
            f"solver_steps must divide the {T} steps of the noise schedule, got {N}; 50 is published"
        )
    return PAIRINGS[pairing](N, T, timesteps)
