"""Figures for people or for programs: a table, or one JSON object, by one pair of options."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import click

from .console import errors, output, watched
from .options import several


def _as_json(_: click.Context, __: click.Parameter, wanted: bool) -> None:
    if wanted:
        watched.as_json = output.quiet = True


def _quiet(_: click.Context, __: click.Parameter, wanted: bool) -> None:
    if wanted:
        errors.quiet = True


tells = several(
    click.option(
        "--json",
        is_flag=True,
        expose_value=False,
        callback=_as_json,
        help="Print the figures as one JSON object, and nothing else on standard output.",
    ),
    click.option(
        "--quiet",
        is_flag=True,
        expose_value=False,
        callback=_quiet,
        help="Nothing on standard error but errors; standard output stays as it is.",
    ),
)
"""The options of every verb that prints figures. What it prints goes through `show`."""


def show(figures: Mapping[str, Any], people: Callable[..., None], *given: Any) -> None:
    """Print figures, once a command.

    Args:
        figures: by name, for --json; numbers that are none or infinite become null. What the
            stages of the command did stands beside them, under "stages".
        people: prints them as people read them.
        given: handed to it.
    """
    if not watched.as_json:
        people(*given)
        return
    told = plain({**figures, "stages": watched.stages} if watched.stages else figures)
    click.echo(json.dumps(told, ensure_ascii=False, allow_nan=False))


def plain(value: Any) -> Any:
    """Anything that figures are made of as JSON has it."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(inner) for inner in value]
    if hasattr(value, "tolist"):  # an array, or a number of one
        return plain(value.tolist())
    if isinstance(value, float):
        return value if isfinite(value) else None
    return str(value) if isinstance(value, Path) else value
