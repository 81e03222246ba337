"""`curate mix design` and `run`: which mixtures, and a proxy on each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ...errors import ConfigError
from .. import options
from ..console import output, printable, progress
from ..tables import print_runs
from . import given

if TYPE_CHECKING:
    from ...corpus import Corpus


@click.command()
@given.selection
@given.available
@options.out_file
@click.option(
    "--runs",
    default=14,
    show_default=True,
    type=click.IntRange(1),
    help="How many mixtures.",
)
@click.option(
    "--method",
    default="dirichlet",
    show_default=True,
    type=click.Choice(["dirichlet", "double-diminishing", "regmix", "d-optimal"]),
    help="Around the proportions, on a grid of halvings, sparse as RegMix's, or those that "
    "determine the parameters of --law best.",
)
@click.option(
    "--extend",
    type=click.Path(),
    help="Add the most informative runs to those of a table or a fitted law, in place of "
    "--method; no domain gets more than in some run, unless --tokens says so.",
)
@click.option(
    "--law",
    default="additive",
    show_default=True,
    metavar="NAME",
    help="Of d-optimal, and of --extend with a table. See `curate mix fit --help`.",
)
@click.option("--tokens", help="Size of the final dataset; caps repetition by --max-epochs.")
@options.max_epochs
@given.at
@given.reads_runs
@options.seed
def design(
    selection: str | None,
    available: str | None,
    out: str,
    runs: int,
    method: str,
    extend: str | None,
    law: str,
    tokens: str | None,
    max_epochs: float,
    at: tuple[str, ...],
    columns: dict[str, Any],
    losses: str | None,
    seed: int,
) -> None:
    """Choose the mixtures to train proxies on.

    Around the proportions of --selection or --available; or, with --extend, the runs that would
    tell most beside those of a table or a fitted law.
    """
    from ...budget import parse_tokens
    from ...runs import Columns
    from ...stages import mix

    limits: dict[str, Any] = {
        "selection": selection,
        "available": available,
        "tokens": None if tokens is None else parse_tokens(tokens),
        "max_epochs": max_epochs,
        "law": law,
        "seed": seed,
    }
    if extend is None:
        for option, value in (("--at", at), ("--losses", losses), ("--share-prefix", columns)):
            if value:
                raise ConfigError(f"{option} is about runs that exist: it goes with --extend.")
        table = mix.design(out=out, runs=runs, method=method, **limits)
    else:
        table = mix.extend(
            extend,
            out,
            n=runs,
            at=given.numbers("--at", at),
            columns=Columns(**columns),
            losses=losses,
            **limits,
        )
    print_runs(table)
    output.print(f"→ {printable(out)}")


@click.command()
@options.reads_corpus
@options.selection
@click.option("--design", required=True, type=click.Path(), help="CSV file of mixtures.")
@options.out_directory
@click.option("--tokenizer", help="Directory or hub name.  [default: the toy's]")
@click.option("--held-out", type=float, help="Share of documents to judge on.  [default: .1]")
@click.option("--hidden", type=int, help="Width of the proxy.")
@click.option("--layers", type=int, help="Depth of the proxy.")
@click.option("--heads", type=int, help="Attention heads.")
@click.option("--length", type=int, help="Tokens in a sequence.")
@click.option("--batch", type=int, help="Sequences in a step.")
@click.option("--steps", type=int, help="Steps of training.")
@click.option("--learning-rate", type=float, help="Peak, of AdamW.")
@click.option("--workers", default=2, show_default=True, help="Processes of one thread each.")
def run(corpus: Corpus, selection: str, design: str, out: str, workers: int, **kw: Any) -> None:
    """Train a proxy on each mixture of a design.

    On the selected documents of INPUT; see `curate select` and `curate mix design`.
    """
    from ...stages import proxies

    with progress() as say:
        table = proxies.run(
            design,
            selection,
            corpus,
            out,
            swarm=proxies.Swarm.of(**{k: v for k, v in kw.items() if v is not None}),
            workers=workers,
            progress=say,
        )
    print_runs(table)
    output.print(f"→ {printable(out)}/runs.csv")
