"""The errors of curate, and the exit code each one ends a command with.

    CurateError                exit 1   something went wrong that the message explains
    ├── ConfigError            exit 2   the request contradicts itself, the files, an earlier run
    ├── CorpusError            exit 2   the corpus cannot be read as asked
    ├── ShardError             exit 3   one shard cannot be read; recorded, the other shards go on
    └── BackendError           exit 1   a model or a server does not do what it must

A message says which file, row and parameter, what was wanted, what was found, and what to do.
Documents that cannot be scored are not errors: they get a null score and a reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class CurateError(Exception):
    """Base of all errors that curate raises on purpose."""

    exit_code = 1


class ConfigError(CurateError):
    """The request contradicts itself, the files it names, or what an earlier run left behind."""

    exit_code = 2


class CorpusError(CurateError):
    """The corpus cannot be read as asked."""

    exit_code = 2


class ShardError(CurateError):
    """One shard cannot be read. The run records it, goes on, and ends with exit code 3."""

    exit_code = 3


class BackendError(CurateError):
    """A model or a server cannot do what a scorer needs of it."""


@contextmanager
def as_config_error(about: str) -> Iterator[None]:
    """Turn what a library says of a bad argument (ValueError) into a `ConfigError`."""
    try:
        yield
    except ValueError as error:
        raise ConfigError(f"{about}: {error}") from error
