"""Options that several verbs share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click

from ..corpus import Corpus

Command = Callable[..., Any]

out_directory = click.option("--out", required=True, type=click.Path(), help="Directory to write.")
out_file = click.option("--out", required=True, type=click.Path(), help="File to write.")
seed = click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(0, 2**32 - 1),
    help="Of every random choice.",
)
max_epochs = click.option(
    "--max-epochs", default=4.0, show_default=True, help="Most repetitions of a domain."
)
selection = click.option(
    "--selection", required=True, type=click.Path(), help="Directory that `select` wrote."
)


def reads_corpus(command: Command) -> Command:
    """INPUT… and the options that say how to read it, handed on as ``corpus``."""

    @click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
    @click.option("--text-column", default="text", show_default=True, help="Holds the text.")
    @click.option("--id-column", help="Holds the id.  [default: id, where there is one]")
    @click.option("--domain-column", help="Holds the domain.  [default: the first directory]")
    @click.option(
        "--max-document-bytes",
        default=4 * 2**20,
        show_default=True,
        help="A longer document gets the reason too_long instead of a score.",
    )
    @functools.wraps(command)
    def wrapped(
        inputs: tuple[str, ...],
        text_column: str,
        id_column: str | None,
        domain_column: str | None,
        max_document_bytes: int,
        **rest: Any,
    ) -> Any:
        corpus = Corpus(
            inputs=inputs,
            text_column=text_column,
            id_column=id_column,
            domain_column=domain_column,
            max_document_bytes=max_document_bytes,
        )
        return command(corpus=corpus, **rest)

    return wrapped
