"""Windows predict each token once; the score equals a plain, unbatched computation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scorers import Perplexity
from scorers.backends import TransformersBackend
from scorers.perplexity import windows
from tests.conftest import some_text


@given(n=st.integers(0, 60), length=st.integers(2, 12), data=st.data())
def test_each_token_is_predicted_exactly_once(n: int, length: int, data: st.DataObject) -> None:
    context = data.draw(st.integers(1, length - 1))
    tokens = list(range(1, n + 1))
    cut = windows(tokens, prefix=0, length=length, context=context)
    assert [t for w in cut for t in w.ids[len(w.ids) - w.n_scored :]] == tokens
    assert all(len(w.ids) <= length for w in cut)
    assert all(len(w.ids) - w.n_scored == context for w in cut[1:])
    for w in cut:
        assert w.ids == sorted(w.ids)


def test_a_full_last_window_reaches_back() -> None:
    cut = windows(range(1, 10), prefix=0, length=5, context=1, full_last=True)
    assert [(w.ids, w.n_scored) for w in cut] == [
        ([0, 1, 2, 3, 4], 4),
        ([4, 5, 6, 7, 8], 4),
        ([5, 6, 7, 8, 9], 1),
    ]
    short = windows(range(1, 4), prefix=0, length=5, context=1, full_last=True)
    assert [(w.ids, w.n_scored) for w in short] == [([0, 1, 2, 3], 3)]


@given(n=st.integers(0, 60), length=st.integers(2, 12), data=st.data())
def test_full_last_windows_predict_each_token_once(
    n: int, length: int, data: st.DataObject
) -> None:
    context = data.draw(st.integers(1, length - 1))
    tokens = list(range(1, n + 1))
    cut = windows(tokens, prefix=0, length=length, context=context, full_last=True)
    assert [t for w in cut for t in w.ids[len(w.ids) - w.n_scored :]] == tokens
    assert all(len(w.ids) == length for w in cut[1:])
    assert all(len(w.ids) - w.n_scored >= context for w in cut[1:])


def test_context_out_of_range() -> None:
    with pytest.raises(ValueError, match=r"'context' of windows must be in \[1, length=4\)"):
        windows([1], prefix=0, length=4, context=4)


def reference(model_path: str, text: str, window: int, context: int) -> tuple[float, int]:
    """Nats and tokens, token by token: what each sees is spelled out."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(model_path, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(model_path)
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    total = 0.0
    for i, token in enumerate(ids):
        if i < window - 1:
            seen = [tokenizer.bos_token_id, *ids[:i]]
        else:
            own = (i - (window - 1)) % (window - context)
            seen = ids[i - own - context : i]
        with torch.inference_mode():
            logits = model(torch.tensor([seen])).logits[0, -1].double()
        total -= float(logits[token] - logits.logsumexp(-1))
    return total, len(ids)


def test_equals_an_unbatched_reference(tiny_model: str) -> None:
    texts = [some_text(i, words=8 * (i % 4 + 1)) for i in range(8)]
    backend = TransformersBackend(model=tiny_model, batch_tokens=300)
    scorer = Perplexity(model=tiny_model, window=48, context=16, backend=backend)
    scored = scorer.score(texts)
    for i, text in enumerate(texts):
        nats, n = reference(tiny_model, text, 48, 16)
        assert n == scored.extra["n_tokens"][i]
        assert scored.value[i] == pytest.approx(nats / n, abs=1e-5)
        bits = nats / math.log(2) / len(text.encode())
        assert scored.extra["bits_per_byte"][i] == pytest.approx(bits, rel=1e-5)
    assert max(scored.extra["n_tokens"]) > 2 * 48


def test_empty_documents_have_a_reason(tiny_model: str) -> None:
    scored = Perplexity(model=tiny_model).score(["", " \n", "text"])
    assert scored.reason == ["empty", "empty", None]
    assert np.isnan(scored.value).tolist() == [True, True, False]
