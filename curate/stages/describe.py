"""What score tables say, in a few numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ..files import digest
from ..tables import ScoreStore, reason_counts

_QUANTILES = (0.0, 0.05, 0.5, 0.95, 1.0)
_UNIFORM = 1.2
_LONGEST = 40


@dataclass(frozen=True)
class Description:
    """A headline, a table, and notes."""

    headline: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    notes: Sequence[str]


def describe_scores(root: Path) -> Description:
    """Documents, missing scores and quantiles of each domain.

    Raises:
        ConfigError: no score tables there.
    """
    store = ScoreStore.open(root)
    scores: dict[str, list[np.ndarray]] = {}
    reasons: Counter[str] = Counter()
    for _, table in store.tables(["domain", "score", "reason"]):
        domain = np.array(table["domain"].cast(pa.string()).to_pylist(), dtype=object)
        score = table["score"].to_numpy()
        reasons.update(reason_counts(table))
        for name in sorted(set(domain)):
            scores.setdefault(name, []).append(score[domain == name])
    joined = {name: np.concatenate(parts) for name, parts in sorted(scores.items())}
    rows = [_row(name, score) for name, score in joined.items()]
    if len(joined) > 1:
        rows.append(_row("total", np.concatenate(list(joined.values()))))
    config = store.config
    better = {True: "higher is better", False: "lower is better", None: "neither end is better"}
    headline = (
        f"Scores of {store.name}: {config['column']} in {config['unit']}, "
        f"{better[config['higher_is_better']]}; {len(store.shard_names())} shards"
    )
    columns = ("domain", "documents", "no score", "mean", "least", "5 %", "median", "95 %", "most")
    notes = [f"{n:,} without a score: {reason}" for reason, n in sorted(reasons.items())]
    if "raters" in config["config"]:
        notes.append(_raters(config["config"]))
    if config["column"] == "log_density" and joined:
        notes.append(_spread(np.concatenate(list(joined.values()))))
    return Description(headline, columns, rows, notes)


def _row(name: str, score: np.ndarray) -> list[object]:
    present = score[~np.isnan(score)]
    numbers = (
        [float(present.mean()), *np.quantile(present, _QUANTILES).tolist()] if len(present) else []
    )
    return [name, len(score), len(score) - len(present), *(numbers or [None] * 6)]


def _raters(combined: dict[str, Any]) -> str:
    """Who was combined, with the options that tell raters of one scorer apart."""
    raters = list(combined["raters"].values())
    named = []
    for rater in raters:
        alike = [other["config"] for other in raters if other["scorer"] == rater["scorer"]]
        told = ", ".join(
            f"{option} {_short(value)}"
            for option, value in rater["config"].items()
            if len({digest(other.get(option)) for other in alike}) > 1
        )
        named.append(f"{rater['scorer']} ({told or rater['column']})")
    return f"{combined['how']} of {len(raters)} raters: {', '.join(named)}"


def _short(value: object) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= _LONGEST else text[:_LONGEST] + " …"


def _spread(log_density: np.ndarray) -> str:
    low, high = np.nanquantile(log_density, (0.01, 0.99))
    ratio = float(np.exp(high - low))
    warning = (
        " Inverse propensity is then nearly uniform sampling: give a smaller bandwidth."
        if ratio < _UNIFORM
        else ""
    )
    return f"Weights 1 / density spread {ratio:.2f}-fold (1st to 99th percentile).{warning}"
