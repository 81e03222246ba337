"""The help of every command as one document: `python -m curate.cli.reference`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from ..registry import BUILT_IN
from . import NAME, cli

DOCUMENT = Path(__file__).with_name("README.md")
_WIDTH = 100
_HEAD = """# Commands

What `--help` says of each, as `python -m curate.cli.reference` writes it here.
"""


def reference() -> str:
    """The document. What other packages add is left out."""
    return "\n".join([_HEAD, *(f"## {name}\n\n```\n{text}\n```\n" for name, text in _helps())])


def _helps() -> Iterator[tuple[str, str]]:
    with click.Context(cli, info_name=NAME, terminal_width=_WIDTH, max_content_width=_WIDTH) as top:
        yield from _below(cli, NAME, top)


def _below(command: click.Command, path: str, context: click.Context) -> Iterator[tuple[str, str]]:
    yield path, "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
    if not isinstance(command, click.Group):
        return
    for name in command.list_commands(context):
        below = command.get_command(context, name)
        if below is None or (path == f"{NAME} score" and name not in BUILT_IN["scorers"]):
            continue
        with click.Context(below, context, info_name=name) as inner:
            yield from _below(below, f"{path} {name}", inner)


if __name__ == "__main__":
    DOCUMENT.write_text(reference(), encoding="utf-8")
