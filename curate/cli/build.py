"""`curate build`: write the dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from . import options
from .console import progress
from .engines import runs_on
from .figures import show, tells
from .tables import print_dataset

if TYPE_CHECKING:
    from ..corpus import Corpus
    from ..engines import Engine


@click.command()
@options.reads_corpus
@options.selection
@click.option("--mixture", required=True, type=click.Path(), help="JSON file of `mix optimize`.")
@click.option("--tokens", required=True, help="Size of the dataset, such as 5M.")
@options.out_directory
@click.option("--scores", multiple=True, type=click.Path(), help="Tables to add as columns.")
@click.option(
    "--format",
    "form",
    default="parquet",
    show_default=True,
    type=click.Choice(["parquet", "jsonl.zst"]),
    help="Of the shards.",
)
@click.option("--shards", default=4, show_default=True, help="Number of files.")
@options.seed
@runs_on(workers=1)
@tells
def command(
    corpus: Corpus,
    selection: str,
    mixture: str,
    tokens: str,
    out: str,
    scores: tuple[str, ...],
    form: str,
    shards: int,
    seed: int,
    engine: Engine,
) -> None:
    """Write the selected documents of INPUT in the shares of a mixture, shuffled."""
    from ..budget import parse_tokens
    from ..stages import build, mix

    request = build.BuildRequest(
        mixture=mix.load_mixture(mixture),
        tokens=parse_tokens(tokens),
        shards=shards,
        format=form,
        seed=seed,
    )
    with progress() as heard:
        made = build.build(
            corpus, selection, out, request, scores=scores, engine=engine, progress=heard
        )
    show({"directory": out, **made}, print_dataset, made, out)
