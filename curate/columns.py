"""Columns of texts, of ids, of vectors and of scores, of whatever type they are stored in."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from .errors import ShardError
from .shards import Shard

Vector = NDArray[np.float32]
_LONGEST = 2**31 - 1


@dataclass(frozen=True)
class Texts:
    """Some texts, looked at.

    Attributes:
        text: large_string, null where there is a reason.
        n_bytes: int32, of the UTF-8 text as found; 0 where it is null.
        reasons: "missing_text", "too_long", "invalid_utf8", or None.
    """

    text: Any
    n_bytes: NDArray[np.int32]
    reasons: list[str | None]


def texts_of(column: Any, name: str, shard: Shard, most: int) -> Texts:
    """The texts of a column, of which those of more than ``most`` bytes are too long.

    Raises:
        ShardError: the column holds no text.
    """
    plain = _unwrapped(column)
    kind = plain.type
    if pa.types.is_dictionary(kind):
        used, at = _used(plain)
        values = texts_of(used, name, shard, most)
        return Texts(
            values.text.take(at),
            values.n_bytes[at.fill_null(0).to_numpy()] * at.is_valid().to_numpy(False)
            if len(used)
            else np.zeros(len(plain), np.int32),
            ["missing_text" if i is None else values.reasons[i] for i in at.to_pylist()],
        )
    if not (_is_text(kind) or pa.types.is_null(kind)):
        raise ShardError(f"{shard.url}: column {name!r} holds {column.type}, not text.")
    return checked(plain.cast(pa.large_binary()), most)


def checked(raw: Any, most: int) -> Texts:
    """The texts in a large_binary array, or in a large_string one that is known to be UTF-8."""
    reasons: list[str | None] = [None] * len(raw)
    lengths = pc.fill_null(pc.binary_length(raw), 0).to_numpy()
    if raw.null_count:
        for i in np.flatnonzero(raw.is_null().to_numpy(False)).tolist():
            reasons[i] = "missing_text"
    if (long := lengths > most).any():
        for i in np.flatnonzero(long).tolist():
            reasons[i] = "too_long"
        raw = pc.if_else(pa.array(~long), raw, pa.scalar(None, raw.type))
    try:
        text = raw.cast(pa.large_string())
    except pa.ArrowInvalid:
        decoded = [None if value is None else _decoded(value) for value in raw.to_pylist()]
        reasons = [
            "invalid_utf8" if value is None and why is None else why
            for value, why in zip(decoded, reasons, strict=True)
        ]
        text = pa.array(decoded, pa.large_string())
    return Texts(text, np.minimum(lengths, _LONGEST).astype(np.int32), reasons)


def texts_from(values: list[str | None], most: int) -> Texts:
    """Texts that are strings already; one with a lone surrogate is no UTF-8."""
    try:
        return checked(pa.array(values, pa.large_string()), most)
    except UnicodeEncodeError:
        raw = [None if v is None else v.encode("utf-8", "surrogatepass") for v in values]
        return checked(pa.array(raw, pa.large_binary()), most)


def names_of(column: Any, name: str, shard: Shard) -> list[str | None]:
    """Ids, domains or groups: each value as a string, bytes that are no UTF-8 as escapes.

    Raises:
        ShardError: the column holds values that cannot be told.
    """
    plain = _unwrapped(column)
    if pa.types.is_dictionary(plain.type):
        used, at = _used(plain)
        told = names_of(used, name, shard)
        return [None if i is None else told[i] for i in at.to_pylist()]
    try:
        values = plain.to_pylist()
    except (ValueError, OverflowError, NotImplementedError) as error:
        if _is_text(plain.type):
            raw = plain.cast(pa.large_binary()).to_pylist()
            return [None if v is None else v.decode("utf-8", "backslashreplace") for v in raw]
        raise ShardError(
            f"{shard.url}: column {name!r} holds {column.type} that cannot be told ({error})."
        ) from error
    if pa.types.is_string(plain.type) or pa.types.is_large_string(plain.type):
        return list(values)
    return [None if value is None else str(value) for value in values]


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
    if fixed:
        ends = (lists.offset + np.arange(len(lists) + 1)) * kind.list_size
    else:
        ends = lists.offsets.to_numpy().astype(np.int64)
    first = int(ends[0]) if len(ends) else 0
    length = int(ends[-1]) - first if len(ends) else 0
    with np.errstate(over="ignore"):  # what is no float32 becomes infinite, and is told later
        here = lists.values.slice(first, length)
        numbers = here.to_numpy(zero_copy_only=False).astype(np.float32)
    there = lists.is_valid().to_pylist()
    ends = ends - first
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


def numbers_of(column: Any, name: str, shard: Shard) -> tuple[list[float], list[str | None]]:
    """Each number as float64, and why it is no score: "missing_score", "not_finite", or None.

    Raises:
        ShardError: the column holds no numbers.
    """
    plain = _unwrapped(column)
    if pa.types.is_dictionary(plain.type):
        plain = plain.dictionary_decode()
    kinds = ("integer", "floating", "decimal", "null")
    if not any(getattr(pa.types, f"is_{kind}")(plain.type) for kind in kinds):
        raise ShardError(f"{shard.url}: column {name!r} holds {column.type}, not numbers.")
    values = plain.cast(pa.float64(), safe=False)
    numbers = values.to_numpy(zero_copy_only=False)
    told = np.full(len(numbers), None, object)
    told[~np.isfinite(numbers)] = "not_finite"
    told[values.is_null().to_numpy(zero_copy_only=False)] = "missing_score"
    return np.where(np.isfinite(numbers), numbers, np.nan).tolist(), told.tolist()


def json_number(value: Any) -> tuple[float, str | None]:
    """A score, and why it is none: also "not_a_number", as strings and booleans are."""
    if value is None:
        return np.nan, "missing_score"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return np.nan, "not_a_number"
    try:
        number = float(value)
    except OverflowError:
        return np.nan, "not_finite"
    return (number, None) if isfinite(number) else (np.nan, "not_finite")


def sound(column: Any) -> Any:
    """The column, once its offsets and indices are known to lie within it.

    What comes out of a file is not checked by anything else, and would be read out of bounds.

    Raises:
        pa.ArrowInvalid: they do not.
    """
    _without_utf8(_unwrapped(column)).validate(full=True)
    return column


def _without_utf8(column: Any) -> Any:
    """The same with strings as bytes, as a text that is no UTF-8 has a reason of its own."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        values = _without_utf8(column.dictionary)
        return pa.DictionaryArray.from_arrays(column.indices, values, safe=False)
    for strings, of_bytes in (
        (pa.string(), pa.binary()),
        (pa.large_string(), pa.large_binary()),
        (pa.string_view(), pa.binary_view()),
    ):
        if kind == strings:
            return column.view(of_bytes)
    return column


