"""Files that are whole or not there, directories with one writer, and what a run was made of."""

from __future__ import annotations

import errno
import json
import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from shutil import rmtree
from tempfile import gettempdir
from typing import Any

import xxhash
from filelock import FileLock, Timeout

from .errors import ConfigError
from .locks import only_writer
from .places import is_remote, place
from .remote import patiently, refusals

__all__ = [
    "claim",
    "digest",
    "local_directory",
    "only_writer",
    "output_directory",
    "read_json",
    "read_record",
    "refuse_another",
    "versions",
    "whole",
    "write_json",
]

_ROOM = "curate-out-"
_VERSIONS = ("curate-lm", "numpy", "pyarrow", "torch", "transformers", "scikit-learn")


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A local path whose file becomes that of ``path`` in one step, if the block ends well.

    In an object store that step is one upload, which is there as a whole or not at all.
    """
    if is_remote(path):
        remote: Any = path
        with _room() as room:
            local = room / path.name
            yield local
            patiently(str(path), lambda: remote.fs.put_file(str(local), remote.path))
        return
    if path.is_dir():
        raise ConfigError(f"{path}: is a directory. Give a file to write to.")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        yield temporary
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        if str(error).endswith(" written"):  # how NumPy says that a disk is full
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error
        if error.errno is not None:
            # Libraries that write do not say where, and the name of ours says nothing to anybody.
            error.filename, error.filename2 = str(path), None
        raise
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def _room() -> Iterator[Path]:
    """A local directory for a while; those of processes that were killed are removed.

    Its lock lies beside it and is taken before it is made, so that a room without one is dead.
    """
    _remove_left_rooms()
    room = Path(gettempdir()) / f"{_ROOM}{uuid.uuid4().hex}"
    with FileLock(_lock_of(room)):
        room.mkdir(mode=0o700)
        try:
            yield room
        finally:
            rmtree(room, ignore_errors=True)
            _lock_of(room).unlink(missing_ok=True)


@cache
def _remove_left_rooms() -> None:
    """Once in a process. The system lets go of a lock when its process dies."""
    for room in Path(gettempdir()).glob(f"{_ROOM}*/"):
        with suppress(Timeout, OSError), FileLock(_lock_of(room)).acquire(timeout=0):
            rmtree(room, ignore_errors=True)
            _lock_of(room).unlink(missing_ok=True)


def _lock_of(room: Path) -> Path:
    return room.with_name(f"{room.name}.lock")


def write_json(path: Path, value: Any) -> None:
    """Write plain values as JSON, keys sorted, whole or not at all."""
    with whole(path) as temporary:
        text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
        temporary.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read what `write_json` wrote.

    Raises:
        ConfigError: not there, or no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: not there. Was the step before this one run?") from error
    except IsADirectoryError as error:
        raise ConfigError(f"{path}: is a directory. Name the JSON file in it.") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    except ValueError as error:
        raise ConfigError(
            f"{path}: not JSON ({error}). Name a file that curate, or you, wrote as JSON."
        ) from error


def read_record(path: Path, keys: Sequence[str]) -> dict[str, Any]:
    """Read a JSON object that `write_json` wrote, with at least these keys.

    Raises:
        ConfigError: not there, or something else.
    """
    found = read_json(path)
    absent = [key for key in keys if not isinstance(found, dict) or key not in found]
    if absent:
        raise ConfigError(
            f"{path}: not what curate writes there: {absent[0]!r} is missing. Run the step that "
            f"wrote it again, in another directory."
        )
    return dict(found)


def digest(value: Any) -> str:
    """xxh3-128 of plain values, the same on every machine."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False)
    return xxhash.xxh3_128_hexdigest(text.encode("utf-8", "surrogatepass"))


@cache
def versions() -> dict[str, str]:
    """Versions of what decides a number."""
    return {name: version(name) for name in _VERSIONS}


def output_directory(out: str | Path) -> Path:
    """An output directory, local or in an object store, made where it is not there.

    Raises:
        ConfigError: a file of that name, or a store that cannot be reached.
    """
    path = place(out)
    if str(out).startswith("hf://"):
        raise ConfigError(
            f"{out}: every file written there would be a commit. Give a directory or another "
            f"store, and upload what comes of it."
        )
    with refusals(str(out)):
        is_file = path.exists() and not path.is_dir()
    if is_file:
        raise ConfigError(f"{out}: is a file. Give a directory to write to.")
    if not is_remote(path):
        path.mkdir(parents=True, exist_ok=True)
    return path


def local_directory(out: str | Path) -> Path:
    """An output directory of what cannot be written to an object store.

    Raises:
        ConfigError: a URL, or a file of that name.
    """
    if "://" in str(out):
        raise ConfigError(
            f"{out}: this is written to local directories alone. Give a path, and copy it there."
        )
    return output_directory(out)


def claim(directory: Path, name: str, config: dict[str, Any]) -> None:
    """Record the configuration a directory is written with; refuse another one.

    Raises:
        ConfigError: the directory holds the work of another configuration; names what differs.
    """
    path = directory / name
    if path.exists():
        refuse_another(directory, read_json(path), config)
    else:
        write_json(path, config)


def refuse_another(directory: Path, before: Any, now: dict[str, Any]) -> None:
    """Do nothing if two configurations are the same.

    Raises:
        ConfigError: they are not; names what differs, from what to what.
    """
    if not isinstance(before, dict):  # that of a dataset which is not finished
        raise ConfigError(f"{directory} holds an unfinished dataset. Give another directory.")
    before, now = _flat(before), _flat(now)
    differing = sorted(key for key in {*before, *now} if before.get(key) != now.get(key))
    if differing:
        changes = "; ".join(
            f"{key}: {_short(before.get(key))} → {_short(now.get(key))}" for key in differing
        )
        raise ConfigError(
            f"{directory} was written with another configuration ({changes}). "
            f"Give another directory, or delete this one."
        )


def _flat(value: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested keys as one level of dotted ones."""
    flat: dict[str, Any] = {}
    for key, inner in value.items():
        if isinstance(inner, dict):
            flat |= _flat(inner, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = list(inner) if isinstance(inner, tuple) else inner
    return flat


def _short(value: object, most: int = 120) -> str:
    text = repr(value)
    return text if len(text) <= most else text[:most] + " …"
