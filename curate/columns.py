"""Columns of texts and of vectors, of whatever type they are stored in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from .corpus import Shard
from .errors import ShardError

Vector = NDArray[np.float32]


def texts_of(text: Any, column: str, shard: Shard) -> list[bytes | None]:
    """Bytes of each text, checked by nobody yet; None where it is null.

    Raises:
        ShardError: the column holds no text.
    """
    if pa.types.is_dictionary(text.type):
        text = text.dictionary_decode()
    kind = text.type
    if not (pa.types.is_binary(kind) or pa.types.is_large_binary(kind)):
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
            try:
                text = text.cast(pa.large_string())
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
                text = None
        if text is None or pa.types.is_integer(kind) or pa.types.is_floating(kind):
            raise ShardError(f"{shard.url}: column {column!r} holds {kind}, not text.")
        text = text.cast(pa.large_binary())
    return list(text.to_pylist())


def vectors_of(lists: Any, column: str, shard: Shard) -> list[Vector | None]:
    """Each list of numbers as an array, a null within it as NaN; None where it is null itself.

    Raises:
        ShardError: the column holds no lists of numbers.
    """
    lists = lists.storage if isinstance(lists, pa.ExtensionArray) else lists
    kind = lists.type
    fixed = pa.types.is_fixed_size_list(kind)
    if not (fixed or pa.types.is_list(kind) or pa.types.is_large_list(kind)) or not (
        pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type)
    ):
        raise ShardError(f"{shard.url}: column {column!r} holds {kind}, not lists of numbers.")
    with np.errstate(over="ignore"):  # what is no float32 becomes infinite, and is told later
        numbers = lists.values.to_numpy(zero_copy_only=False).astype(np.float32)
    if fixed:
        ends = (lists.offset + np.arange(len(lists) + 1)) * kind.list_size
    else:
        ends = lists.offsets.to_numpy()
    there = lists.is_valid().to_pylist()
    return [numbers[ends[i] : ends[i + 1]] if ok else None for i, ok in enumerate(there)]


def json_vector(value: Any) -> Vector | None:
    """A list of numbers as an array; None of anything else."""
    if not isinstance(value, list):
        return None
    try:
        with np.errstate(over="ignore"):
            numbers = np.array(value, np.float64).astype(np.float32)
    except (ValueError, TypeError, OverflowError):
        return None
    return numbers if numbers.ndim == 1 else None
