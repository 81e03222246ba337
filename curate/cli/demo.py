"""`curate demo`: a corpus to try things on, from this Python installation."""

from __future__ import annotations

from pathlib import Path

import click

from .console import output, printable
from .figures import show, tells
from .tables import table


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--documents", default=320, show_default=True, help="Of a domain of middling size.")
@click.option("--seed", default=0, show_default=True, help="Of the planted damage.")
@tells
def command(out: Path, documents: int, seed: int) -> None:
    """Write a corpus to OUT: modules, docstrings, topics and tables of the standard library.

    About a fifth of the documents is damaged on purpose, so that there is something to filter out.
    """
    from ..demo.harvest import harvest

    counts = harvest(out, seed=seed, documents_per_domain=documents)
    rows = [(name, c.documents, c.damaged, c.bytes) for name, c in counts.items()]

    def print_counts() -> None:
        output.print(table(("domain", "documents", "damaged on purpose", "bytes"), rows))
        output.print(f"→ {printable(out)}")

    show({"directory": out, "domains": counts}, print_counts)
