"""What a corpus is: shards, their domains, and documents in batches of (row, key, text).

A *shard* is one file. Its *name* is its path below the directory (or the fixed part of the glob)
that was given, and is what every table written about it is called. A *domain* comes from a column,
or is the first directory of the shard's name.
"""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import fsspec
import xxhash

from .errors import CorpusError, ShardError

FORMATS = {
    ".parquet": "parquet",
    ".jsonl": "jsonl",
    ".jsonl.gz": "jsonl",
    ".jsonl.zst": "jsonl",
    ".arrow": "arrow",
}
NO_DOMAIN = "all"
_OURS = ("_config.json", "_selection.json", "manifest.json")


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """Where the shards are, and which columns hold what.

    Attributes:
        inputs: files, directories (searched to any depth), globs, or fsspec URLs of these.
        text_column: holds the text of a document.
        id_column: holds its id. None: "id" where a shard has such a column, else documents are
            known by shard name and row.
        domain_column: holds its domain. None: the first directory of the shard's name.
        group_column: holds what documents are grouped by, such as the problem that one is a
            solution of. Tables then have a column "group". None: they have none.
        max_document_bytes: a longer document is not scored; its reason is "too_long".
        leave_out: names of shards that are there and not to be read.
    """

    inputs: tuple[str, ...]
    text_column: str = "text"
    id_column: str | None = None
    domain_column: str | None = None
    group_column: str | None = None
    max_document_bytes: int = 4 * 2**20
    leave_out: frozenset[str] = frozenset()

    @cached_property
    def shards(self) -> list[Shard]:
        """Every shard, sorted by name. What curate itself wrote is no shard.

        Raises:
            CorpusError: nothing found, two shards of one name, or one file under two names.
        """
        if not self.inputs:
            raise CorpusError("No input was given. Name a file, a directory, a glob or a URL.")
        by_table: dict[str, Shard] = {}
        by_url: dict[str, Shard] = {}
        for shard in (shard for given in self.inputs for shard in _expand(given)):
            other = by_table.setdefault(shard.name.removesuffix(".parquet"), shard)
            if other.url != shard.url:
                raise CorpusError(
                    f"Two shards have the name {shard.name!r}, with or without .parquet: "
                    f"{other.url} and {shard.url}. Their tables would overwrite each other. Give "
                    f"their common parent directory as one input, or rename one."
                )
            other = by_url.setdefault(shard.url, shard)
            if other.name != shard.name:
                raise CorpusError(
                    f"{shard.url} comes in twice, as {other.name!r} and as {shard.name!r}. Name "
                    f"inputs that do not hold each other."
                )
        found = sorted(by_url.values(), key=lambda shard: shard.name)
        return [shard for shard in found if shard.name not in self.leave_out]

    def without(self, names: Collection[str]) -> Corpus:
        """The same corpus, some shards left out."""
        return replace(self, leave_out=self.leave_out | set(names))

    def reading(self) -> dict[str, Any]:
        """How documents are read, as plain JSON values; where they are does not matter.

        Nor do groups: tables with and without them describe the same documents.
        """
        beside = ("inputs", "leave_out", "group_column")
        return {key: value for key, value in asdict(self).items() if key not in beside}

    def grouping(self) -> dict[str, str]:
        """What else a table's configuration says of the reading: the group column, if any."""
        return {} if self.group_column is None else {"group_column": self.group_column}


@dataclass(frozen=True, kw_only=True)
class Shard:
    """One file of documents.

    Attributes:
        url: path or fsspec URL.
        name: path below the input it was found in, with forward slashes.
        suffix: one of `FORMATS`.
    """

    url: str
    name: str
    suffix: str

    @property
    def domain(self) -> str:
        """The first directory of the name; "all" where it has none."""
        head, _, rest = self.name.partition("/")
        return head if rest else NO_DOMAIN

    def open(self) -> Any:
        """The raw bytes, as a binary file.

        Raises:
            ShardError: the file cannot be opened.
        """
        try:
            return fsspec.open(self.url, "rb").open()
        except OSError as error:
            raise ShardError(f"{self.url}: cannot be opened: {error}") from error

    @cached_property
    def fingerprint(self) -> str:
        """``<bytes>:<xxh3-128 of the content>``; reads the file once."""
        digest, size = xxhash.xxh3_128(), 0
        with self.open() as stream:
            while chunk := stream.read(1 << 22):
                digest.update(chunk)
                size += len(chunk)
        return f"{size}:{digest.hexdigest()}"


def document_key(document_id: str) -> int:
    """The 64-bit key of a document: xxh3 of its id, whatever file it is in."""
    return xxhash.xxh3_64_intdigest(document_id.encode("utf-8", "surrogatepass"))


def _suffix(path: str) -> str | None:
    name = posixpath.basename(path)
    if name.startswith((".", "_")):
        return None
    return next((s for s in sorted(FORMATS, key=len, reverse=True) if name.endswith(s)), None)


def _expand(given: str) -> list[Shard]:
    """The shards one input stands for."""
    try:
        fs, path = fsspec.core.url_to_fs(given)
    except (ImportError, ValueError) as error:
        raise CorpusError(f"{given}: {error} (pip install it, or check the URL).") from error
    is_glob = any(c in path for c in "*?[") and not fs.exists(path)
    if is_glob:
        fixed = path[: min(path.find(c) for c in "*?[" if c in path)]
        base, paths = posixpath.dirname(fixed), [p for p in fs.glob(path) if fs.isfile(p)]
    elif fs.isdir(path):
        base, paths = path.rstrip("/"), fs.find(path)
    elif fs.exists(path):
        base, paths = posixpath.dirname(path), [path]
    else:
        raise CorpusError(f"{given}: no such file or directory.")
    ours = {posixpath.dirname(p) + "/" for p in paths if posixpath.basename(p) in _OURS}
    found = (
        _shard(fs, base, p)
        for p in sorted(paths)
        if not _hidden(p, base) and not any(p.startswith(directory) for directory in ours)
    )
    shards = [shard for shard in found if shard is not None]
    if not shards:
        raise CorpusError(_nothing(given, paths))
    return shards


def _hidden(path: str, base: str) -> bool:
    below = posixpath.relpath(path, base) if base else path
    return any(part.startswith((".", "_")) for part in below.split("/"))


def _shard(fs: Any, base: str, path: str) -> Shard | None:
    suffix = _suffix(path)
    if suffix is None:
        return None
    local = "file" in ([fs.protocol] if isinstance(fs.protocol, str) else fs.protocol)
    name = posixpath.relpath(path, base) if base else path
    return Shard(url=path if local else fs.unstrip_protocol(path), name=name, suffix=suffix)


def _nothing(given: str, paths: Sequence[str]) -> str:
    wanted = ", ".join(FORMATS)
    if not paths:
        return f"{given}: nothing there. Wanted at least one shard ({wanted})."
    some = ", ".join(sorted(posixpath.basename(p) for p in paths)[:3])
    return f"{given}: none of its {len(paths)} files is a shard ({wanted}). Found {some}."
