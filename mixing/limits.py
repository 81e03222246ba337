"""Single constraints, in words and as inequalities, and which of them conflict."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .linear_program import linear_program

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Group:
    """Bounds on the joint share of some domains, such as real text among synthetic.

    Attributes:
        domains: places of the domains, each once.
        lower: least joint share, in [0, 1].
        upper: greatest joint share, in [0, 1].
        name: for messages.
    """

    domains: tuple[int, ...]
    lower: float = 0.0
    upper: float = 1.0
    name: str | None = None

    def __post_init__(self) -> None:
        if not self.domains or len(set(self.domains)) < len(self.domains) or min(self.domains) < 0:
            raise ValueError(
                "'domains' of Group must be places of domains, at least one and each once. "
                f"Got {self.domains}."
            )
        for field in ("lower", "upper"):
            if not 0 <= getattr(self, field) <= 1:
                raise ValueError(
                    f"'{field}' of Group must be in [0, 1]. Got {getattr(self, field)}."
                )


@dataclass(frozen=True, kw_only=True)
class Limit:
    """One constraint in words and as ``row @ mixture <= at_most``."""

    what: str
    row: FloatArray
    at_most: float


def irreducible(limits: list[Limit]) -> list[Limit]:
    """Limits that no mixture meets together, none of which could be left out; or none at all.

    A deletion filter: each limit in turn is left out for good if the others still conflict.
    """
    if _compatible(limits):
        return []
    needed = limits
    for limit in limits:
        others = [other for other in needed if other is not limit]
        if not _compatible(others):
            needed = others
    return needed


def _compatible(limits: list[Limit]) -> bool:
    if not limits:
        return True
    n_domains = len(limits[0].row)
    found = linear_program(
        np.zeros(n_domains),
        rows=np.array([limit.row for limit in limits]),
        at_most=np.array([limit.at_most for limit in limits]),
        row=np.ones(n_domains),
        equal=1.0,
        lower=np.zeros(n_domains),
        upper=np.ones(n_domains),
    )
    return found is not None
