"""A scorer that travels: checked where it is given, made where it is used."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from functools import lru_cache
from typing import Any

import pyarrow as pa

from scorers.base import Scored, Scorer

from ..columns import texts_from
from ..errors import BackendError, ConfigError
from ..files import digest
from ..registry import Recipe, make_scorer, names, reads_points
from ..schema import nullable, score_column
from ..stages.measuring import Policy, explained, prepared_by, score_texts
from ..stages.sources import FAULTS

MAX_DOCUMENT_BYTES = 4 * 2**20
"""A longer document is not scored, as on the command line: its reason is "too_long"."""
_KEPT = 4
_HOME = os.getpid()


class Scoring:
    """Scores of texts from anywhere, a reason for each that has none.

    What is pickled is the recipe, or the scorer's own fields, and a digest of its configuration:
    no model that was loaded. So the bytes are the same in every run of one configuration, before
    and after it was used, and others when a model's files change.

    Args:
        scorer: one that scores texts. A recipe is made once in each process, the last four of
            which are kept.
        name: of the columns; None: the scorer's.

    Raises:
        ConfigError: it cannot score a text by itself, or cannot be made.
    """

    def __init__(self, scorer: Scorer | Recipe, name: str | None = None) -> None:
        _check(scorer)
        made = self._made = _from_recipe(scorer) if isinstance(scorer, Recipe) else scorer
        self._origin = scorer if isinstance(scorer, Recipe) else _bare(scorer)
        self._decides = digest(made.config())
        self.name = made.name if name is None else name
        if not self.name:
            raise ConfigError("'name' must be the name of a column. Got an empty one.")

    def __call__(self, texts: Sequence[object]) -> Scored:
        """Scores of n documents; what is no string has the reason "missing_text".

        Raises:
            BackendError: the scorer fails on everything, not on single documents.
        """
        found = texts_from([t if isinstance(t, str) else None for t in texts], MAX_DOCUMENT_BYTES)
        plain: list[str] = found.text.fill_null("").to_pylist()
        scorer = self.scorer
        _use_one_thread_after_fork()
        try:
            scored = score_texts(scorer, plain, prepared_by(scorer, plain), Policy())
        except FAULTS as error:
            raise BackendError(f"{scorer.name}: {error}") from error
        return explained(scored, found.reasons)

    def columns(self, texts: Sequence[object]) -> dict[str, pa.Array]:
        """Score, reason and extras of n documents, by the names of their columns."""
        found = self(texts)
        return {
            self.name: score_column(found.value, found.reason),
            f"{self.name}_reason": pa.array(found.reason, pa.string()),
            **{f"{self.name}_{key}": nullable(values) for key, values in found.extra.items()},
        }

    @property
    def scorer(self) -> Scorer:
        """The scorer, made if it is not there yet."""
        if self._made is None:
            origin = self._origin
            self._made = _from_recipe(origin) if isinstance(origin, Recipe) else origin
        return self._made

    def __repr__(self) -> str:
        return f"Scoring({self.name!r}, {self._origin!r})"

    def __getstate__(self) -> dict[str, Any]:
        return {"_origin": self._origin, "_decides": self._decides, "name": self.name}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _made=None)

    def __deepcopy__(self, memo: dict[int, Any]) -> Scoring:
        """Itself: nothing about it changes, and a model is loaded once."""
        return self


def _use_one_thread_after_fork() -> None:
    """A forked process has none of the threads that its parent's OpenMP would wait for, forever.

    Such are the processes of `num_proc` in HF datasets, where the parent has used a model before.
    """
    if os.getpid() != _HOME and (torch := sys.modules.get("torch")) is not None:
        torch.set_num_threads(1)


def _check(scorer: Any) -> None:
    is_recipe = isinstance(scorer, Recipe)
    name = getattr(scorer, "name", None)
    if not isinstance(name, str):
        meant = f" Did you mean Recipe({scorer!r}, {{}})?" if scorer in names("scorers") else ""
        raise ConfigError(
            f"Wanted a scorer, such as Perplexity(model=…), or a Recipe of one. Got {scorer!r}."
            + meant
        )
    if (is_recipe or name in names("scorers")) and reads_points(name):
        raise ConfigError(
            f"{name} reads the embeddings of a whole corpus, not texts one by one. Run `curate "
            f"embed` and `curate score {name}`, and join its tables by row or key."
        )
    if scorer.is_fitted if is_recipe else hasattr(scorer, "fit"):
        make = "spec = recipe.make(); " if is_recipe else ""
        raise ConfigError(
            f"{name} must see the corpus before it scores. Fit it first, and give what comes of "
            f"it: {make}scorer = spec.merge([spec.fit(batches_of_texts)])."
        )
    if not is_recipe and not isinstance(scorer, Scorer):
        raise ConfigError(f"{name} is no scorer: it lacks score, config, column or unit.")


def _from_recipe(recipe: Recipe) -> Scorer:
    try:
        options = json.dumps(recipe.options, sort_keys=True)
    except TypeError as error:
        raise ConfigError(
            f"The options of Recipe({recipe.name!r}) must be plain values, as in a pipeline file: "
            f"{error}. Give the scorer itself for others."
        ) from error
    return _make(recipe.name, options)


@lru_cache(maxsize=_KEPT)
def _make(name: str, options: str) -> Scorer:
    made: Scorer = make_scorer(name, **json.loads(options))
    return made


def _bare(value: Any) -> Any:
    """A dataclass with its fields alone, and none of what it has loaded since it was made."""
    if not is_dataclass(value) or isinstance(value, type):
        return value
    return type(value)(**{f.name: _bare(getattr(value, f.name)) for f in fields(value) if f.init})
