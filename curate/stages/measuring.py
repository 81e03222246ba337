"""The scores of a chunk, whatever single documents do to the scorer.

Where a chunk fails, the scorer is first asked about a plain sentence: if it fails on that as well,
it is the scorer that is broken, and the run stops. Otherwise the chunk is halved until the
documents that it fails on are found. Each is tried once more, alone, and then has a reason in
place of a score.
"""

from __future__ import annotations

import sys
import traceback
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from scorers.base import PreparingScorer, Scored, Scorer, UnexplainedError

from ..errors import ConfigError, CurateError
from .time_limit import limited

BACKEND_ERROR, NOT_FINITE = "backend_error", "not_finite"
OUT_OF_MEMORY = f"{BACKEND_ERROR}: out of memory"
_PLAIN = "The library opens at nine in the morning and closes at six in the evening."
_ENOUGH = 8
"""Documents that fail, all of a chunk, before this is held against the scorer."""
_LONGEST = 120
_EXPECTED = (CurateError, RuntimeError, ValueError, TypeError, IndexError, ArithmeticError)


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What to do about documents that a scorer fails on, and about shards that cannot be read.

    Memory that runs out is no failure, unless a single document does not fit: the chunk is halved.

    Attributes:
        on_error: "skip": such a document has a reason instead of a score, such a shard is
            recorded. "fail": stop at the first.
        timeout: seconds that the scorer may take for a chunk, or a part of one; None: as long as
            it likes. A call that cannot be interrupted ends the process, after twice as long.
    """

    on_error: str = "skip"
    timeout: float | None = None

    def __post_init__(self) -> None:
        if self.on_error not in ("skip", "fail"):
            raise ConfigError(f"'on_error' must be skip or fail. Got {self.on_error!r}.")
        if self.timeout is not None and not self.timeout > 0:
            raise ConfigError(f"'timeout' must be above 0 seconds. Got {self.timeout:g}.")


def prepared_by(scorer: Scorer, texts: Sequence[str]) -> Any:
    """What the scorer prepares; None where it prepares nothing, or cannot."""
    if isinstance(scorer, PreparingScorer):
        with suppress(Exception):  # `score_texts` finds out which text it was
            return scorer.prepare(texts)
    return None


def score_texts(scorer: Scorer, texts: Sequence[str], prepared: Any, policy: Policy) -> Scored:
    """The scores of a chunk, with a reason for each document that the scorer fails on.

    Args:
        scorer: asked about all at once, and about fewer where that fails.
        texts: n documents.
        prepared: what the scorer made of them (see `prepared_by`), or None.
        policy: what to do about a failure.

    Returns:
        As `Scorer.score`. Further reasons: "backend_error: " and what the scorer said, and
        "not_finite" for a score that is no number, or infinite.

    Raises:
        RuntimeError: the scorer fails on a plain sentence, on a whole chunk of at least 8
            documents, or, where that is the policy, on one of them.
    """
    try:
        with limited(policy.timeout):
            if prepared is not None and isinstance(scorer, PreparingScorer):
                return _finite(scorer.score_prepared(prepared))
            return _finite(scorer.score(texts))
    except Exception as error:
        first = _let_go(error)
    return _Search(scorer, policy, first).run(texts)


def explained(scored: Scored, reasons: Sequence[str | None]) -> Scored:
    """The scores, with the reader's reasons in the places where it found no text to score."""
    told = [mine or theirs for mine, theirs in zip(reasons, scored.reason, strict=True)]
    value = np.where([why is not None for why in reasons], np.nan, scored.value)
    return Scored(value, told, scored.extra)


