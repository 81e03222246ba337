"""How a table is written: chunk by chunk, in parts that are whole or not there.

    OUT/<scorer>/.parts/<shard name>/<first row>.parquet   chunks of a shard that is not finished

Parts of one shard may be written by several processes, each from a row of its own on. When all are
there they are streamed into the table, in row groups whose bounds depend on nothing but the rows,
so that an interrupted run leaves the same bytes as an undisturbed one, however it was cut.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from .corpus import Shard
from .files import versions, whole
from .places import parquet, read_parquet, remove
from .schema import NAMES, layout
from .tables import METADATA, PARTS, ScoreStore, table_metadata

_GROUP_ROWS, _GROUP_BYTES = 131_072, 64 * 2**20


class Parts:
    """What is done of one shard.

    Args:
        store: what the table belongs to.
        shard: what it is about.
    """

    def __init__(self, store: ScoreStore, shard: Shard) -> None:
        self._store, self._shard = store, shard
        self._root = store.root / PARTS / shard.name
        self._made_from = {
            "fingerprint": store.fingerprint,
            "shard_fingerprint": shard.fingerprint,
        }

    @cached_property
    def _there(self) -> dict[int, tuple[Path, int]]:
        """Path and row count of each part, by its first row; those of another run are removed."""
        found = {}
        for path in sorted(self._root.glob("[0-9]*.parquet")):
            metadata = table_metadata(path)
            if any(metadata.get(key) != value for key, value in self._made_from.items()):
                remove(path)
                continue
            with parquet(path) as file:
                found[int(path.stem)] = path, int(file.metadata.num_rows)
        return found

    def reached(self, first: int) -> int:
        """The row up to which everything from ``first`` on is there."""
        while first in self._there:
            first += self._there[first][1]
        return first

    def add(self, tables: Sequence[pa.Table]) -> None:
        """Write chunks that follow each other, at least one row of them, as a part."""
        table = _plain(pa.concat_tables(tables))
        first = table["row"][0].as_py()
        path = self._root / f"{first:012d}.parquet"
        with whole(path) as temporary:
            pq.write_table(_stamped(table, self._made_from), temporary, **layout(table))
        self._there[first] = path, table.num_rows

    def finish(self, tail: Sequence[pa.Table] = ()) -> None:
        """Turn all parts, and the chunks that come after them, into the table.

        Args:
            tail: not written as a part; one chunk without a row where the shard has none.
        """
        begins = next((chunk["row"][0].as_py() for chunk in tail if len(chunk)), None)
        if begins is None:
            n_rows = max((first + rows for first, (_, rows) in self._there.items()), default=0)
        else:
            n_rows = begins + sum(map(len, tail))
        path = self._store.table_path(self._shard.name)
        metadata = {
            **self._made_from,
            "shard": self._shard.name,
            "rows": n_rows,
            "versions": versions(),
            **{k: self._store.config[k] for k in ("scorer", "column", "unit", "config")},
        }
        with whole(path) as temporary:
            _write(
                chain(self._rows(n_rows if begins is None else begins), tail), metadata, temporary
            )
        remove(self._root)

    def _rows(self, end: int) -> Iterator[pa.Table]:
        """Every row before ``end`` once: processes may have done some twice, with one result."""
        reached = 0
        for first, (path, rows) in sorted(self._there.items()):
            if reached < min(first + rows, end):
                if first > reached:
                    raise RuntimeError(f"{path}: rows {reached} to {first - 1} are in no part.")
                yield read_parquet(path).slice(reached - first, end - reached)
                reached = min(first + rows, end)


def _write(chunks: Iterator[pa.Table], metadata: dict[str, Any], path: Path) -> None:
    first = _plain(next(chunks))
    schema = _named(first).schema.with_metadata(_stamp(metadata))
    with pq.ParquetWriter(path, schema, compression="zstd", **layout(first)) as writer:
        for group in _groups(chain([first], map(_plain, chunks)), _group_rows(first)):
            writer.write_table(_named(group))


def _groups(chunks: Iterable[pa.Table], most: int) -> Iterator[pa.Table]:
    """The same rows, so many at a time."""
    waiting: list[pa.Table] = []
    n_waiting = 0
    for chunk in chunks:
        waiting.append(chunk)
        n_waiting += chunk.num_rows
        while n_waiting >= most:
            table = pa.concat_tables(waiting)
            yield table.slice(0, most)
            waiting, n_waiting = [table.slice(most)], n_waiting - most
    if n_waiting:
        yield pa.concat_tables(waiting)


def _group_rows(chunk: pa.Table) -> int:
    """Rows of a row group, of which a table of long vectors has fewer."""
    widths: list[int] = [
        field.type.list_size for field in chunk.schema if pa.types.is_fixed_size_list(field.type)
    ]
    return max(1024, min(_GROUP_ROWS, _GROUP_BYTES // (2 * sum(widths) + 1)))


def _plain(table: pa.Table) -> pa.Table:
    """Names as text, as dictionaries of several chunks would differ, and lists as they are made."""
    for at, (name, kind) in enumerate(zip(table.column_names, table.schema.types, strict=True)):
        if name in NAMES:
            table = table.set_column(at, name, table[name].cast(pa.string()))
        elif pa.types.is_fixed_size_list(kind):
            made = pa.list_(kind.value_type, kind.list_size)
            table = table.set_column(at, name, table[name].cast(made))
    return table


def _named(table: pa.Table) -> pa.Table:
    """Names as a dictionary of those that occur, in the order they do."""
    table = table.combine_chunks()
    for name in NAMES:
        at = table.column_names.index(name)
        table = table.set_column(at, name, table[name].dictionary_encode())
    return table


def _stamp(metadata: dict[str, Any]) -> dict[bytes, bytes]:
    return {METADATA: json.dumps(metadata, sort_keys=True).encode()}


def _stamped(table: pa.Table, metadata: dict[str, Any]) -> pa.Table:
    return table.replace_schema_metadata(_stamp(metadata))
