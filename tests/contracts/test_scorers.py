"""What every scorer of texts owes its users, whatever it measures."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest

from curate.registry import BUILT_IN, make_scorer, reads_points
from scorers import Scored, Scorer
from tests.conftest import some_text

EVERY = [name for name in BUILT_IN["scorers"] if not reads_points(name)]
LANGUAGE_MODEL = {"dtype": "float32", "device": "cpu", "batch_tokens": 900}
OPTIONS: dict[str, dict[str, Any]] = {
    "ask-llm": {**LANGUAGE_MODEL, "max_tokens": 240},
    "rubric": {**LANGUAGE_MODEL, "max_tokens": 250, "prompt": "{text} 0-5?", "points": 4},
    "perplexity": {**LANGUAGE_MODEL, "window": 48},
    "kenlm": {},
    "token-prior": {},
}
TOLERANCE = 1e-5
"""Rounding alone: in float32 the last bits of a product depend on the batch it is part of."""

TEXTS = [some_text(i, words=8 * (i % 7 + 1)) for i in range(20)]
TEXTS[3] = TEXTS[11] = ""
TEXTS[7] = " \n\t\u2003"
TEXTS[5] = TEXTS[16] = TEXTS[18]  # a document and two copies


def options_of(name: str, request: pytest.FixtureRequest) -> dict[str, Any]:
    """What makes a tiny scorer of each kind."""
    option = "tokenizer" if name == "token-prior" else "model"
    fixture = "tiny_arpa" if name == "kenlm" else "tiny_model"
    return {**OPTIONS[name], option: request.getfixturevalue(fixture)}


@pytest.fixture(scope="module", params=EVERY)
def scorer(request: pytest.FixtureRequest) -> Scorer:
    """A scorer of each kind, fitted on TEXTS where it must see the corpus first."""
    made = make_scorer(request.param, **options_of(request.param, request))
    return made.merge([made.fit([TEXTS])]) if hasattr(made, "fit") else made


@pytest.fixture(scope="module")
def scored(scorer: Scorer) -> Scored:
    return scorer.score(TEXTS)


def columns(scored: Scored) -> dict[str, np.ndarray]:
    return {"value": scored.value, **scored.extra}


def assert_close(found: Scored, expected: Scored) -> None:
    assert found.reason == expected.reason
    assert list(found.extra) == list(expected.extra)
    for name, column in columns(expected).items():
        np.testing.assert_allclose(
            columns(found)[name], column, rtol=0, atol=TOLERANCE, err_msg=name
        )


def rows(scored: Scored, which: list[int]) -> Scored:
    extra = {name: column[which] for name, column in scored.extra.items()}
    return Scored(scored.value[which], [scored.reason[i] for i in which], extra)


def test_is_a_scorer_under_its_registered_name(
    scorer: Scorer, request: pytest.FixtureRequest
) -> None:
    assert isinstance(scorer, Scorer)
    assert scorer.name == request.node.callspec.params["scorer"]
    assert scorer.column.isidentifier()
    assert scorer.unit
    assert scorer.higher_is_better in (True, False, None)


def test_specs_are_frozen(scorer: Scorer) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        scorer.seed = 1  # type: ignore[attr-defined]


def test_columns_have_one_value_per_document(scored: Scored) -> None:
    assert scored.value.dtype == np.float64
    for name, column in columns(scored).items():
        assert column.shape == (len(TEXTS),), name
    assert len(scored.reason) == len(TEXTS)


def test_nan_exactly_where_a_reason(scored: Scored) -> None:
    empty = [i for i, text in enumerate(TEXTS) if not text.strip()]
    assert [i for i, reason in enumerate(scored.reason) if reason == "empty"] == empty
    assert np.flatnonzero(np.isnan(scored.value)).tolist() == empty
    assert np.isfinite(np.delete(scored.value, empty)).all()


def test_scores_tell_documents_apart(scored: Scored) -> None:
    known = scored.value[~np.isnan(scored.value)]
    assert len(np.unique(np.round(known, 6))) > 10


def test_permutation_equivariance(scorer: Scorer, scored: Scored) -> None:
    order = np.random.default_rng(0).permutation(len(TEXTS)).tolist()
    assert_close(scorer.score([TEXTS[i] for i in order]), rows(scored, order))


@pytest.mark.parametrize("size", [1, 7])
def test_batch_split_invariance(scorer: Scorer, scored: Scored, size: int) -> None:
    for start in range(0, len(TEXTS), size):
        part = list(range(start, min(start + size, len(TEXTS))))
        assert_close(scorer.score([TEXTS[i] for i in part]), rows(scored, part))


def test_inputs_unmodified(scorer: Scorer) -> None:
    texts = list(TEXTS)
    scorer.score(texts)
    assert texts == TEXTS
    assert_close(scorer.score(tuple(TEXTS)), scorer.score(TEXTS))  # any sequence will do


def test_same_bytes_twice(scorer: Scorer, scored: Scored) -> None:
    again = scorer.score(TEXTS)
    assert again.reason == scored.reason
    for name, column in columns(scored).items():
        assert columns(again)[name].tobytes() == column.tobytes(), name
        assert columns(again)[name].dtype == column.dtype, name


@pytest.mark.parametrize("texts", [[], ["", "  ", "\n\t"]], ids=["none", "all-empty"])
def test_nothing_to_score(scorer: Scorer, scored: Scored, texts: list[str]) -> None:
    found = scorer.score(texts)
    assert found.reason == ["empty"] * len(texts)
    assert np.isnan(found.value).all()
    for name, column in columns(scored).items():
        assert columns(found)[name].shape == (len(texts),), name
        assert columns(found)[name].dtype == column.dtype, name


def test_duplicates_get_equal_scores(scored: Scored) -> None:
    assert_close(rows(scored, [5, 16]), rows(scored, [18, 18]))


def test_config_is_plain_json_and_stable(scorer: Scorer) -> None:
    before = scorer.config()
    scorer.score(TEXTS[:2])
    assert scorer.config() == before
    assert json.loads(json.dumps(before, allow_nan=False)) == before


CHANGES: dict[str, dict[str, Any]] = {
    "ask-llm": {
        "yes": "no",
        "no": "yes",
        "max_tokens": 200,
        "prompt": "{text}?",
        "chat": False,
        "truncation": "head-and-tail",
        "variants": True,
    },
    "rubric": {"points": 3, "prompt": "{text}?", "dtype": "bfloat16"},
    "perplexity": {"window": 40, "context": 7, "dtype": "bfloat16", "full_last_window": True},
    "kenlm": {"sentences": "document", "lowercase": True, "tokenizer": "demo"},
    "token-prior": {"tokenizer": "demo"},
}


@pytest.mark.parametrize("name", EVERY)
def test_config_holds_every_option_that_changes_a_score(
    name: str, request: pytest.FixtureRequest
) -> None:
    options = options_of(name, request)
    plain = make_scorer(name, **options).config()
    assert make_scorer(name, **options).config() == plain
    forgotten = [
        option
        for option, value in CHANGES[name].items()
        if make_scorer(name, **{**options, option: value}).config() == plain
    ]
    assert not forgotten


def test_scored_refuses_columns_that_contradict_each_other() -> None:
    with pytest.raises(ValueError, match="length of 'value'"):
        Scored(np.zeros(2), [None, None], {"n_tokens": np.zeros(3)})
    with pytest.raises(ValueError, match="document 1 has value nan and reason None"):
        Scored(np.array([0.0, np.nan]), [None, None])
    with pytest.raises(ValueError, match=r"document 0 has value 0\.0 and reason 'empty'"):
        Scored(np.zeros(1), ["empty"])
