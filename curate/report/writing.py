"""`report`: what a run holds, as one HTML page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .. import __version__
from ..corpus import Corpus
from ..costs import Training
from ..embeddings import EmbeddingTables
from ..errors import ConfigError, CurateError
from ..files import read_json, whole
from ..places import place
from ..progress_log import recorded
from ..stages.correlate import correlate
from ..stages.selection import Selection
from . import cost, documents, mixing, scorers, selection
from .blocks import Note, Section
from .coverage import Covered, covered
from .found import Found, find
from .learning import measured_saving
from .page import page
from .population import Sample, Tables, ranks


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
    run: Sequence[str | Path],
    out: str | Path,
    *,
    corpus: Corpus | None = None,
    training: Training | None = None,
    seed: int = 0,
) -> Written:
    """Write a page on all that some directories hold.

    Args:
        run: directories that curate wrote to, or that hold such, three levels deep.
        out: HTML file to write.
        corpus: what was scored, for the texts; None: as the pipeline's report names it, if there
            is one, else no texts are shown.
        training: the run that the data feeds, to hold the cost of scoring against.
        seed: of the sample of documents.

    Raises:
        ConfigError: no such directory, nothing in it that curate wrote, or ``out`` is a directory.
        CorpusError: no shards in ``corpus``. One that the pipeline names may be gone: the page says
            so.
    """
    path = place(out)
    if path.is_dir():
        raise ConfigError(f"{out}: a directory. Name the file to write, such as {out}/report.html.")
    found = find(run)
    if corpus is not None:
        _ = corpus.shards  # a wrong name is known at once
    sections = [*_sections(found, corpus or _own_corpus(found), training, seed)]
    names = (place(one).absolute().name or str(one) for one in run)
    title = f"curate: {', '.join(names)}"
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


def _sections(
    found: Found, corpus: Corpus | None, training: Training | None, seed: int
) -> Iterator[Section]:
    progress = {store.name: recorded(store.root) for store in found.scores}
    chosen = found.selections[0] if found.selections else None
    tables = Tables.of(found.scores) if found.scores else None
    sample = None
    if tables is not None:
        sample = tables.sample(_of_these(chosen, tables), seed=seed)
        yield scorers.section(tables, sample, progress)
        better = [store.config["higher_is_better"] for store in tables.stores]
        yield documents.section(sample, ranks(sample, better), better, tables, corpus)
        if len(tables.stores) > 1:
            yield scorers.agreement(correlate([s.root for s in tables.stores], seed=seed))
    if chosen is not None:
        yield _selection(chosen, found, tables, sample, seed)
    yield from _mixing_and_cost(found, progress, training)


def _mixing_and_cost(
    found: Found, progress: Mapping[str, list[dict[str, Any]]], training: Training | None
) -> Iterator[Section]:
    manifest = read_json(found.datasets[0]) if found.datasets else None
    mixture = _first(found.mixtures)
    mixed = mixing.section(
        _first(found.laws),
        mixture,
        _first(found.runs),
        _first(found.verified),
        found.check,
        manifest,
        found.check_runs,
    )
    if mixed is not None:
        yield mixed
    objective = None if mixture is None else read_json(mixture).get("objective")
    saving = None if found.check_runs is None else measured_saving(found.check_runs, objective)
    domains = (manifest or {}).get("domains", {}).values()
    priced = cost.section(
        progress,
        training,
        dataset_tokens=sum(count["tokens"] for count in domains) or None,
        measured_saving=saving,
    )
    if priced is not None:
        yield priced


def _first(paths: Sequence[Path]) -> Path | None:
    return paths[0] if paths else None


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
    made = selection.section(chosen, sample, scorer, _cells(chosen, found, seed), axis)
    others = [str(path) for path in found.selections if path != chosen]
    if not others:
        return made
    more = Note(f"There are other selections: {', '.join(others)}. Report on one by naming it.")
    return replace(made, blocks=(*made.blocks, more))


def _cells(chosen: Path, found: Found, seed: int) -> Covered | str:
    """What the selection covers of the embeddings, or why that is not known."""
    if not found.embeddings:
        return "there are no embeddings in this run; `curate embed` writes them"
    try:
        embedded = EmbeddingTables.open(found.embeddings[0].root)
        cells = covered(embedded, Selection(chosen), seed)
    except CurateError as error:
        return str(error)
    return cells or "there are too few documents for two cells"
