"""`report`: what a run holds, as one HTML page."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import __version__
from ..corpus import Corpus
from ..embeddings import EmbeddingTables
from ..errors import ConfigError, CurateError
from ..files import whole
from ..places import place
from ..stages.correlate import correlate
from ..stages.selection import Selection
from . import documents, scorers, selection
from .blocks import Note, Section
from .coverage import covered
from .found import Found, find
from .page import page
from .population import Sample, Tables, ranks

PROGRESS = "progress.jsonl"


@dataclass(frozen=True)
class Written:
    """What a report holds.

    Attributes:
        path: of the page.
        sections: their titles.
        n_bytes: of the page.
    """

    path: Path
    sections: Sequence[str]
    n_bytes: int


def report(
    run: Sequence[str | Path], out: str | Path, *, corpus: Corpus | None = None, seed: int = 0
) -> Written:
    """Write a page on all that some directories hold.

    Args:
        run: directories that curate wrote to, or that hold such, three levels deep.
        out: HTML file to write.
        corpus: what was scored, for the texts; None: as the pipeline's report names it, if there
            is one, else no texts are shown.
        seed: of the sample of documents.

    Raises:
        ConfigError: no such directory, nothing in it that curate wrote, or ``out`` is a directory.
    """
    path = place(out)
    if path.is_dir():
        raise ConfigError(f"{out}: a directory. Name the file to write, such as {out}/report.html.")
    found = find(run)
    sections = [*_sections(found, corpus or _own_corpus(found), seed)]
    title = f"curate: {', '.join(place(one).name or str(one) for one in run)}"
    lead = "What was measured, what was kept, and what the proportions rest on."
    about = f"Made by curate {__version__}. Whatever comes from documents is shown as text."
    content = page(title, lead, sections, about)
    with whole(path) as temporary:
        temporary.write_text(content, encoding="utf-8")
    return Written(path, [section.title for section in sections], len(content.encode()))


def _own_corpus(found: Found) -> Corpus | None:
    """The corpus that a pipeline's report names."""
    named = (found.pipeline or {}).get("corpus")
    return None if named is None else Corpus(**{**named, "inputs": tuple(named["inputs"])})


def _sections(found: Found, corpus: Corpus | None, seed: int) -> Iterator[Section]:
    chosen = found.selections[0] if found.selections else None
    tables = Tables.of(found.scores) if found.scores else None
    sample = None
    if tables is not None:
        sample = tables.sample(_of_these(chosen, tables), seed=seed)
        yield scorers.section(tables, sample, {s.name: runs_of(s.root) for s in tables.stores})
        better = [store.config["higher_is_better"] for store in tables.stores]
        yield documents.section(sample, ranks(sample, better), better, corpus)
        if len(tables.stores) > 1:
            yield scorers.agreement(correlate([s.root for s in tables.stores], seed=seed))
    if chosen is not None:
        yield _selection(chosen, found, tables, sample, seed)


def _of_these(chosen: Path | None, tables: Tables) -> Path | None:
    """The selection, if it is one of the documents that the tables are about."""
    if chosen is None:
        return None
    return chosen if {*Selection(chosen).manifest["shards"]} == {*tables.shards} else None


def _selection(
    chosen: Path, found: Found, tables: Tables | None, sample: Sample | None, seed: int
) -> Section:
    by = Selection(chosen).manifest["request"]["scorer"]
    names = [] if tables is None else [store.name for store in tables.stores]
    scorer = names.index(by) if by in names else None
    axis = ""
    if tables is not None and scorer is not None:
        config = tables.stores[scorer].config
        axis = f"{config['column']}, {config['unit']}"
    cells = None
    if found.embeddings:
        try:
            embedded = EmbeddingTables.open(found.embeddings[0].root)
            cells = covered(embedded, Selection(chosen), seed)
        except CurateError:
            cells = None
    made = selection.section(chosen, sample, scorer, cells, axis)
    others = [str(path) for path in found.selections if path != chosen]
    if not others:
        return made
    more = Note(f"There are other selections: {', '.join(others)}. Report on one by naming it.")
    return Section(name=made.name, title=made.title, lead=made.lead, blocks=(*made.blocks, more))


def runs_of(root: Path) -> list[dict[str, Any]]:
    """The last line of each run that is recorded in a directory's progress, in their order."""
    path = root / PROGRESS
    if not path.exists():
        return []
    runs: list[dict[str, Any]] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            told = json.loads(line)
        except ValueError:
            continue  # cut short when the process was killed
        if told.get("event") == "started":
            runs.append(told)
        elif runs:
            runs[-1] |= told
    return [run for run in runs if "seconds" in run]


__all__ = ["Written", "report", "runs_of"]