def _unwrapped(column: Any) -> Any:
    """What an extension type stores, and runs as single values."""
    if isinstance(column, pa.ExtensionArray):
        return _unwrapped(column.storage)
    if not pa.types.is_run_end_encoded(column.type):
        return column
    ends = column.run_ends.to_numpy()
    rises = len(ends) and ends[0] > 0 and (ends[1:] > ends[:-1]).all()
    if len(column) and not (
        rises and ends[-1] >= column.offset + len(column) and len(column.values) >= len(ends)
    ):
        raise pa.ArrowInvalid("runs do not end one after the other, or before the column does")
    return pc.run_end_decode(column)


def _used(column: Any) -> tuple[Any, Any]:
    """The values of a dictionary that occur, and which of them each row has.

    A value that occurs often is never copied before it is known to be short.
    """
    codes = pc.unique(column.indices.drop_null())
    return column.dictionary.take(codes), pc.index_in(column.indices, codes, skip_nulls=True)


def _is_text(kind: Any) -> bool:
    tests = ("string", "large_string", "string_view", "binary", "large_binary", "binary_view")
    plain = any(getattr(pa.types, f"is_{test}")(kind) for test in tests)
    return plain or bool(pa.types.is_fixed_size_binary(kind))


def _decoded(value: bytes) -> str | None:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None
