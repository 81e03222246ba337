"""`curate mix design` and `run`: which mixtures, and a proxy on each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ...errors import ConfigError
from .. import options
from ..console import output, printable, progress
from ..figures import show, tells
from ..tables import print_runs, runs_figures
from . import given
from .training import print_trained, trained_figures, trains_proxies

if TYPE_CHECKING:
    from ...corpus import Corpus
    from ...engines import Engine
    from ...stages.proxies import Swarm


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
    shell_complete=options.named("laws"),
    help="Of d-optimal, and of --extend with a table. See `curate mix fit --help`.",
)
@click.option("--tokens", help="Size of the final dataset; caps repetition by --max-epochs.")
@options.max_epochs
@given.at
@given.reads_runs
@options.seed
@tells
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

    def print_design() -> None:
        print_runs(table)
        output.print(f"→ {printable(out)}")

    show({"file": out, "runs": runs_figures(table)}, print_design)


@click.command()
@click.argument("design", type=click.Path())
@options.takes_corpus
@options.selection
@options.out_directory
@trains_proxies
@click.option(
    "--seeds",
    default=1,
    show_default=True,
    type=click.IntRange(1),
    help="Runs of each mixture; those after the first are named <run>-s1, <run>-s2 …",
)
@tells
def run(
    design: str,
    corpus: Corpus,
    selection: str,
    out: str,
    swarm: Swarm,
    engine: Engine,
    seeds: int,
) -> None:
    """Train a proxy on each mixture of DESIGN, a file of `curate mix design`.

    On the selected documents of --corpus; see `curate select`. What is killed goes on where it was
    when it is started again.
    """
    from ...runs import RunTable
    from ...stages import proxies

    with progress() as heard:
        found = proxies.run_design(
            design,
            selection,
            corpus,
            out,
            swarm=swarm,
            seeds=seeds,
            engine=engine,
            progress=heard,
        )
    table = RunTable.read(f"{out}/runs.parquet")

    def print_all() -> None:
        print_runs(table)
        print_trained(found)
        output.print(f"→ {printable(out)}/runs.parquet")

    figures = {"directory": out, "runs": runs_figures(table), **trained_figures(found)}
    show(figures, print_all)
