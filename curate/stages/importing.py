"""Scores that exist already, as score tables: a column of the shards, or dolma's attribute files.

OUT/<name>/     score tables like any scorer's; see `curate.tables`
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ..corpus import Corpus
from ..engines import Local
from ..errors import ConfigError
from ..files import only_writer, output_directory
from ..progress import Progress, Reporter, silent, sizes
from ..readers import Batch
from ..schema import score_table
from ..tables import ScoreStore, check_name
from .attributes import Attributes
from .score_report import ScoreReport
from .sources import Source
from .tabulate import tabulate
from .texts import Texts


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """What an imported score is, which its numbers do not say.

    Attributes:
        name: of the tables, and so of the column in a dataset.
        higher_is_better: the direction in which top-k selects; None: neither end is better.
        unit: of the score; for people.
    """

    name: str
    higher_is_better: bool | None
    unit: str = "unknown unit"


def import_column(
    corpus: Corpus,
    column: str,
    out: str | Path,
    meaning: Meaning,
    *,
    chunk_rows: int = 8192,
    progress: Reporter = silent,
    on_error: str = "skip",
) -> ScoreReport:
    """Write a column of numbers of the shards as score tables, going on where a run stopped.

    Whatever the texts are like, documents in = scored + without a score: "missing_score" where
    the column is null or absent, "not_a_number" for a string or a boolean among JSON's values,
    "not_finite" for NaN, an infinity, or a number beyond float64.

    Args:
        corpus: what to read.
        column: holds the scores.
        out: directory, or a URL of an object store.
        meaning: of the scores. The quantity stored is called like the column, so that one called
            log_density can be selected from by inverse propensity.
        chunk_rows: documents in one checkpoint.
        progress: told how far it is, chunk by chunk; see `curate.progress`.
        on_error: "skip" shards that cannot be read, or "fail".

    Raises:
        ConfigError: ``out`` holds tables of another configuration, another run writes there, or
            the tables cannot have this name.
        CorpusError: no shard has such a column of numbers.
        ShardError: one has not, where that is to stop the run.
    """
    source = Texts(corpus, chunk_rows, score_column=column)
    told = {"scorer": "score-column", "column": column, "config": {"column": column}}
    return _write(source, corpus, out, meaning, told, progress, on_error)


def import_attributes(
    corpus: Corpus,
    attributes: str | Path,
    attribute: str,
    out: str | Path,
    meaning: Meaning,
    *,
    spans: str = "whole",
    chunk_rows: int = 1024,
    progress: Reporter = silent,
    on_error: str = "skip",
) -> ScoreReport:
    """Write an attribute of dolma's attribute files as score tables; see `Attributes`.

    Args:
        corpus: the documents.
        attributes: directory of the attribute files, each named like the documents' file.
        attribute: the key of one attribute in them.
        out: directory, or a URL of an object store.
        meaning: of the scores.
        spans: "whole" takes the score of the one span that covers the document, "mean" that of
            all its spans, weighted by their lengths.
        chunk_rows: documents in one checkpoint.
        progress: told how far it is, chunk by chunk; see `curate.progress`.
        on_error: "skip" shards that cannot be read, or "fail".

    Raises:
        ConfigError: no such attribute there; and as `import_column`.
        CorpusError: of no shard both files can be read and are of the same documents.
        ShardError: of one they cannot, where that is to stop the run.
    """
    source = Attributes(corpus, str(attributes), attribute, spans, chunk_rows)
    told = {"scorer": "dolma-attribute", "column": attribute, "config": source.config()}
    return _write(source, corpus, out, meaning, told, progress, on_error)


def _write(
    source: Source[Batch],
    corpus: Corpus,
    out: str | Path,
    meaning: Meaning,
    told: dict[str, Any],
    progress: Reporter,
    on_error: str,
) -> ScoreReport:
    if source.chunk_rows < 1:
        raise ConfigError(f"'chunk_rows' of import must be at least 1. Got {source.chunk_rows}.")
    check_name(meaning.name)
    shards = corpus.shards
    config = {
        **told,
        "unit": meaning.unit,
        "higher_is_better": meaning.higher_is_better,
        "reading": corpus.reading(),
        "chunk_rows": source.chunk_rows,
        "fitted_on": None,
        "rater": None,
        **corpus.grouping(),
    }
    root = output_directory(out) / meaning.name
    root.mkdir(exist_ok=True)
    with only_writer(root):
        store, report = ScoreStore.create(root, config), ScoreReport(root.name)
        make, n = partial(partial, _given), len(shards)
        with Progress(progress, root, "import", root.name, n, weights=sizes(shards)) as heard:
            return tabulate(store, source, shards, make, report, heard, Local(), on_error)


def _given(batch: Batch) -> Callable[[], pa.Table]:
    return lambda: score_table(batch, np.array(batch.scores, np.float64), batch.reasons, {})
