"""What tables say, in a few numbers: score tables, and embedding tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from scorers.density import weight_spread

from ..embeddings import dimension
from ..files import digest
from ..schema import EMBEDDING
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
    """Documents, what is missing, and quantiles of the scores of each domain.

    Raises:
        ConfigError: no tables there.
    """
    store = ScoreStore.open(root, measured=None)
    return _embeddings(store) if store.measured == EMBEDDING else _scores(store)


def _scores(store: ScoreStore) -> Description:
    scores: dict[str, list[np.ndarray]] = {}
    reasons: Counter[str] = Counter()
    for _, table in store.tables(["domain", "score", "reason"]):
        domain = _domains(table)
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
    if config["column"] == "log_density":
        notes += _spread(config, np.concatenate([np.empty(0), *joined.values()]))
    if "sketch" in config["config"]:
        notes.append(_sketch(config["config"]))
    return Description(headline, columns, rows, notes)


def weights_note(root: str | Path) -> str | None:
    """How far the weights of inverse propensity spread; None: these scores are no densities.

    Raises:
        ConfigError: no score tables there.
    """
    store = ScoreStore.open(root)
    if store.config["column"] != "log_density":
        return None
    scores = [table["score"].to_numpy() for _, table in store.tables(["score"])]
    return next(iter(_spread(store.config, np.concatenate([np.empty(0), *scores]))), None)


def _embeddings(store: ScoreStore) -> Description:
    documents: Counter[str] = Counter()
    missing: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for _, table in store.tables(["domain", "reason"]):
        domain = _domains(table)
        documents.update(domain)
        missing.update(domain[table["reason"].is_valid().to_numpy()])
        reasons.update(reason_counts(table))
    rows: list[list[object]] = [[n, documents[n], missing[n]] for n in sorted(documents)]
    if len(documents) > 1:
        rows.append(["total", documents.total(), missing.total()])
    names = store.shard_names()
    entries = f"{dimension(store)} entries" if names else "no table yet"
    headline = (
        f"Embeddings of {store.name}: {store.config['scorer']}, {store.config['unit']}, "
        f"{entries}; {len(names)} shards"
    )
    notes = [f"{n:,} without an embedding: {reason}" for reason, n in sorted(reasons.items())]
    return Description(headline, ("domain", "documents", "no embedding"), rows, notes)


def _domains(table: pa.Table) -> np.ndarray:
    return np.array(table["domain"].cast(pa.string()).to_pylist(), dtype=object)


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


def _spread(config: dict[str, Any], log_density: np.ndarray) -> list[str]:
    if np.isnan(log_density).all():
        return []
    ratio = weight_spread(log_density)
    warning = (
        " Inverse propensity is then nearly uniform sampling (that of Sachdeva et al. 2024, whose "
        f"plotted densities span 1.17-fold, seems to be there): give {_narrower(config)}."
        if ratio < _UNIFORM
        else ""
    )
    return [f"Weights 1 / density spread {ratio:.2f}-fold (1st to 99th percentile).{warning}"]


def _narrower(config: dict[str, Any]) -> str:
    """The options that make the kernel of a density narrower, and its weights spread more."""
    made = config["config"]
    if "concatenation" not in made:
        return "a smaller --bandwidth" + ("-ratio" if made.get("bandwidth") is None else "")
    more = "a greater --concatenation"
    if made["hash"] != "p-stable":
        return more
    return f"{more}, or a smaller --width" + ("-ratio" if made["width"] is None else "")


def _sketch(config: dict[str, Any]) -> str:
    """How full a sketch of hashes is, and how wide the kernel that it sums."""
    return (
        f"Of {config['n_buckets']:,} counters a row {config['cells_per_row']:,.1f} are in use "
        f"({config['occupancy']:.2%}); two documents at the typical distance, "
        f"{config['distance']:.3g}, collide with probability {config['collision']:.3f}."
    )
