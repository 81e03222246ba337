"""Where things are read and written: local paths, and objects in a store by their URLs.

A place is a `pathlib.Path`, or for a URL such as ``s3://bucket/key`` a `upath.UPath`, which has the
same methods. Everything typed ``Path`` in this package is a place, unless it says that it is local.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq

from .errors import ConfigError


def place(given: str | Path) -> Path:
    """The place that a path or a URL names.

    Raises:
        ConfigError: no such kind of store, or the package for it is not installed.
    """
    if not isinstance(given, str):
        return given  # a place already, of a store it may be
    if "://" not in given:
        return Path(given)
    from upath import UPath

    try:
        # Other processes write there, too: what is there is never told from memory.
        return cast("Path", UPath(given, use_listings_cache=False))
    except (ImportError, ValueError) as error:
        raise ConfigError(f"{given}: {error} (pip install it, or check the URL).") from error


def is_remote(where: Path) -> bool:
    """Whether a place is in an object store."""
    return not isinstance(where, Path)


def parquet(where: Path) -> Any:
    """A Parquet file, as a context manager; of a remote one, only what is asked for is read."""
    if is_remote(where):
        from .remote import opened

        return pq.ParquetFile(pa.PythonFile(opened(str(where)), mode="r"), pre_buffer=False)
    return pq.ParquetFile(where, pre_buffer=False)


def parquet_metadata(where: Path) -> Any:
    """What the end of a Parquet file says: rows, row groups, schema."""
    with parquet(where) as file:
        return file.metadata


def parquet_schema(where: Path) -> pa.Schema:
    """Columns and their types."""
    with parquet(where) as file:
        return file.schema_arrow


def read_parquet(where: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """The table that a Parquet file holds, or some of its columns."""
    with parquet(where) as file:
        return file.read(columns=None if columns is None else list(columns))


def remove(where: Path) -> None:
    """Remove a file or a whole tree, if it is there."""
    if is_remote(where):
        remote: Any = where
        if remote.fs.exists(remote.path):
            remote.fs.rm(remote.path, recursive=True)
    elif where.is_dir():
        shutil.rmtree(where, ignore_errors=True)
    else:
        where.unlink(missing_ok=True)
