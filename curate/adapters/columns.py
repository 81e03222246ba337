"""A scorer as a function of batches: HF datasets' `map`, Ray Data's `map_batches`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from scorers.base import Scorer

from ..errors import ConfigError
from ..registry import Recipe, did_you_mean
from .scoring import Scoring


def as_map(
    scorer: Scorer | Recipe, *, text_column: str = "text", name: str | None = None
) -> ScoreColumns:
    """A function that adds a scorer's columns to batches; see `ScoreColumns`.

    Example:
        >>> from datasets import Dataset
        >>> from curate.demo import MODEL_PATH
        >>> from scorers import Perplexity
        >>> texts = Dataset.from_dict({"text": ["import sys", None]})
        >>> scored = texts.map(as_map(Perplexity(model=str(MODEL_PATH))), batched=True)
        >>> scored["perplexity_reason"][:]
        [None, 'missing_text']
    """
    return ScoreColumns(scorer, text_column=text_column, name=name)


class ScoreColumns:
    """Adds to each batch ``<name>``, ``<name>_reason`` and the scorer's extras, ``<name>_…``.

    ``<name>`` is float64, and null exactly where ``<name>_reason`` says why; no row is lost. A
    batch is a mapping of columns, a PyArrow table or a pandas data frame, and the result is of
    the same kind; of a mapping of lists, as HF datasets gives, it is the new columns alone.

    As a class it is what `ray.data` makes an actor of; arguments as below.

    Args:
        scorer: see `Scoring`.
        text_column: holds the texts.
        name: of the columns; None: the scorer's.

    Raises:
        ConfigError: the scorer cannot score a text by itself; on a batch: it has no column of
            texts, or a column of a name that is to be added.
    """

    def __init__(
        self, scorer: Scorer | Recipe, text_column: str = "text", name: str | None = None
    ) -> None:
        self._scoring, self._text_column = Scoring(scorer, name), text_column

    def __call__(self, batch: Any) -> Any:
        """The batch with the columns added."""
        is_table, is_mapping = isinstance(batch, pa.Table), isinstance(batch, Mapping)
        if not (is_table or is_mapping or _is_frame(batch)):
            raise ConfigError(
                f"A batch must be a mapping of columns, a PyArrow table or a pandas data frame. "
                f"Got {type(batch).__name__}."
            )
        present = batch.column_names if is_table else [*batch]
        if self._text_column not in present:
            raise ConfigError(
                f"There is no column {self._text_column!r}. "
                f"{did_you_mean(self._text_column, present)} Name it with text_column=…"
            )
        texts = batch[self._text_column]
        if texts is None or isinstance(texts, str):
            raise ConfigError("This is one row, not a batch of them: give map batched=True.")
        added = self._scoring.columns(texts.to_pylist() if is_table else [*texts])
        for column in added:
            if column in present:
                raise ConfigError(
                    f"There is a column {column!r} already. Give another name=…, or remove it."
                )
        if is_table:
            for column, values in added.items():
                batch = batch.append_column(column, values)
            return batch
        if not is_mapping:
            return _with_columns(batch, added)
        lists = {column: _Typed(values) for column, values in added.items()}
        from_ray = type(batch) is dict and isinstance(texts, np.ndarray)
        return {**batch, **lists} if from_ray else lists


class _Typed(list[Any]):
    """Plain values that keep their type where all of them are None.

    Both libraries infer it from the first batch, and may refuse the first reason in a later one.
    """

    def __init__(self, values: pa.Array) -> None:
        super().__init__(values.to_pylist())
        self._type = values.type

    def __arrow_array__(self, type: Any = None) -> pa.Array:
        return pa.array([*self], type or self._type)


def _is_frame(batch: Any) -> bool:
    import pandas as pd

    return isinstance(batch, pd.DataFrame)


def _with_columns(frame: Any, added: Mapping[str, pa.Array]) -> Any:
    """A pandas data frame, the new columns of Arrow's own types, which know null from NaN."""
    import pandas as pd

    return frame.assign(
        **{
            column: pd.Series(values, index=frame.index, dtype=pd.ArrowDtype(values.type))
            for column, values in added.items()
        }
    )