@dataclass(frozen=True)
class _Search:
    """Looks for the documents of a chunk on which a scorer fails.

    Attributes:
        scorer: what fails.
        policy: what to do about it.
        first: what it said of the whole chunk.
    """

    scorer: Scorer
    policy: Policy
    first: Exception

    def run(self, texts: Sequence[str]) -> Scored:
        """The scores of a chunk that has failed as a whole."""
        self._bear(self.first)
        if _out_of_memory(self.first):
            _make_room()
        if isinstance(self._try([_PLAIN]), Exception):
            raise _raisable(self.first)
        found = _joined([*self._halved(texts, failed=True)])
        n_failed = sum(reason is not None and _is_failure(reason) for reason in found.reason)
        if n_failed >= _ENOUGH and not any(reason is None for reason in found.reason):
            raise _raisable(self.first)
        return found

    def _halved(self, texts: Sequence[str], *, failed: bool = False) -> Iterator[Scored]:
        """Pieces that follow each other; a document on which the scorer fails is one."""
        found: Scored | Exception = self.first if failed else self._try(texts)
        if isinstance(found, Scored):
            yield found
        elif len(texts) > 1:
            self._bear(found)
            middle = len(texts) // 2
            yield from chain(self._halved(texts[:middle]), self._halved(texts[middle:]))
        else:
            found = self._try(texts)
            yield found if isinstance(found, Scored) else self._without(found)

    def _try(self, texts: Sequence[str]) -> Scored | Exception:
        try:
            with limited(self.policy.timeout):
                return _finite(self.scorer.score(texts))
        except Exception as error:
            return _let_go(error)

    def _bear(self, error: Exception) -> None:
        """Go on after an error, if that is the policy."""
        if self.policy.on_error == "fail" and not _out_of_memory(error):
            raise _raisable(error)

    def _without(self, error: Exception) -> Scored:
        """A document on which the scorer fails, the other columns as those of an empty one."""
        if self.policy.on_error == "fail":
            raise _raisable(error)
        empty = self._try([""])
        if isinstance(empty, Exception):
            raise _raisable(error)
        return Scored(np.array([np.nan]), [_reason(error)], empty.extra)


def _is_failure(reason: str) -> bool:
    return reason.startswith(BACKEND_ERROR)


def _finite(scored: Scored) -> Scored:
    """The same, with a reason where a score is infinite."""
    infinite = np.isinf(scored.value)
    if not infinite.any():
        return scored
    reasons = [NOT_FINITE if bad else why for bad, why in zip(infinite, scored.reason, strict=True)]
    return Scored(np.where(infinite, np.nan, scored.value), reasons, scored.extra)


def _joined(pieces: Sequence[Scored]) -> Scored:
    """Pieces as one, masked columns masked."""
    columns, joined = {}, (np.concatenate, np.ma.concatenate)
    for name in pieces[0].extra:
        parts = [piece.extra[name] for piece in pieces]
        masked = any(isinstance(part, np.ma.MaskedArray) for part in parts)
        columns[name] = joined[masked](parts)
    reasons = [reason for piece in pieces for reason in piece.reason]
    return Scored(np.concatenate([piece.value for piece in pieces]), reasons, columns)


def _reason(error: Exception) -> str:
    """Why a document has no score, on one short line without control characters."""
    if isinstance(error, UnexplainedError):
        return NOT_FINITE
    if _out_of_memory(error):
        return OUT_OF_MEMORY
    said = "".join(
        " " if unicodedata.category(c)[0] in "CZ" else c for c in _said(error).splitlines()[0]
    )
    return f"{BACKEND_ERROR}: {' '.join(said.split())}"[:_LONGEST]


def _said(error: Exception) -> str:
    return str(error).strip() or type(error).__name__


def _raisable(error: Exception) -> Exception:
    """The error, if whoever runs a scorer expects its kind; otherwise one that tells of it."""
    if isinstance(error, _EXPECTED):
        return error
    kind = "" if isinstance(error, TimeoutError) else f"{type(error).__name__}: "
    return RuntimeError(f"{kind}{_said(error)}")


def _let_go(error: Exception) -> Exception:
    """The error without what its frames hold, which may be all the memory there is."""
    link: BaseException | None = error
    while link is not None:
        traceback.clear_frames(link.__traceback__)
        link = link.__cause__ or link.__context__
    return error


def _make_room() -> None:
    """Give back what a GPU keeps of a chunk that was too much."""
    if (torch := sys.modules.get("torch")) is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def _out_of_memory(error: BaseException | None) -> bool:
    """Whether memory ran out, on a GPU or in the machine."""
    while error is not None:
        if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
            return True
        if "can't allocate memory" in str(error):
            return True
        error = error.__cause__
    return False
