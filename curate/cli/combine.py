"""`curate combine`: one score out of those of several raters."""

from __future__ import annotations

import click

from . import options
from .score import print_report


@click.command()
@click.argument("raters", nargs=-1, required=True, type=click.Path(), metavar="RATER_DIR...")
@click.option("--how", required=True, help="mean, mean-rank, max-rank, blend or blend-rank.")
@click.option("--name", default="ensemble", show_default=True, help="Of the tables: OUT/<name>/.")
@options.out_directory
@options.seed
def command(raters: tuple[str, ...], how: str, name: str, out: str, seed: int) -> None:
    """Make one score of those of several raters.

    RATER_DIR is a directory of score tables, such as scores/xl/ask-llm. All of them must describe
    the same documents. The result is a directory of score tables like any other.

    mean is of the scores as they are; mean-rank and max-rank of each rater's ranks over the whole
    corpus, from 0 to 1, the greater the better. blend and blend-rank take for each document what
    one rater says, drawn by lot; they are for raters that scored a share each (score --rater).
    """
    from ..stages.combine import combine

    report = combine(raters, out, how=how, name=name, seed=seed)
    print_report(report, f"{out}/{name}")
