"""What a person reads: results on standard output, progress and errors on standard error."""

from __future__ import annotations

import os
import time
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape

_NARROWEST = 110  # a table is wrapped by the terminal rather than cut by us
output = Console(soft_wrap=True, highlight=False)
output.width = max(output.width, _NARROWEST)
errors = Console(stderr=True, highlight=False)
_SECONDS_BETWEEN_LINES = 10.0


def printable(text: object) -> str:
    """Text from a corpus, made safe for a terminal: no control characters, no markup."""
    shown = "".join(
        c if unicodedata.category(c)[0] != "C" else f"\\x{ord(c):02x}" for c in str(text)
    )
    return escape(shown)


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """A line that changes in place on a terminal; elsewhere one every ten seconds at most."""
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    quiet_models()
    if not errors.is_terminal:
        yield _NowAndThen()
        return
    with errors.status("starting") as status:
        yield lambda line: status.update(printable(line))


class _NowAndThen:
    """Prints a line if none was printed for a while."""

    def __init__(self) -> None:
        self._last = -_SECONDS_BETWEEN_LINES

    def __call__(self, line: str) -> None:
        now = time.monotonic()
        if now - self._last >= _SECONDS_BETWEEN_LINES:
            self._last = now
            errors.print(printable(line), soft_wrap=True)


def quiet_models() -> None:
    """No bars of the model library's own."""
    from transformers.utils import logging

    logging.disable_progress_bar()
