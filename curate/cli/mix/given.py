"""Options that several verbs of `mix` share, and how their values are read."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from typing import Any

import click

from ...errors import ConfigError
from ...registry import ALIASES, names
from ..options import Command, several

_SCALES = {"": 1.0, "K": 1e3, "M": 1e6, "B": 1e9, "G": 1e9, "T": 1e12}

law_names = ", ".join(
    f"{name} ({' or '.join(others)})" if others else name
    for name in names("laws")
    for others in [[alias for alias, meant in ALIASES["laws"].items() if meant == name]]
)
level = click.option(
    "--level",
    default=0.9,
    show_default=True,
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Coverage of the intervals.",
)
selection = click.option(
    "--selection", type=click.Path(), help="Directory that `select` wrote: what there is to mix."
)
available = click.option(
    "--available",
    type=click.Path(),
    help="Tokens by domain in place of --selection: JSON, or CSV with columns domain and tokens.",
)
at = click.option(
    "--at",
    multiple=True,
    metavar="NAME=VALUE",
    help="What the law reads beside the shares, such as parameters=1B; repeatable.",
)
_prefixes = several(
    click.option(
        "--share-prefix", help="What columns of shares start with.  [default: share/, or the law's]"
    ),
    click.option(
        "--loss-prefix", help="What columns of losses start with.  [default: loss/, or the law's]"
    ),
)
_named = several(
    click.option(
        "--share",
        "shares",
        multiple=True,
        metavar="COLUMN,…",
        help="Columns of shares, with or without the prefix, in place of all; repeatable.",
    ),
    click.option(
        "--loss",
        "losses",
        multiple=True,
        metavar="COLUMN,…",
        help="Columns of losses, likewise.",
    ),
)
losses_file = click.option(
    "--losses",
    "losses_file",
    type=click.Path(),
    help="CSV file of the losses, where they are apart; joined by a column run or index.",
)


def reads_runs(command: Command) -> Command:
    """Options that say which columns hold what, handed on as ``columns`` and ``losses``."""
    return _reads(command, _prefixes, _named, losses_file)


def reads_mixtures(command: Command) -> Command:
    """`reads_runs` for a law that has its own domains and targets."""
    return _reads(command, _prefixes, losses_file)


def _reads(command: Command, *options: Callable[[Command], Command]) -> Command:
    @functools.wraps(command)
    def wrapped(
        share_prefix: str | None,
        loss_prefix: str | None,
        losses_file: str | None,
        shares: Sequence[str] = (),
        losses: Sequence[str] = (),
        **rest: Any,
    ) -> Any:
        columns = {
            "share_prefix": share_prefix,
            "loss_prefix": loss_prefix,
            "shares": listed(shares),
            "losses": listed(losses),
        }
        given = {key: value for key, value in columns.items() if value}
        return command(columns=given, losses=losses_file, **rest)

    return several(*options)(wrapped)


def listed(texts: Sequence[str]) -> tuple[str, ...]:
    """Names given apart, or several at once with commas between."""
    return tuple(name.strip() for text in texts for name in text.split(",") if name.strip())


def numbers(option: str, texts: Sequence[str]) -> dict[str, float]:
    """NAME=NUMBER, …: 0.3, 2e10, 1.5B.

    Raises:
        ConfigError: not that, or a name that is there twice.
    """
    found: dict[str, float] = {}
    for text in texts:
        name, equals, value = text.rpartition("=")
        scaled = re.fullmatch(r"(.*?)\s*([KMBGT]?)", value.strip())
        try:
            number = float(scaled[1]) * _SCALES[scaled[2]] if equals and scaled else None
        except ValueError:
            number = None
        if number is None or not name:
            raise ConfigError(f"{option} wants NAME=NUMBER, such as code=0.3. Got {text!r}.")
        if name in found:
            raise ConfigError(f"{option} names {name!r} twice.")
        found[name] = number
    return found
