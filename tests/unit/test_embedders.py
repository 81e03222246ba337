"""Embedders: unit vectors, the same every time; hashed n-grams against what they stand for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest

import scorers.backends.vllm_engine as engine
import scorers.embedders.sentence_transformers as module
from curate.registry import BUILT_IN, find
from scorers import Embedder, HashedNGrams, SentenceTransformerEmbedder, VLLMEmbedder
from scorers.embedders.base import unit
from scorers.vectors import Vectors

WORDS = np.array([f"word{i}" for i in range(300)])
COMMON = 1 / np.arange(1, 301)
EMBEDDER = HashedNGrams(n_features=2**12)  # few buckets: its projection is drawn quickly


def documents(n: int, seed: int) -> list[str]:
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, 25, p=COMMON / COMMON.sum())) for _ in range(n)]


def embedded(spec: HashedNGrams, texts: Sequence[str]) -> Vectors:
    return spec.merge([spec.fit([texts])]).embed(texts)


def test_vectors_are_unit_rows_and_the_same_every_time() -> None:
    texts = [*documents(40, seed=15), "!!!"]
    spec = HashedNGrams(n_features=2**12, dimension=64)
    fitted = spec.merge([spec.fit([texts])])
    assert isinstance(fitted, Embedder)
    vectors = fitted.embed(texts)
    assert vectors.dtype == np.float32
    assert vectors.shape == (41, fitted.dimension) == (41, 65)
    np.testing.assert_allclose(np.linalg.norm(vectors[:40], axis=1), 1, atol=1e-6)
    assert vectors[40].tolist() == [0.0] * 64 + [1.0]
    again = HashedNGrams(n_features=2**12, dimension=64)
    assert embedded(again, texts).tobytes() == vectors.tobytes()
    one_by_one = [fitted.embed([text])[0] for text in texts]
    assert np.array(one_by_one).tobytes() == vectors.tobytes()
    other = embedded(HashedNGrams(n_features=2**12, dimension=64, seed=1), texts)
    assert abs(other - vectors).max() > 0.1
    assert fitted.embed([]).shape == (0, 65)


def test_counts_are_of_documents_and_add_up_however_they_are_split() -> None:
    texts = ["a b b", "", "b c", "b", " \n"]
    spec = HashedNGrams(n_features=2**10)
    counts = spec.fit([texts])
    assert counts.n_documents == 3
    assert sorted(counts.n_with[counts.n_with > 0]) == [1, 1, 3]
    whole = spec.merge([counts]).embed(["a b c"])
    parts = [spec.fit([texts[3:]]), spec.fit([]), spec.fit([texts[:1], texts[1:3]])]
    assert spec.merge(parts).embed(["a b c"]).tobytes() == whole.tobytes()


def test_similar_texts_are_closer() -> None:
    base, other = documents(2, seed=16)
    changed = base.replace(base.split()[0], "changed")
    a, b, c = embedded(EMBEDDER, [base, changed, other, *documents(200, seed=17)])[:3]
    assert a @ b > 0.5 > a @ c
    assert a @ b < 0.999


def test_longer_n_grams_see_the_order_of_words() -> None:
    texts = ["one two three four", "four three two one", "five six"]
    for n_max, alike in ((1, True), (2, False)):
        a, b, _ = embedded(HashedNGrams(n_features=2**12, n_max=n_max), texts)
        assert np.allclose(a, b) == alike


def test_only_the_head_of_a_document_is_read() -> None:
    spec = HashedNGrams(n_features=2**12, max_chars=9)
    a, b = spec.merge([spec.fit([["head text", "other"]])]).embed(
        ["head text", "head text and much more"]
    )
    assert np.array_equal(a, b)


@pytest.mark.parametrize("option", ["n_features", "n_max", "dimension", "max_chars"])
def test_options_out_of_range(option: str) -> None:
    with pytest.raises(ValueError, match=f"{option!r} of HashedNGrams must be at least 1. Got 0"):
        HashedNGrams(**{option: 0})
    with pytest.raises(ValueError, match=r"'seed' of HashedNGrams must be in \[0, 2\^32\)"):
        HashedNGrams(seed=-1)


CHANGES: dict[str, dict[str, Any]] = {
    "n_features": {"n_features": 99},
    "n_max": {"n_max": 2},
    "dimension": {"dimension": 8},
    "max_chars": {"max_chars": 9},
    "seed": {"seed": 1},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_changes_a_vector_changes_the_configuration(change: dict[str, Any]) -> None:
    plain = HashedNGrams().config()
    assert HashedNGrams(**change).config() != plain
    assert json.loads(json.dumps(plain)) == plain


@pytest.mark.parametrize("name", BUILT_IN["embedders"])
def test_specs_are_frozen(name: str) -> None:
    cls = find("embedders", name)
    spec = cls() if name == "hashed-ngrams" else cls(model="some/model")
    with pytest.raises(FrozenInstanceError):
        spec.seed = 1


def test_rows_of_any_length_become_unit_rows() -> None:
    given = np.array([[3.0, 4.0], [1e-30, 0.0], [0.0, 0.0], [np.inf, 1.0]], np.float32)
    found = unit(given)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[:2], [[0.6, 0.8], [1, 0]], atol=1e-7)
    assert np.isnan(found[2]).all()
    assert not np.isfinite(found[3]).all()


def test_a_missing_package_comes_with_its_install_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    monkeypatch.setattr(engine, "find_spec", lambda _: None)
    for embedder, command in (
        (SentenceTransformerEmbedder(model="some/model"), "pip install sentence-transformers"),
        (VLLMEmbedder(model="some/model"), r"pip install 'curate-lm\[vllm\]'"),
    ):
        for use in (embedder.config, lambda e=embedder: e.embed(["text"])):
            with pytest.raises(ModuleNotFoundError, match=command):
                use()


def test_bad_arguments_of_models() -> None:
    with pytest.raises(ValueError, match="'dtype' of SentenceTransformerEmbedder must be one of"):
        SentenceTransformerEmbedder(model="x", dtype="int8")
    with pytest.raises(ValueError, match=r"'batch_size' of Sent.* must be at least 1. Got 0"):
        SentenceTransformerEmbedder(model="x", batch_size=0)
    with pytest.raises(ValueError, match="'dtype' of VLLMEmbedder must be"):
        VLLMEmbedder(model="x", dtype="int8")
    with pytest.raises(ValueError, match="'max_length' of VLLMEmbedder must be at least 1"):
        VLLMEmbedder(model="x", max_length=0)
    with pytest.raises(ValueError, match=r"must leave out .* itself sets\. Got conv"):
        VLLMEmbedder(model="x", engine_args={"convert": "embed"})
