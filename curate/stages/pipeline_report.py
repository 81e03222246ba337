"""The table that ends a run: domains, predicted and measured losses, and what was counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..config import Pipeline
from ..credentials import redacted
from ..tables import ScoreStore
from .score_report import ScoreReport


def report_of(
    pipeline: Pipeline,
    scored: list[ScoreReport],
    selection: dict[str, Any],
    mixture: dict[str, Any],
    check: dict[str, Any],
    dataset: dict[str, Any],
) -> dict[str, Any]:
    """Counts by domain, what a law predicted and what proxies measured, and the files written."""
    out = Path(pipeline.out)
    means = {name: mean_scores(ScoreStore.open(out / "scores" / name)) for name in pipeline.score}
    domains = {
        name: {
            "documents": count["documents"],
            "kept": count["kept"],
            "tokens_kept": count["tokens_kept"],
            "mean_score": {scorer: by_domain.get(name) for scorer, by_domain in means.items()},
            "share_before": mixture["unfiltered"][name],
            "share_proposed": mixture["mixture"].get(name, 0.0),
            "epochs": mixture["epochs"].get(name, 0.0),
        }
        for name, count in selection["domains"].items()
    }
    keys = ("predicted_loss", "predicted_interval", "gain", "gain_interval", "gain_holds_zero")
    return {
        "corpus": {
            **pipeline.corpus.model_dump(),
            "inputs": [redacted(given) for given in pipeline.corpus.inputs],
        },
        "domains": domains,
        "scored": {report.scorer: report.as_dict() for report in scored},
        "prediction": {key: mixture[key] for key in (*keys, "certificate")},
        "measured": check,
        "documents": dataset["documents"],
        "files": [file["name"] for file in dataset["files"]],
    }


def mean_scores(store: ScoreStore) -> dict[str, float | None]:
    """Mean score of each domain's documents that have one."""
    sums: dict[str, list[float]] = {}
    for _, table in store.tables(["domain", "score"]):
        grouped = table.group_by("domain").aggregate([("score", "sum"), ("score", "count")])
        for row in grouped.to_pylist():
            total = sums.setdefault(row["domain"], [0.0, 0.0])
            total[0] += row["score_sum"] or 0.0
            total[1] += row["score_count"]
    return {name: s / n if n else None for name, (s, n) in sorted(sums.items())}
