"""Which tensors of a network an erasure trains, by diffusers' names.

The same word means different sets in different programs, so a group is looked up by program:

- "classic": github.com/rohitgandikota/erasing at a2189e9, in CompVis' names: `time_embed` is diffusers'
  `time_embedding`, `out` is `conv_norm_out` and `conv_out`;
- "sdd": github.com/nannullna/safe-diffusion at a2e820c; it trains `conv_norm_out` where classic does not;
- "2025": github.com/rohitgandikota/erasing at 25613d2: linear and convolution layers only, no norms;
- "ca": github.com/nupurkmr9/concept-ablation at c11fb1b, `diffusers/`.

A transformer with joint attention (Stable Diffusion 3, Flux) has groups of its own, "joint", whatever the
program. There the text has keys, values and queries of its own, `add_k_proj`, `add_v_proj` and `add_q_proj`,
and the picture's tokens read it in the same softmax as themselves. "esd-x" is all of the attention, as in
github.com/rohitgandikota/erasing at 46599b3 for Flux; "esd-x-strict" is how text is read, `add_k_proj` and
`add_v_proj`, as for its Flux.2: for Flux.1 it names `to_k` and `to_v`, which in the two-stream blocks are the
picture's. Flux's one-stream blocks have no projections of the text's own; "esd-x" trains them, strict not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import nn

from safelight.core.errors import Refused, UnknownName
from safelight.core.ports import Backbone

Rule = Callable[[str], bool]
KEYS_AND_VALUES = ("attn2.to_k", "attn2.to_v")
"""Where text enters a UNet."""


def _has(*parts: str) -> Rule:
    return lambda name: any(part in name for part in parts)


def _lacks(*parts: str) -> Rule:
    return lambda name: not any(part in name for part in parts)


def _both(one: Rule, other: Rule) -> Rule:
    return lambda name: one(name) and other(name)


GROUPS: Mapping[str, Mapping[str, Rule]] = {
    "classic": {
        "xattn": _has("attn2"),
        "selfattn": _has("attn1"),
        "noxattn": _lacks("attn2", "time_embedding", "conv_norm_out", "conv_out"),
        "notime": _lacks("time_embedding", "conv_norm_out", "conv_out"),
        "full": _has(""),
        # Stable Diffusion 1's output blocks 6 and 8, and input blocks 4 and 7
        "xlayer": _both(_has("attn2"), _has("up_blocks.2.attentions.0.", "up_blocks.2.attentions.2.")),
        "selflayer": _both(_has("attn1"), _has("down_blocks.1.attentions.0.", "down_blocks.2.attentions.0.")),
    },
    "sdd": {
        "xattn": _has("attn2"),
        "selfattn": _has("attn1"),
        "noxattn": _lacks("attn2", "time_embedding", "conv_out"),
        "notime": _lacks("time_embedding", "conv_out"),
        "full": _has(""),
    },
    "2025": {
        "esd-x": _has("attn2"),
        "esd-u": _lacks("attn2"),
        "esd-x-strict": _has(*KEYS_AND_VALUES),
        "esd-all": _has(""),
        "selfattn": _has("attn1"),
        "notime": _lacks("time_embedding", "conv_out"),
    },
    "joint": {
        "esd-x": _has(".attn."),
        "esd-u": _lacks(".attn."),
        "esd-x-strict": _has("attn.add_k_proj", "attn.add_v_proj"),
        "esd-all": _has(""),
    },
    "ca": {
        "cross-attn": _has(*KEYS_AND_VALUES),
        "attn": _both(_has("attn1", "attn2"), _has("to_q", "to_k", "to_v", "to_out")),
        "full-weight": _has(""),
    },
}
SDXL_2025: Mapping[str, Rule] = {"esd-u": _both(_lacks("attn2", "emb"), _has("block"))}
ALIASES = {"xattn": "esd-x", "noxattn": "esd-u", "full": "esd-all"}
"""The same idea under the names of the older programs and of the new one."""


def demand_unet(model: Backbone) -> None:
    """Raises Refused unless the model's network has text cross-attention as UNets have it."""
    if not any("attn2" in name for name, _ in model.net.named_parameters()):
        why = f"'{model.family}' has no cross-attention layers (attn2), which this method trains"
        raise Refused([f"{why}: use a UNet (Stable Diffusion 1, 2 or XL)"])


def trained(net: nn.Module, family: str, program: str, group: str) -> dict[str, nn.Parameter]:
    """The parameters of a program's group in the network's order; those of "joint" in a transformer.

    Raises:
        UnknownName: the program has no such group.
        Refused: the group selects nothing in this network.
    """
    everything = dict(net.named_parameters())
    if any("attn.add_k_proj" in key for key in everything):
        program = "joint"
    rules = {**GROUPS[program], **(SDXL_2025 if (program, family) == ("2025", "sdxl") else {})}
    known = ALIASES | {new: old for old, new in ALIASES.items()}
    name = group if group in rules else known.get(group, group)
    if name not in rules:
        raise UnknownName(f"parameter group of '{program}'", group, rules)
    allowed = _layers(net) if program in ("2025", "joint") else everything.keys()
    chosen = {key: value for key, value in everything.items() if key in allowed and rules[name](key)}
    if not chosen:
        raise Refused([f"the group '{group}' of '{program}' selects no tensor of this network"])
    return chosen


def _layers(net: nn.Module) -> set[str]:
    """The names of the parameters of linear and 2-D convolution layers."""
    kinds = (nn.Linear, nn.Conv2d)
    layers = [(name, layer) for name, layer in net.named_modules() if isinstance(layer, kinds)]
    return {f"{name}.{key}" for name, layer in layers for key, _ in layer.named_parameters(recurse=False)}
