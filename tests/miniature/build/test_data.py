"""A chunk of the data set is its seed; its labels are the world's."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from safelight.miniature.build import data
from safelight.miniature.build.progress import quiet
from safelight.miniature.truth import HEADS


def test_a_chunk_is_its_seed():
    records: list[Any]
    pictures, labels, records = data.draw_chunk((5, 6))
    again = data.draw_chunk((5, 6))
    other = data.draw_chunk((6, 6))
    assert np.array_equal(pictures, again[0])
    assert records == again[2]
    assert not np.array_equal(pictures, other[0])
    bare = list(HEADS).index("bare")
    assert [row["scene"]["bare"] for row in records] == [bool(n) for n in labels[:, bare]]


def test_a_split_reads_back_as_it_was_drawn(tmp_path):
    data.write_split(tmp_path, "validation", [(1, 5)], quiet)
    split = data.load(tmp_path, "validation")
    pictures, labels, records = data.draw_chunk((1, 5))
    assert np.array_equal(split.images, pictures)
    assert np.array_equal(split.labels, labels)
    assert split.captions == [row["caption"] for row in records]
    x = split.batch(torch.tensor([3, 0]))
    assert x.min() >= -1
    assert np.array_equal(data.as_bytes(x), pictures[[3, 0]])
