"""The decoder is BERT-generation's, and decoding with a cache says what decoding without one does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from transformers import BertGenerationConfig, BertGenerationDecoder

from safelight.core.errors import BadInput
from safelight.interpret.decoder import Decoder, Shape, greedy

SHAPE = Shape(vocabulary=40, width=24, length=20, hidden=32, layers=2, heads=4)
START, END = 38, 39


def seeded(shape, seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        decoder = Decoder(shape)
        for parameter in decoder.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
        torch.nn.init.normal_(decoder.words.weight, std=0.1)  # else a word's likeliest next is itself
        torch.nn.init.normal_(decoder.places.weight, std=1.0)
    return decoder.double().eval()


def states(k=1, b=3):
    return torch.randn(b, k, SHAPE.width, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.fixture
def theirs():
    """The released architecture with the same weights."""
    ours, shape = seeded(SHAPE), SHAPE
    config = BertGenerationConfig(
        vocab_size=shape.vocabulary, hidden_size=shape.hidden, num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads, intermediate_size=4 * shape.hidden, hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0, max_position_embeddings=shape.length, is_decoder=True,
        add_cross_attention=True, bos_token_id=START, eos_token_id=END, pad_token_id=None,
    )  # fmt: skip
    net: Any = BertGenerationDecoder(config).double().eval()
    own = dict(ours.state_dict())
    places = {
        "words.weight": "bert.embeddings.word_embeddings.weight",
        "places.weight": "bert.embeddings.position_embeddings.weight",
        "norm": "bert.embeddings.LayerNorm",
        "bias": "lm_head.bias",
    }
    for k in range(shape.layers):
        layer = f"bert.encoder.layer.{k}"
        places |= {
            f"blocks.{k}.up": f"{layer}.intermediate.dense",
            f"blocks.{k}.down": f"{layer}.output.dense",
            f"blocks.{k}.norms.0": f"{layer}.attention.output.LayerNorm",
            f"blocks.{k}.norms.1": f"{layer}.crossattention.output.LayerNorm",
            f"blocks.{k}.norms.2": f"{layer}.output.LayerNorm",
        }
        for ours_name, name in (("own", "attention"), ("states", "crossattention")):
            places |= {
                f"blocks.{k}.{ours_name}.{part}": f"{layer}.{name}.self.{part}"
                for part in ("query", "key", "value")
            }
            places[f"blocks.{k}.{ours_name}.out"] = f"{layer}.{name}.output.dense"
    held = net.state_dict()
    for mine, name in places.items():
        for end in ("", ".weight", ".bias"):
            if mine + end in own:
                held[name + end].copy_(own.pop(mine + end))
    assert own == {}
    return ours, net


@torch.no_grad()
def test_logits_are_those_of_the_released_architecture(theirs):
    ours, net = theirs
    ids = torch.tensor([[START, 3, 7, 1], [START, 5, 5, 0], [START, 9, 2, 4]])
    e = states()
    padded = torch.nn.functional.pad(e, (0, SHAPE.hidden - SHAPE.width))
    expected = net(input_ids=ids, encoder_hidden_states=padded).logits
    torch.testing.assert_close(ours(ids, ours.read(e))[0], expected, rtol=0, atol=1e-10)


@torch.no_grad()
def test_greedy_says_what_the_released_loop_says_up_to_the_end_token(theirs):
    ours, net = theirs
    e, steps = states(b=8), 12
    padded = torch.nn.functional.pad(e, (0, SHAPE.hidden - SHAPE.width))
    ids = torch.full((8, 1), START)
    for _ in range(steps):  # the whole sentence again for each word, no stop
        logits = net(input_ids=ids, encoder_hidden_states=padded).logits
        ids = torch.cat([torch.full((8, 1), START), logits.argmax(-1)], 1)
    said = ids[:, 1:].tolist()
    end = said[0][4]
    expected = [row[: row.index(end)] if end in row else row for row in said]
    assert greedy(ours, e, START, end, [steps] * 8) == expected
    assert len({tuple(row) for row in expected}) > 1
    assert any(len(row) < steps for row in expected)


def test_each_row_says_as_much_as_its_prompt():
    decoder = seeded(SHAPE)
    e = states()
    long = greedy(decoder, e, START, -1, [9, 9, 9])
    assert greedy(decoder, e, START, -1, [2, 9, 5]) == [long[0][:2], long[1], long[2][:5]]
    assert [len(row) for row in greedy(decoder, e, START, -1, [99] * 3)] == [SHAPE.length] * 3


@pytest.mark.parametrize("conditioning", ["pooled_linear", "sequence"])
def test_projected_states_may_be_wider_than_the_decoder_and_all_places_count(conditioning):
    decoder = seeded(replace(SHAPE, conditioning=conditioning, width=50, hidden=32))
    e = torch.randn(2, 5, 50, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    ids = torch.tensor([[START, 1], [START, 1]])
    before = decoder(ids, decoder.read(e))[0]
    e[0, 3] += 1
    after = decoder(ids, decoder.read(e))[0]
    assert not torch.equal(before[0], after[0])
    assert torch.equal(before[1], after[1])


def test_what_cannot_be_read_is_refused():
    decoder = seeded(SHAPE)
    with pytest.raises(BadInput, match="reads states of width 24, and these have 23"):
        decoder.read(states()[..., :23])
    with pytest.raises(BadInput, match="states are not finite"):
        greedy(decoder, states() * float("nan"), START, END, [3] * 3)
    with torch.no_grad():
        decoder.bias.fill_(float("inf"))
    with pytest.raises(BadInput, match="logits are not finite"):
        greedy(decoder, states(), START, END, [3] * 3)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"width": 40}, "take conditioning = 'pooled_linear'"),
        ({"hidden": 30}, "hidden = 30 must be a multiple of heads = 4"),
        ({"layers": 0}, "layers must be a whole number of at least 1"),
        ({"conditioning": "pooled"}, "Did you mean 'pooled_pad'"),
    ],
)
def test_sizes_that_make_no_decoder_are_named(change, said):
    with pytest.raises(BadInput, match=said):
        replace(SHAPE, **change)
