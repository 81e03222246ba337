"""Scores of a chunk in which some documents break the scorer: the others' are as they would be."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import pytest

from curate.errors import ConfigError
from curate.stages.measuring import Policy, prepared_by, score_texts
from scorers.base import Scored, reason_for_empty

TEXTS = [f"document {i}" for i in range(21)]


class Counting:
    """Characters of a text, and a masked column; fails on texts that hold a mark."""

    name: ClassVar[str] = "counting"
    column: ClassVar[str] = "n_chars"
    unit: ClassVar[str] = "characters"
    higher_is_better: ClassVar[bool | None] = True

    def __init__(self, error: BaseException | None = None, at_most: int = 1000) -> None:
        self.error, self.at_most, self.calls = error, at_most, 0

    def score(self, texts: Sequence[str]) -> Scored:
        self.calls += 1
        if len(texts) > self.at_most:
            raise MemoryError
        if self.error is not None and any("BAD" in text for text in texts):
            raise self.error
        for text in texts:
            if "HANGS" in text:
                time.sleep(60)
        reasons = [reason_for_empty(text) for text in texts]
        value = np.array([float(len(text)) for text in texts])
        value[[why is not None for why in reasons]] = np.nan
        value[["NAN" in text for text in texts]] = np.nan
        value[["INFINITE" in text for text in texts]] = -np.inf
        lengths = np.array([len(text) for text in texts], np.int32)
        odd = np.ma.MaskedArray(lengths, mask=lengths % 2 == 0)
        return Scored(value, reasons, {"odd": odd, "n": lengths})

    def config(self) -> dict[str, Any]:
        return {}


def check(scored: Scored, texts: Sequence[str], reasons: dict[int, str]) -> None:
    """All but some documents have the score they have without these."""
    assert {i: why for i, why in enumerate(scored.reason) if why is not None} == reasons
    whole = Counting().score([f"x{'.' * i}" if i in reasons else t for i, t in enumerate(texts)])
    kept = [i for i in range(len(texts)) if i not in reasons]
    assert scored.value[kept].tolist() == whole.value[kept].tolist()
    for name, column in whole.extra.items():
        assert scored.extra[name].dtype == column.dtype
        assert scored.extra[name][kept].tolist() == column[kept].tolist()
    assert np.isnan(scored.value[[*reasons]]).all()


@pytest.mark.parametrize("bad", [[0], [20], [3, 4, 5], [0, 7, 20], [*range(20)]])
@pytest.mark.parametrize("error", [RuntimeError, KeyError, OSError, AttributeError])
def test_documents_that_break_the_scorer_have_a_reason(
    bad: list[int], error: type[Exception]
) -> None:
    texts = [f"BAD {i}" if i in bad else text for i, text in enumerate(TEXTS)]
    raised = error("no\x1b[31m such   row\nand more " + "x" * 300)
    said = "backend_error: " + ("'no" if error is KeyError else "no")
    scored = score_texts(Counting(raised), texts, None, Policy())
    found = {i: why for i, why in enumerate(scored.reason) if why is not None}
    assert all(why.startswith(said) and why.isprintable() for why in found.values())
    assert all(len(why) <= 120 for why in found.values())
    check(scored, texts, found)
    assert [*found] == bad


def test_what_works_the_second_time_alone_is_no_failure() -> None:
    class Shaky(Counting):
        def score(self, texts: Sequence[str]) -> Scored:
            self.calls += 1
            if self.calls == 1:
                raise RuntimeError("busy")
            return super().score(texts)

    assert score_texts(Shaky(), ["one"], None, Policy()).reason == [None]
    check(score_texts(Shaky(), TEXTS, None, Policy()), TEXTS, {})


def test_a_scorer_that_fails_on_a_plain_sentence_is_broken() -> None:
    class Broken(Counting):
        def score(self, texts: Sequence[str]) -> Scored:  # noqa: ARG002
            self.calls += 1
            raise KeyError("weights")

    broken = Broken()
    with pytest.raises(RuntimeError, match="KeyError: 'weights'"):
        score_texts(broken, TEXTS, None, Policy())
    assert broken.calls == 2


def test_a_whole_chunk_that_fails_is_held_against_the_scorer() -> None:
    with pytest.raises(ValueError, match="too long"):
        score_texts(Counting(ValueError("too long")), ["BAD"] * 8 + [""], None, Policy())
    few = score_texts(Counting(ValueError("too long")), ["BAD"] * 7 + [""], None, Policy())
    assert few.reason == ["backend_error: too long"] * 7 + ["empty"]
    alone = score_texts(Counting(ValueError("")), ["BAD"], None, Policy())
    assert alone.reason == ["backend_error: ValueError"]


def test_the_policy_to_fail_stops_at_the_first() -> None:
    counting = Counting(RuntimeError("no"))
    with pytest.raises(RuntimeError, match=r"^no$"):
        score_texts(counting, [*TEXTS, "BAD"], None, Policy(on_error="fail"))
    assert counting.calls == 1


@pytest.mark.parametrize("on_error", ["skip", "fail"])
@pytest.mark.parametrize("at_most", [1, 2, 5, 20])
def test_memory_that_runs_out_costs_no_document(at_most: int, on_error: str) -> None:
    scored = score_texts(Counting(at_most=at_most), TEXTS, None, Policy(on_error=on_error))
    check(scored, TEXTS, {})


def test_a_document_that_does_not_fit_into_memory() -> None:
    error = RuntimeError("a sequence of 9 tokens")
    error.__cause__ = MemoryError()
    scored = score_texts(Counting(error), [*TEXTS, "BAD"], None, Policy())
    check(scored, [*TEXTS, "BAD"], {21: "backend_error: out of memory"})


@pytest.mark.parametrize("what", ["NAN", "INFINITE"])
def test_a_score_that_is_no_number(what: str) -> None:
    texts = [*TEXTS, f"a {what}"]
    check(score_texts(Counting(), texts, None, Policy()), texts, {21: "not_finite"})


def test_a_document_that_takes_too_long() -> None:
    texts = [*TEXTS[:3], "HANGS", *TEXTS[4:8]]
    scored = score_texts(Counting(), texts, None, Policy(timeout=0.05))
    check(scored, texts, {3: "backend_error: took longer than 0.05 s"})


def test_a_call_that_cannot_be_interrupted_ends_the_process() -> None:
    code = """
