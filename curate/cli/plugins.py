"""Scorers that other packages add to `curate score`."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable
from typing import Any

import click

from ..errors import ConfigError
from ..registry import find, reads_points
from . import options
from .engines import runs_on
from .figures import tells


class _Added(click.Command):
    """Says what the scorer's own class says; that is loaded when its help is asked for."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        scorer = find("scorers", str(self.name))
        formatter.write_paragraph()
        formatter.write(f"{textwrap.indent(inspect.getdoc(scorer) or '', '  ')}\n")
        formatter.write_paragraph()
        for option in inspect.signature(scorer).parameters.values():
            needed = option.default is option.empty
            about = "required" if needed else f"default: {option.default}"
            formatter.write(f"  --option {option.name}=…  [{about}]\n")


def scorer(
    name: str, package: str, faults: options.Command, work: Callable[..., None]
) -> click.Command:
    """The command of a scorer of texts.

    Args:
        name: as registered.
        package: that adds it.
        faults: the options that say what to do about failures.
        work: is given the name and what the options say.
    """

    @click.command(name, cls=_Added, short_help=f"Added by the package {package}.")
    @options.tabulates_corpus
    @options.out_directory
    @options.any_option
    @options.name
    @options.chunk_rows
    @faults
    @tells
    @runs_on(workers=None)
    def command(further: tuple[str, ...], **kw: Any) -> None:
        if reads_points(name):
            raise ConfigError(
                f"{name} reads embeddings: name it in a pipeline file, `score: {{{name}: {{}}}}`, "
                f"and give that to `curate run`."
            )
        given = dict(options.key_value("--option", text) for text in further)
        if taken := [key for key in given if key in kw]:
            flag = f"--{taken[0].replace('_', '-')}"
            raise ConfigError(f"--option {taken[0]} is {flag} of the command: give that.")
        work(name, **kw, **given)

    command.help = f"A scorer of the package {package}."
    return command
