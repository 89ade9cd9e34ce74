from __future__ import annotations

import torch

from safelight.diffusion import tiny
from safelight.diffusion.backbones import backbone


def test_conditioning_by_encoder():
    model = backbone(tiny.sdxl())
    assert (model.family, model.kind, model.size) == ("sdxl", "epsilon", (16, 16))
    cond = model.encode(["a cat", "a dog"])
    assert {name: states.shape for name, states in cond.tokens.items()} == {
        "text_encoder": (2, 77, 32),
        "text_encoder_2": (2, 77, 32),
    }
    assert {name: states.shape for name, states in cond.pooled.items()} == {"text_encoder_2": (2, 32)}


def test_the_empty_text_is_zero_where_the_model_says_so():
    pipe = tiny.sdxl()
    cond = backbone(pipe).encode(["", "a cat"])
    for states in (*cond.tokens.values(), *cond.pooled.values()):
        assert states[0].abs().max() == 0
        assert states[1].abs().max() > 0
    pipe.register_to_config(force_zeros_for_empty_prompt=False)
    assert backbone(pipe).encode([""]).tokens["text_encoder"].abs().max() > 0


def test_the_network_is_told_the_pictures_size():
    pipe, seen = tiny.sdxl(), []
    model = backbone(pipe)
    pipe.unet.add_embedding.register_forward_pre_hook(lambda net, args: seen.append(args[0]))
    cond = model.encode(["a cat"])
    with torch.no_grad():
        for h, w in ((8, 8), (8, 16), (16, 8)):
            model.predict(torch.zeros(1, 4, h, w), torch.tensor(500), cond)
    assert not torch.allclose(seen[0], seen[1])
    assert not torch.allclose(seen[1], seen[2])


def test_the_vae_works_in_float32_and_comes_back():
    pipe = tiny.sdxl()
    pipe.vae.to(torch.float16)
    model, latents = backbone(pipe), torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    before = {name: weight.clone() for name, weight in pipe.vae.state_dict().items()}
    seen = []
    pipe.vae.decoder.register_forward_pre_hook(lambda net, args: seen.append(args[0].dtype))
    with torch.no_grad():
        assert model.decode(latents).isfinite().all()
        assert model.encode_image(torch.rand(1, 3, 16, 16)).isfinite().all()
    assert seen == [torch.float32]
    assert all(torch.equal(weight, before[name]) for name, weight in pipe.vae.state_dict().items())
