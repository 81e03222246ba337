"""`OUT/progress.jsonl`: what runs in a directory did, one JSON object a line.

    {"event": "started", "at": "2026-01-01T04:00:00Z", "stage": "score", "name": "ask-llm", …}
    {"event": "progress", "at": …, "seconds": 12.3, "shards": 3, "n_shards": 12, "documents": …}
    {"event": "finished", …}        or "stopped"; one that was killed has neither

Seconds, documents, tokens and nulls are those of one run; the last lines of all runs add up. It
is a log and no result: nothing reads it to go on, and what cannot be written to it stops no run.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .errors import ConfigError
from .places import is_remote
from .remote import patiently
from .shards import LOG

_SECONDS_APART, _SECONDS_APART_IN_A_STORE = 10.0, 60.0


class Log:
    """Appends to the file; in an object store, which cannot, the object is put anew.

    Args:
        directory: of the file.
    """

    def __init__(self, directory: Path) -> None:
        self._path: Any = directory / LOG
        self._remote = is_remote(directory)
        self._lines: list[str] | None = None
        self._last = 0.0

    def write(self, event: str, told: Mapping[str, Any]) -> None:
        """Add a line; of those on the way only one every ten seconds, every minute in a store."""
        now = time.monotonic()
        apart = _SECONDS_APART_IN_A_STORE if self._remote else _SECONDS_APART
        if event == "progress" and now - self._last < apart:
            return
        self._last = now
        at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        line = json.dumps({"event": event, "at": at, **told}, ensure_ascii=False) + "\n"
        with suppress(OSError, ConfigError):
            (self._put if self._remote else self._append)(line)

    def _append(self, line: str) -> None:
        with self._path.open("ab+") as file:
            if file.tell():
                file.seek(-1, 2)
                if file.read(1) != b"\n":  # a run was killed in the middle of a line
                    line = "\n" + line
            file.write(line.encode("utf-8", "replace"))

    def _put(self, line: str) -> None:
        fs, path = self._path.fs, self._path.path
        if self._lines is None:
            self._lines = []
            with suppress(FileNotFoundError):
                before = patiently(str(self._path), lambda: fs.cat_file(path))
                self._lines = bytes(before).decode("utf-8", "replace").splitlines(keepends=True)
        self._lines.append(line)
        whole = "".join(self._lines).encode("utf-8", "replace")
        patiently(str(self._path), lambda: fs.pipe_file(path, whole))


def recorded(directory: Path) -> list[dict[str, Any]]:
    """The lines of a directory's file, in their order; none where there is none."""
    path = directory / LOG
    found = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        with suppress(ValueError):  # cut short when a process was killed
            found.append(json.loads(line))
    return [line for line in found if isinstance(line, dict)]
