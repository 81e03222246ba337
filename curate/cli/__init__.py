"""The command line: one module a verb, loaded when its verb is used."""

from __future__ import annotations

import importlib
import os
import re
import sys
from concurrent.futures import BrokenExecutor
from difflib import get_close_matches
from io import StringIO
from typing import NoReturn

import click

from .. import __version__, interrupts
from .console import failed, say, start
from .groups import Named

NAME = "curate"

VERBS = {
    "plan": "Say what scoring will cost, and when it pays.",
    "score": "Give every document a score.",
    "import": "Take scores that exist already.",
    "embed": "Give every document an embedding.",
    "combine": "Make one score of several raters'.",
    "select": "Keep the documents a budget has room for.",
    "mix": "Set the share of each domain.",
    "build": "Write the dataset.",
    "run": "Do all of it, from one pipeline file.",
    "inspect": "Say what a directory holds.",
    "report": "Show all of it on one page.",
    "demo": "Make a corpus from this Python installation.",
    "completion": "Complete commands and names in a shell.",
}
_MODULES = {"import": "import_scores"}
"""Of verbs that no module of Python can be called like."""


class _Verbs(Named):
    """Imports a verb's module when the verb is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(f".{_MODULES.get(cmd_name, cmd_name)}", __name__)
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.group(cls=_Verbs)
@click.version_option(__version__, prog_name=NAME)
def cli() -> None:
    """Decide what a language model is trained on: score, select, mix, build."""


def main(arguments: list[str] | None = None) -> NoReturn:
    """The entry point: errors that explain themselves end with their exit code, no traceback."""
    with interrupts.heeded():
        code = _run(arguments)
    sys.exit(code)


def _hint(error: click.ClickException) -> str:
    """What an option is about that is missing, and what may have been meant in place of a value."""
    option = getattr(error, "param", None)
    if isinstance(error, click.MissingParameter) and isinstance(option, click.Option):
        return option.help or ""
    if isinstance(error, click.BadParameter) and option and isinstance(option.type, click.Choice):
        given = re.match(r"'(.*?)' is not one of", error.message)
        near = get_close_matches(given[1], map(str, option.type.choices), n=1) if given else []
        return f"Did you mean {near[0]!r}?" if near else ""
    return ""


def _run(arguments: list[str] | None) -> int:
    """The exit code of a command."""
    stopped = interrupts.Interrupted()
    start()
    try:
        done = cli.main(arguments, NAME, standalone_mode=False)
    except KeyboardInterrupt:
        return failed(stopped)
    except click.Abort as abort:  # what click makes of an interrupt, and of a file that ends early
        return failed(abort.__cause__ if isinstance(abort.__cause__, EOFError) else stopped)
    except click.ClickException as error:
        told = StringIO()
        error.show(told)
        say(told.getvalue() + _hint(error))
        return error.exit_code
    except BrokenExecutor as error:
        return failed(stopped if interrupts.was_asked() else error)
    except Exception as error:
        if os.environ.get("CURATE_TRACEBACK"):
            raise
        return failed(error)
    return done if isinstance(done, int) else 0
