"""Budgets: how much to keep, as people write it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .errors import ConfigError

_NUMBER = r"(?P<number>\d+(?:\.\d+)?)"
_ABSOLUTE = re.compile(_NUMBER + r"\s*(?P<scale>[KMGTB]?)\s*(?P<unit>docs?|tok(?:ens?)?|bytes)")
_SHARE = re.compile(_NUMBER + r"\s*%\s*(?P<unit>docs?|tok(?:ens?)?|bytes)?")
_SCALES = {"": 1.0, "K": 1e3, "M": 1e6, "G": 1e9, "B": 1e9, "T": 1e12}
_UNITS = {"d": "documents", "t": "tokens", "b": "bytes"}
_NAMES = {"documents": "docs", "tokens": "tok", "bytes": "bytes"}


@dataclass(frozen=True)
class Budget:
    """An amount, or a share of all documents that have a score.

    Attributes:
        amount: > 0; a share is in (0, 1].
        unit: "documents", "tokens" or "bytes".
        is_share: whether ``amount`` is a share.
    """

    amount: float
    unit: str
    is_share: bool

    @classmethod
    def parse(cls, text: str) -> Budget:
        """Read "30%", "30%tok", "20000docs", "5Mtok", "1.5Gbytes".

        Raises:
            ConfigError: not a budget, zero, or more than everything.
        """
        share, absolute = _SHARE.fullmatch(text.strip()), _ABSOLUTE.fullmatch(text.strip())
        found = share or absolute
        if found is None:
            raise ConfigError(
                f"{text!r} is not a budget. Write a share (30%, 30%tok) or an amount (20000docs, "
                f"5Mtok, 1.5Gbytes)."
            )
        amount = float(found["number"])
        amount = amount / 100 if share else amount * _SCALES[absolute["scale"]]  # type: ignore[index]
        if amount <= 0 or (share and amount > 1):
            raise ConfigError(f"A budget must be above 0, and a share at most 100%. Got {text!r}.")
        return cls(amount, _UNITS[(found["unit"] or "d")[0]], share is not None)


def band(lower: str | None, upper: str | None) -> tuple[dict[str, float], str]:
    """Options of a band between two quantiles, and its budget: "20%tok" and "50%tok".

    Args:
        lower: a share; from the first document on, if not given.
        upper: a share; to the last one, if not given.

    Raises:
        ConfigError: not shares, in different units, or the band ends before it begins.
    """
    shares = [None if text is None else _quantile(text) for text in (lower, upper)]
    units = {share.unit for share in shares if share is not None}
    if len(units) > 1:
        raise ConfigError(
            f"A band begins and ends in one unit: 20%tok to 50%tok. Got {lower!r} to {upper!r}."
        )
    start, end = (
        default if share is None else share.amount
        for share, default in zip(shares, (0.0, 1.0), strict=True)
    )
    if start >= end:
        raise ConfigError(f"A band must begin before it ends. Got {start:.6g} to {end:.6g}.")
    unit = units.pop()
    return {"lower": start, "upper": end}, f"{100 * (end - start):.10g}% {_NAMES[unit]}"


def _quantile(text: str) -> Budget:
    """A share, which may be 0."""
    nothing = re.fullmatch(r"0+(?:\.0+)?(\s*%.*)", text.strip())
    found = Budget.parse(f"1{nothing[1]}" if nothing else text)
    if not found.is_share:
        raise ConfigError(
            f"A band begins and ends at a share, such as 20% or 20%tok. Got {text!r}."
        )
    return Budget(0.0, found.unit, True) if nothing else found


def parse_tokens(text: str | int) -> int:
    """A number of tokens: 5000000, "5M" or "5Mtok".

    Raises:
        ConfigError: not a number of tokens.
    """
    written = str(text).strip()
    bare = re.fullmatch(_NUMBER + r"\s*[kKMGTB]?", written)
    found = _ABSOLUTE.fullmatch(f"{written.upper()}tok" if bare else written)
    if found is None or _UNITS[found["unit"][0]] != "tokens":
        raise ConfigError(f"Wanted a number of tokens, such as 5M or 5Mtok. Got {text!r}.")
    amount = float(found["number"]) * _SCALES[found["scale"]]
    if amount < 1:
        raise ConfigError(f"A number of tokens must be at least 1. Got {text!r}.")
    return round(amount)
