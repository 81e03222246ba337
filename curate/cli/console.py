"""What a person reads: results on standard output, progress and errors on standard error."""

from __future__ import annotations

import errno
import os
import unicodedata
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape

from .. import interrupts
from ..credentials import redacted
from ..errors import CurateError
from ..remote import of_a_store

if TYPE_CHECKING:
    from ..progress import Reporter

_NARROWEST = 110  # a table is wrapped by the terminal rather than cut by us
output = Console(soft_wrap=True, highlight=False)
output.width = max(output.width, _NARROWEST)
errors = Console(stderr=True, highlight=False)
_AGAIN = interrupts.GO_ON[0].lower() + interrupts.GO_ON[1:]
_MAKE_ROOM, _ALLOW = "Make room there", "Give the permission"
_NO_WAY_TO_WRITE = {
    errno.ENOSPC: _MAKE_ROOM,
    errno.EDQUOT: _MAKE_ROOM,
    errno.EFBIG: _MAKE_ROOM,
    errno.EROFS: "Make it writable",
    errno.EACCES: _ALLOW,
    errno.EPERM: _ALLOW,
}


def printable(text: object) -> str:
    """Any text, made safe for a terminal: no control characters, no markup, no passwords."""
    shown = "".join(
        c if unicodedata.category(c)[0] != "C" else f"\\x{ord(c):02x}" for c in redacted(str(text))
    )
    return escape(shown)


def say(text: str) -> None:
    """Several lines on standard error, each safe for a terminal, and however quiet it is to be."""
    errors.quiet = False
    for line in text.expandtabs(2).splitlines():
        errors.print(printable(line), soft_wrap=True)


def failed(error: BaseException | None) -> int:
    """Say what went wrong, and what to do; gives the exit code."""
    say(f"Error: {_explained(error)}")
    return error.exit_code if isinstance(error, CurateError) else CurateError.exit_code


def _explained(error: BaseException | None) -> str:
    """What an error says, and what follows from it where it comes from the system."""
    if isinstance(error, OSError) and error.errno in _NO_WAY_TO_WRITE:
        where = f"{error.filename}: " if error.filename else ""
        return (
            f"{where}{os.strerror(error.errno or 0)}. {_NO_WAY_TO_WRITE[error.errno]}: nothing "
            f"that is done is lost. {interrupts.GO_ON}"
        )
    if isinstance(error, OSError) and error.errno is not None and error.filename:
        return (
            f"{error.filename}: {os.strerror(error.errno)}. Check that this is the path that was "
            f"meant, and a file or a directory as it should be."
        )
    if isinstance(error, MemoryError):
        return (
            f"Out of memory. {error} What is done is kept: with more memory, or fewer --workers, "
            f"{_AGAIN}"
        )
    if isinstance(error, BrokenExecutor):
        return (
            f"A worker process was killed; when memory runs out, the system does that. With more "
            f"of it, or fewer --workers, {_AGAIN}"
        )
    if isinstance(error, CurateError | OSError):
        return str(error)
    return _unforeseen(error)


def _unforeseen(error: BaseException | None) -> str:
    """What a library says that is no error of ours."""
    if isinstance(error, EOFError):
        return f"A file ends before it should. {error}"
    if error is not None and of_a_store(error):
        return f"The object store: {error} {interrupts.GO_ON}"
    return (
        f"{type(error).__name__}: {error}. This was not foreseen. Nothing that is done is lost. "
        f"With CURATE_TRACEBACK=1 the same command shows where it happened: please report that."
    )


@dataclass
class Watched:
    """How this command was asked to tell, and what its stages did.

    Attributes:
        as_json: figures are printed as one JSON object, and nothing else on standard output.
        stages: how each stage ended, see `curate.progress.Standing.plain`.
    """

    as_json: bool = False
    stages: list[dict[str, Any]] = field(default_factory=list)


watched = Watched()


def start() -> None:
    """Forget what the command before this one was asked."""
    watched.as_json, output.quiet, errors.quiet = False, False, False
    watched.stages.clear()


@contextmanager
def progress() -> Iterator[Reporter]:
    """A bar that changes in place on a terminal; elsewhere a line every ten seconds at most."""
    from .watching import watching

    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    quiet_models()
    with watching(watched) as reporter:
        yield reporter


def quiet_models() -> None:
    """No bars of the model library's own."""
    from transformers.utils import logging

    logging.disable_progress_bar()
