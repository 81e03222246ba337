"""Shards: what they are, and how they are found below what was given."""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import fsspec
import xxhash

from .credentials import redacted
from .errors import ConfigError, CorpusError, ShardError
from .remote import is_refusal, refusal

FORMATS = {
    ".parquet": "parquet",
    ".jsonl": "jsonl",
    ".jsonl.gz": "jsonl",
    ".jsonl.zst": "jsonl",
    ".arrow": "arrow",
}
NO_DOMAIN = "all"
LOG = "progress.jsonl"
"""What runs say of themselves beside what they write, see `curate.progress_log`."""
_LOG_BEGINS = b'{"event": "started"'
_OURS = ("_config.json", "_selection.json", "manifest.json")
_LONGEST_NAME = 240  # bytes; file systems have 255, and tables add an ending and a temporary one


@dataclass(frozen=True, kw_only=True)
class Shard:
    """One file of documents.

    Attributes:
        url: absolute path or fsspec URL.
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

    @property
    def is_local(self) -> bool:
        """Whether this is a file of this machine."""
        return Path(self.url).is_absolute()

    def open(self) -> Any:
        """The raw bytes, as a binary file that can be sought in.

        Raises:
            ShardError: the file cannot be opened, or is none.
        """
        try:
            if self.is_local:
                if not stat.S_ISREG(os.stat(self.url).st_mode):  # noqa: PTH116
                    raise OSError("it is no regular file")
                return Path(self.url).open("rb")
            from .remote import opened

            return opened(self.url)
        except OSError as error:
            raise ShardError(f"{self.url}: cannot be opened: {error}") from error

    @property
    def size(self) -> int:
        """Of the file, in bytes."""
        return int(self.fingerprint.partition(":")[0])

    @cached_property
    def fingerprint(self) -> str:
        """``<bytes>:<xxh3-128 of the content>``; reads a local file once.

        Raises:
            ShardError: it cannot be read.
        """
        if not self.is_local:
            from .remote import content_id

            try:
                return content_id(self.url)
            except OSError as error:
                raise ShardError(f"{self.url}: cannot be read: {error}") from error
        digest, size = xxhash.xxh3_128(), 0
        with self.open() as stream:
            try:
                while chunk := stream.read(1 << 20):
                    digest.update(chunk)
                    size += len(chunk)
            except OSError as error:
                raise ShardError(f"{self.url}: cannot be read: {error}") from error
        return f"{size}:{digest.hexdigest()}"


def found_in(given: str) -> list[Shard]:
    """The shards one input stands for: a file, a directory, a glob, or a URL of these.

    Raises:
        CorpusError: there are none.
        ConfigError: one has a name that no table can have.
    """
    base, paths, url_of = _listed(given)
    names = {path: posixpath.relpath(path, base) if base else path for path in paths}
    ours = {posixpath.dirname(p) + "/" for p in paths if posixpath.basename(p) in _OURS}
    shards, given_name = [], posixpath.basename(given)
    for path, name in sorted(names.items()):
        suffix = next(
            (s for s in sorted(FORMATS, key=len, reverse=True) if name.lower().endswith(s)), None
        )
        if suffix is None or any(path.startswith(directory) for directory in ours):
            continue
        parts = name.split("/")
        if ".." in parts:
            raise ConfigError(f"{given}: {name!r} lies outside {base!r}. Name its own directory.")
        if name == given_name or not any(part.startswith((".", "_")) for part in parts):
            shard = Shard(url=url_of(path), name=name, suffix=suffix)
            if not _is_log(shard):
                _check_name(given, name)
                shards.append(shard)
    if not shards:
        raise CorpusError(_nothing(given, paths))
    return shards


def _is_log(shard: Shard) -> bool:
    """Whether a file of that name is what a run said of itself, and holds no documents."""
    if posixpath.basename(shard.name) != LOG:
        return False
    with suppress(ShardError, OSError), shard.open() as stream:
        return bool(stream.read(len(_LOG_BEGINS)) == _LOG_BEGINS)
    return False


def check_apart(shards: Iterable[Shard]) -> None:
    """Whether every shard can have its own table, whatever the others are called.

    Raises:
        CorpusError: the table of one would be a directory of another's.
    """
    by_place = {place: s for s in shards for place in {s.name, f"{s.name}.parquet"}}
    for shard in by_place.values():
        parts = shard.name.split("/")
        for i in range(1, len(parts)):
            if (other := by_place.get("/".join(parts[:i]))) is not None:
                raise CorpusError(
                    f"{shard.url} lies in a directory named like the table of {other.url}. "
                    f"Rename one."
                )


def _check_name(given: str, name: str) -> None:
    """Whether a table below any directory can have this name."""
    if name.startswith("/"):
        raise ConfigError(f"{given}: holds {name!r}, which lies outside it. Name its directory.")
    try:
        longest = max(len(part.encode()) for part in name.split("/"))
    except UnicodeEncodeError as error:
        raise ConfigError(f"{given}: the name {name!r} is not UTF-8. Rename that file.") from error
    if longest > _LONGEST_NAME:
        raise ConfigError(
            f"{given}: the name {name!r} has a part of {longest} bytes, and the names of tables "
            f"are longer still. Rename that file to {_LONGEST_NAME} bytes at most."
        )


def _listed(given: str) -> tuple[str, list[str], Callable[[str], str]]:
    """(what names are told below, every file, how a file's URL is made)."""
    if not given:
        raise CorpusError("An input is empty. Name a file, a directory, a glob or a URL.")
    try:
        here = os.path.lexists(given)  # whatever else the name would mean as a URL
        fs, path = (
            (fsspec.filesystem("file"), os.path.abspath(given))  # noqa: PTH100
            if here
            else fsspec.core.url_to_fs(given)
        )
    except (ImportError, ValueError) as error:
        raise CorpusError(f"{given}: {error} (pip install it, or check the URL).") from error
    protocols = [fs.protocol] if isinstance(fs.protocol, str) else list(fs.protocol)
    local = "file" in protocols
    try:
        if any(c in path for c in "*?[") and not (here or fs.exists(path)):
            fixed = path[: min(path.find(c) for c in "*?[" if c in path)]
            base, paths = posixpath.dirname(fixed), [p for p in fs.glob(path) if not fs.isdir(p)]
        elif fs.isdir(path):
            base, paths = path.rstrip("/"), [*_walk(path)] if local else fs.find(path)
        elif here or fs.exists(path):
            base, paths = posixpath.dirname(path), [path]
        else:
            raise CorpusError(f"{given}: no such file or directory.")
    except CorpusError:
        raise
    except Exception as error:
        if not local and is_refusal(error):
            raise refusal(given, error) from None
        raise CorpusError(redacted(f"{given}: cannot be listed: {error}")) from error
    return base, paths, (lambda p: p) if local else fs.unstrip_protocol


def _walk(root: str) -> Iterator[str]:
    """Files below a directory, through links, but not round in a circle.

    Links that lead nowhere are told like files, so that reading them says so.
    """

    def fail(error: OSError) -> None:
        raise error

    ways = {root: frozenset({os.path.realpath(root)})}
    for directory, below, files in os.walk(root, followlinks=True, onerror=fail):
        above = ways.pop(directory)
        real = {name: os.path.realpath(posixpath.join(directory, name)) for name in below}
        below[:] = [name for name in below if real[name] not in above]
        ways |= {posixpath.join(directory, name): above | {real[name]} for name in below}
        yield from (posixpath.join(directory, name) for name in files)


def _nothing(given: str, paths: Sequence[str]) -> str:
    wanted = ", ".join(FORMATS)
    if not paths:
        return f"{given}: nothing there. Wanted at least one shard ({wanted})."
    some = ", ".join(sorted(posixpath.basename(p) for p in paths)[:3])
    return f"{given}: none of its {len(paths)} files is a shard ({wanted}). Found {some}."
