"""A corpus from the Python installation itself: four domains, part of it damaged on purpose."""

from __future__ import annotations

import ast
import hashlib
import io
import json
import os
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import zstandard

from ..files import output_directory
from . import chunks
from .damage import damage

# Uneven on purpose: with equal domains, "proportional" and "uniform" would be one mixture.
SHARES = {"modules": 1.0, "docstrings": 1.25, "topics": 0.75, "tables": 0.4}
"""Domains, and how many documents each gets for one of ``documents_per_domain``."""

DAMAGED_SHARE = 0.2
_SHARD_DOCUMENTS = 100
_MOST_PER_FILE = 6  # documents of one domain from one file, so that no file fills a domain
_LEFT_OUT = {"site-packages", "dist-packages", "test", "tests", "idle_test", "__pycache__"}


@dataclass(frozen=True)
class Document:
    """A document of the demo corpus.

    Attributes:
        id: where it comes from, such as "modules/json/decoder.py#0"; unique.
        text: what it says, after damage.
        damage: name of the fault, "" where there is none.
    """

    id: str
    text: str
    damage: str = ""


@dataclass(frozen=True)
class DomainCount:
    """What was written for one domain: documents, how many are damaged, bytes of UTF-8 text."""

    documents: int
    damaged: int
    bytes: int


def harvest(out: Path, *, seed: int = 0, documents_per_domain: int = 400) -> dict[str, DomainCount]:
    """Write the corpus, and beside it the list of what was damaged.

    Files are ``out/DOMAIN/part-0000.jsonl.zst`` and so on, each line an object with ``id`` and
    ``text``; ``planted.jsonl`` beside ``out`` has ``id``, ``domain`` and ``damage`` of each damaged
    document. Parts that an earlier harvest left in these directories are removed. The same Python
    installation, seed and size give the same bytes. No harvested source is run or imported, but for
    the modules that hold the tables.

    Args:
        out: directory of the corpus, made where it is missing.
        seed: decides which documents are taken and which are damaged.
        documents_per_domain: times `SHARES`, the number of documents of a domain. A domain whose
            sources are exhausted gets fewer.

    Returns:
        Counts by domain.

    Raises:
        ValueError: ``documents_per_domain`` is below 1.
    """
    if documents_per_domain < 1:
        raise ValueError(f"'documents_per_domain' must be at least 1. Got {documents_per_domain}.")
    output_directory(out)
    counts = {}
    planted = []
    for domain, share in SHARES.items():
        n_wanted = max(1, round(documents_per_domain * share))
        found = list(documents(domain, seed=seed, n=n_wanted))
        _write(out / domain, found)
        planted += [(d.id, domain, d.damage) for d in found if d.damage]
        counts[domain] = DomainCount(
            documents=len(found),
            damaged=sum(bool(d.damage) for d in found),
            bytes=sum(len(d.text.encode()) for d in found),
        )
    with (out.parent / "planted.jsonl").open("w", encoding="utf-8", newline="\n") as file:
        for id_, domain, name in planted:
            file.write(json.dumps({"id": id_, "domain": domain, "damage": name}) + "\n")
    return counts


def documents(domain: str, *, seed: int, n: int) -> Iterator[Document]:
    """The first ``n`` documents of a domain in the seed's order, a fifth of them damaged."""
    seen: set[str] = set()
    for name, text in islice(_unique(_CANDIDATES[domain](seed), seen), n):
        id_ = f"{domain}/{name}"
        rng = np.random.default_rng(_hash(seed, id_))
        if rng.random() < DAMAGED_SHARE:
            damaged, kind = damage(text, rng)
            yield Document(id_, damaged, kind)
        else:
            yield Document(id_, text)


def _unique(candidates: Iterable[tuple[str, str]], seen: set[str]) -> Iterator[tuple[str, str]]:
    for name, text in candidates:
        if text not in seen:
            seen.add(text)
            yield name, text


def _hash(seed: int, name: str) -> int:
    return int.from_bytes(hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=8).digest(), "big")


def _files(suffixes: set[str], seed: int) -> Iterator[tuple[str, str]]:
    """Paths and contents of the standard library's files, in the seed's order."""
    root = Path(sysconfig.get_path("stdlib"))
    paths = {}
    for directory, inner, names in os.walk(root):
        inner[:] = set(inner) - _LEFT_OUT
        for path in map(Path(directory).joinpath, names):
            # "_sysconfigdata…" tells of the machine Python was built on.
            if path.suffix in suffixes and not path.name.startswith("_sysconfigdata"):
                paths[path.relative_to(root).as_posix()] = path
    for name in sorted(paths, key=lambda name: (_hash(seed, name), name)):
        try:
            text = paths[name].read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        yield name, text.replace("\r\n", "\n")


def _modules(seed: int) -> Iterator[tuple[str, str]]:
    for name, text in _files({".py"}, seed):
        # These two come as tables and as topics.
        if not name.startswith(("encodings/", "pydoc_data/")):
            yield from _some(name, chunks.code(text), seed)


def _docstrings(seed: int) -> Iterator[tuple[str, str]]:
    for name, text in _files({".py"}, seed):
        try:
            yield from _some(name, chunks.docstrings(text), seed)
        except (SyntaxError, ValueError):  # templates and the like that are no Python
            continue


def _topics(seed: int) -> Iterator[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, text in _files({".py", ".txt", ".rst", ".html"}, seed):
        if name == "pydoc_data/topics.py":
            for topic, entry in sorted(_topic_entries(text).items()):
                pieces = chunks.prose(entry)
                found += ((f"{name}:{topic}#{k}", piece) for k, piece in enumerate(pieces))
        elif name.endswith(".py"):
            found += _some(name, chunks.comments(text), seed)
        else:
            body = chunks.strip_tags(text) if name.endswith(".html") else text
            found += ((f"{name}#{k}", piece) for k, piece in enumerate(chunks.prose(body)))
    yield from sorted(found, key=lambda item: (_hash(seed, item[0]), item[0]))


def _topic_entries(source: str) -> dict[str, str]:
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
            entries: dict[str, str] = ast.literal_eval(node.value)
            return entries
    return {}


def _tables(seed: int) -> Iterator[tuple[str, str]]:
    from .tables import tables

    yield from sorted(tables(), key=lambda item: (_hash(seed, item[0]), item[0]))


def _some(name: str, texts: list[str], seed: int) -> list[tuple[str, str]]:
    """At most `_MOST_PER_FILE` of the texts of one file, under names with their numbers."""
    named = [(f"{name}#{k}", text) for k, text in enumerate(texts)]
    return sorted(named, key=lambda item: (_hash(seed, item[0]), item[0]))[:_MOST_PER_FILE]


_CANDIDATES = {
    "modules": _modules,
    "docstrings": _docstrings,
    "topics": _topics,
    "tables": _tables,
}


def _write(directory: Path, found: list[Document]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for old in directory.glob("part-*.jsonl.zst"):
        old.unlink()
    for part, at in enumerate(range(0, len(found), _SHARD_DOCUMENTS)):
        lines = io.StringIO()
        for document in found[at : at + _SHARD_DOCUMENTS]:
            record = {"id": document.id, "text": document.text}
            lines.write(json.dumps(record) + "\n")
        packed = zstandard.ZstdCompressor(level=10).compress(lines.getvalue().encode())
        (directory / f"part-{part:04}.jsonl.zst").write_bytes(packed)
