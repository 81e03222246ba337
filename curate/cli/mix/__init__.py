"""`curate mix`: design mixtures, run proxies, fit and compare laws, optimise, export."""

from __future__ import annotations

import click

from .laws import compare, fit, predict
from .mixtures import export, optimize
from .runs import design, run


class _InOrder(click.Group):
    """Lists its commands in the order of the work."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(self.commands)


@click.group(cls=_InOrder)
def command() -> None:
    """Set the share of each domain: design, run, fit, optimize.

    Any table of runs will do: a CSV file with one row a run, and columns run, share/<domain> …,
    loss/<target> …, or with other prefixes (--share-prefix, --loss-prefix).
    """


for verb in (design, run, fit, compare, predict, optimize, export):
    command.add_command(verb)
