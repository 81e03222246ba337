"""`curate mix fit`, `compare` and `predict`: laws on tables of runs."""

from __future__ import annotations

from typing import Any

import click

from .. import options
from ..console import errors, progress
from ..figures import show, tells
from . import given


@click.command()
@click.argument("runs", type=click.Path())
@options.out_file
@click.option(
    "--law",
    default="auto",
    show_default=True,
    metavar="NAME",
    shell_complete=options.named("laws", "auto"),
    help=f"auto chooses by held-out error. By name: {given.law_names}.",
)
@given.reads_runs
@click.option("--parameters", is_flag=True, help="Print the parameters with their intervals.")
@given.level
@options.seed
@tells
def fit(
    runs: str,
    out: str,
    law: str,
    columns: dict[str, Any],
    losses: str | None,
    parameters: bool,
    level: float,
    seed: int,
) -> None:
    """Fit a law to RUNS, a CSV or Parquet file; of curves, to the last step of each run.

    One row a run; columns are run, share/<domain> … and loss/<target> …; others by --share-prefix
    and --loss-prefix, or by name. Some laws also read columns such as parameters and tokens.
    """
    from ...runs import Columns
    from ...stages import mix
    from .figures import fit_figures
    from .show import print_fit, print_parameters

    with errors.status("fitting"):
        found = mix.fit(runs, out, law=law, losses=losses, columns=Columns(**columns), seed=seed)

    def print_all() -> None:
        print_fit(found, out)
        if parameters:
            print_parameters(found.stored, level)

    show(fit_figures(found, out, level), print_all)


@click.command()
@click.argument("runs", type=click.Path())
@click.option(
    "--law",
    "laws",
    multiple=True,
    shell_complete=options.named("laws"),
    help="Which; all if none. Repeatable.",
)
@given.reads_runs
@click.option("--out", type=click.Path(), help="CSV file to write.")
@options.seed
@tells
def compare(
    runs: str,
    laws: tuple[str, ...],
    columns: dict[str, Any],
    losses: str | None,
    out: str | None,
    seed: int,
) -> None:
    """Rank all laws by their held-out error on RUNS.

    Every law is fitted with the same runs held out; one that can't be fitted is listed with the
    reason.
    """
    from ...runs import Columns
    from ...stages import mix
    from .show import print_comparison

    with progress() as heard:
        found = mix.compare(
            runs,
            laws=given.listed(laws),
            losses=losses,
            columns=Columns(**columns),
            seed=seed,
            progress=heard,
        )
    if out is not None:
        found.write(out)
    show({**vars(found), "file": out}, print_comparison, found, out)


@click.command()
@click.argument("law", type=click.Path())
@click.argument("mixtures", type=click.Path())
@click.option("--out", type=click.Path(), help="CSV file to write, one row a mixture.")
@given.level
@given.at
@given.reads_mixtures
@tells
def predict(
    law: str,
    mixtures: str,
    out: str | None,
    level: float,
    at: tuple[str, ...],
    columns: dict[str, Any],
    losses: str | None,
) -> None:
    """Predict the losses of MIXTURES with LAW.

    MIXTURES is a CSV file with a share of each of the law's domains, in columns named as in the
    runs it was fitted on. Where there are measured losses too, in the same file or in --losses,
    it says how far off the law is.
    """
    from ...stages import mix
    from .figures import predicted_figures
    from .show import print_predicted

    found = mix.predict(
        law,
        mixtures,
        out,
        level=level,
        at=given.numbers("--at", at),
        losses=losses,
        columns=columns,
    )
    show(predicted_figures(found, out), print_predicted, found, out)
