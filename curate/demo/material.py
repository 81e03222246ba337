"""Text to train the toy model on: what the installed packages say about themselves.

It is disjoint from the text of `curate.demo.harvest`: that takes the standard library, this takes
``site-packages``, leaves out packages that copy standard modules, and drops every passage that
shares lines with the standard library.
"""

from __future__ import annotations

import hashlib
import re
import sysconfig
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from . import chunks

KINDS = ("docstring", "code", "prose", "other code")
# Packages that hold copies or forks of standard modules, or ship a typeshed.
_COPIES = {
    "pip", "setuptools", "_distutils_hack", "pkg_resources", "multiprocess", "typing_extensions",
    "mypy", "mypyc", "cloudpickle", "dill", "backports", "curate", "scorers", "samplers", "mixing",
}  # fmt: skip
_OTHER_CODE = {".h", ".hpp", ".pyx", ".pxd", ".js", ".css", ".pyi", ".cmake"}
_PROSE = {".md", ".rst", ".txt", ".html"}
_LONGEST_FILE = 300_000  # bytes
_MOST_PER_PACKAGE = 1_500_000  # characters of one kind
_MOST_PER_KIND = 9_000_000


@dataclass(frozen=True)
class Passage:
    """A piece of text to train or test on.

    Attributes:
        source: path of its file, relative to site-packages.
        kind: one of `KINDS`.
        text: a few hundred to a few thousand characters.
    """

    source: str
    kind: str
    text: str


def collect(site: Path, *, seed: int) -> tuple[list[Passage], list[Passage]]:
    """Passages of the files below ``site``: (to train on, held out), split by file.

    A file is held out by the hash of its path, one in twelve, whatever the seed. The seed decides
    which files are taken where a package has more than its share.
    """
    standard = _line_hashes(Path(sysconfig.get_path("stdlib")))
    taken: Counter[tuple[str, str]] = Counter()
    of_kind: Counter[str] = Counter()
    train: list[Passage] = []
    held_out: list[Passage] = []
    files = [p for p in sorted(site.rglob("*")) if _wanted(p.relative_to(site)) and p.is_file()]
    files.sort(key=lambda p: _hash(f"{seed}:{p.relative_to(site).as_posix()}"))
    for path in files:
        name = path.relative_to(site).as_posix()
        package = name.split("/", 1)[0]
        held = _hash(name) % 12 == 0
        for kind, text in _texts(path):
            full = taken[package, kind] > _MOST_PER_PACKAGE or of_kind[kind] > _MOST_PER_KIND
            if full or _shares_lines(text, standard):
                continue
            taken[package, kind] += len(text)
            of_kind[kind] += len(text)
            (held_out if held else train).append(Passage(source=name, kind=kind, text=text))
    return train, held_out


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def _wanted(name: Path) -> bool:
    parts = set(name.parts)
    if parts & {"tests", "test", "_vendor", "vendor", "typeshed", "__pycache__"}:
        return False
    if name.parts[0].split("-")[0].lower() in _COPIES:
        return False
    return name.suffix in {".py", *_OTHER_CODE, *_PROSE} or name.name == "METADATA"


def _texts(path: Path) -> Iterator[tuple[str, str]]:
    if path.stat().st_size > _LONGEST_FILE:
        return
    try:
        text = path.read_text(encoding="utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError:
        return
    if path.suffix == ".py":
        try:
            yield from (("docstring", d) for d in chunks.docstrings(text) if not _figures(d))
        except (SyntaxError, ValueError):
            return
        yield from (("code", c) for c in chunks.code(text)[:20] if not _figures(c))
    elif path.suffix in _OTHER_CODE:
        yield from (("other code", c) for c in chunks.code(text)[:20] if not _figures(c))
    else:
        if path.suffix == ".html":
            text = chunks.strip_tags(text)
        elif path.name == "METADATA":
            text = text.partition("\n\n")[2]
        yield from (("prose", p) for p in chunks.prose(text)[:60] if not _figures(p))


def _figures(text: str) -> bool:
    """Whether a passage is mostly digits and signs: a table of figures is no clean example."""
    letters = sum(c.isalpha() for c in text)
    return letters < 0.45 * sum(not c.isspace() for c in text)


def _line_hashes(stdlib: Path) -> frozenset[int]:
    """Hashes of the long lines of the standard library's sources and text files."""
    return frozenset(
        hash_
        for path in sorted(stdlib.rglob("*"))
        if path.suffix in {".py", ".txt"} and "site-packages" not in path.parts
        for hash_ in _long_lines(path.read_text(encoding="utf-8", errors="replace"))
    )


def _long_lines(text: str) -> Iterator[int]:
    lines = (re.sub(r"\W+", "", line) for line in text.splitlines())
    return (_hash(line) for line in lines if len(line) >= 35)


def _shares_lines(text: str, standard: frozenset[int]) -> bool:
    lines = list(_long_lines(text))
    return sum(line in standard for line in lines) > 0.1 * len(lines)
