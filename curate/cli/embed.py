"""`curate embed`: give every document an embedding."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from ..errors import ShardError
from . import options
from .console import progress
from .engines import runs_on
from .figures import show, tells
from .score import print_report, report_figures

if TYPE_CHECKING:
    from ..corpus import Corpus
    from ..engines import Engine


@click.command()
@options.tabulates_corpus
@options.out_directory
@options.embeds
@click.option(
    "--name",
    default="embeddings",
    show_default=True,
    help="Of the tables, a directory in --out.",
)
@options.chunk_rows
@options.on_error
@runs_on(workers=None)
@tells
def command(
    corpus: Corpus,
    out: str,
    name: str,
    chunk_rows: int,
    on_error: str,
    engine: Engine,
    **kw: Any,
) -> None:
    """Give every document of INPUT an embedding, once for all scorers that read them.

    Tables go to OUT/embeddings/; a run that was stopped goes on where it was. Vectors are unit
    vectors as float16, or those of --vector-column at the length they have; there need be no text
    then.
    """
    from ..stages.embed import embed

    with progress() as heard:
        made = options.embedding(**kw)
        report = embed(
            corpus,
            made,
            out,
            name=name,
            chunk_rows=chunk_rows,
            progress=heard,
            engine=engine,
            on_error=on_error,
        )
    where = f"{out}/{name}"
    show(report_figures(report, where), print_report, report, where, "embedded", "an embedding")
    if report.failed:
        sys.exit(ShardError.exit_code)
