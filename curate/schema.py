"""What the columns of a table are: of scores, and of embeddings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from .readers import Rows

SCORE, EMBEDDING = "score", "embedding"
"""What a table holds of a document: the column of that name."""
NAMES = ("domain", "reason")
"""Columns of which many documents have one value."""
_NAME = pa.dictionary(pa.int32(), pa.string())


def score_table(
    batch: Rows, score: np.ndarray, reason: list[str | None], extra: Mapping[str, np.ndarray]
) -> pa.Table:
    """The score table of one batch; what is masked of an extra, or NaN, is null."""
    columns = {name: nullable(values) for name, values in extra.items()}
    return table_of(batch, SCORE, score_column(score, reason), reason, columns)


def score_column(score: np.ndarray, reason: list[str | None]) -> pa.Array:
    """Scores as float64, null where there is a reason."""
    missing = np.array([r is not None for r in reason], bool)
    return pa.array(score, pa.float64(), mask=missing)


def nullable(values: np.ndarray) -> pa.Array:
    """An extra as a column; what is masked, or NaN, is null."""
    masked = np.ma.getmaskarray(values)
    if np.issubdtype(values.dtype, np.floating):
        masked = masked | np.isnan(np.asarray(values))
    return pa.array(np.asarray(values), mask=masked)


def table_of(
    batch: Rows,
    measured: str,
    value: pa.Array,
    reason: list[str | None],
    extra: Mapping[str, pa.Array] | None = None,
) -> pa.Table:
    """The table of one batch: what is known of every document, and what was measured."""
    group = {} if batch.groups is None else {"group": pa.array(batch.groups, pa.uint64())}
    columns = {
        "row": pa.array(batch.rows, pa.int64()),
        "key": pa.array(batch.keys, pa.uint64()),
        "domain": pa.array(batch.domains, pa.string()).cast(_NAME),
        **group,
        measured: value,
        "reason": pa.array(reason, pa.string()).cast(_NAME),
        "n_bytes": pa.array(batch.n_bytes, pa.int32()),
    }
    return pa.table({**columns, **(extra or {})})


def layout(table: pa.Table) -> dict[str, Any]:
    """How Parquet is to write columns.

    Dictionaries for names alone, as those of numbers that are all different cost memory and time;
    of vectors the bytes of one place together.
    """
    names = {"use_dictionary": [name for name in NAMES if name in table.column_names]}
    if EMBEDDING not in table.column_names:
        return names
    return {**names, "use_byte_stream_split": [f"{EMBEDDING}.list.element"]}
