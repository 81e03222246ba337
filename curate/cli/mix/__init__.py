"""`curate mix`: design mixtures, run proxies, fit and compare laws, optimise, export."""

from __future__ import annotations

import click

from ..groups import Named
from .curves import curves, schedule
from .laws import compare, fit, predict
from .mixtures import export, optimize
from .runs import design, run
from .scaling import autoscale, scale
from .verify import verify


@click.group(cls=Named)
def command() -> None:
    """Set the share of each domain: design, run, fit, optimize.

    Any table of runs will do: a CSV file with one row a run, and columns run, share/<domain> …,
    loss/<target> …, or with other prefixes (--share-prefix, --loss-prefix).
    """


for verb in (
    design,
    run,
    curves,
    fit,
    compare,
    predict,
    optimize,
    verify,
    scale,
    autoscale,
    schedule,
    export,
):
    command.add_command(verb)
