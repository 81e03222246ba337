"""Do 90 % intervals of the default law hold 90 % of the runs it has not seen?

Asked of the losses that were fitted (five groups, RedPajama's 22), not of their weighted sum.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .laws_judge import Found

TABLES = ("regmix", "five", "three", "redpajama")
"""Those with held-out runs; each counts alike, however many predictions it has."""


def coverage(found: Mapping[str, Found]) -> Found:
    """The share of losses of held-out runs within the intervals, by table and over all.

    Args:
        found: the parts that ran. `coverage_90` wants all of `TABLES`.
    """
    shares = {name: found[name].coverage for name in TABLES if name in found}
    known = {name: share for name, share in shares.items() if share is not None}
    rows: list[list[object]] = [[name, f"{share:.1%}"] for name, share in known.items()]
    over_all: dict[str, float] = {}
    if len(known) == len(TABLES):
        mean = float(np.mean(list(known.values())))
        rows.append(["mean of these", f"{mean:.1%}"])
        over_all["coverage_90"] = mean
    return Found(columns=("table", "90 % intervals hold"), rows=rows, figures=over_all)