import time
from curate.stages.measuring import Policy, score_texts
class Deaf:
    def score(self, texts):
        while True:
            try:
                time.sleep(60)
            except BaseException:
                pass
score_texts(Deaf(), ["x"], None, Policy(timeout=0.05))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "cannot be interrupted" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_cannot_be_prepared_is_found_out_by_scoring() -> None:
    class Prepares(Counting):
        def prepare(self, texts: Sequence[str]) -> list[str]:
            if any("BAD" in text for text in texts):
                raise ValueError("no tokens")
            return [*texts]

        def score_prepared(self, prepared: list[str]) -> Scored:
            return super().score(prepared)

        def score(self, texts: Sequence[str]) -> Scored:
            return self.score_prepared(self.prepare(texts))

    scorer, texts = Prepares(), [*TEXTS, "BAD"]
    assert prepared_by(scorer, TEXTS) == TEXTS
    assert prepared_by(scorer, texts) is None
    assert prepared_by(Counting(), texts) is None
    scored = score_texts(scorer, texts, prepared_by(scorer, texts), Policy())
    check(scored, texts, {21: "backend_error: no tokens"})


@pytest.mark.parametrize("given", [{"on_error": "ignore"}, {"timeout": 0.0}, {"timeout": -1.0}])
def test_policies_there_are_not(given: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(given))):
        Policy(**given)
