"""The critical share of continual training, fitted on published runs.

Pythia-70M continued on Pile and Python for 10,000 steps: four mixtures fitted, a fifth checks.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np

from mixing.critical import critical_share

from .published import continual, validation_weights

BASE_LOSS = 2.8734
"""Overall Pile loss of the base model, nats/token; its own rows are not among the runs."""
CHECK_RUN = "9"
PUBLISHED = 0.28623

COLUMNS = ("quantity", "published", "here")


def continual_runs(data: Path) -> dict[str, tuple[float, float]]:
    """Share of Pile data and overall Pile loss of each run, at the last step all runs have.

    Args:
        data: the folder of published runs, which holds ``mixinglaws/continual.csv``.
    """
    weights = validation_weights(data)
    losses: dict[int, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    shares: dict[str, float] = {}
    for row in continual(data):
        shares[row["run"]] = float(row["mixture"].split("-")[0])
        weight = weights.get(row["validation_domain"], 0.0)  # the Python set is not Pile
        losses[int(row["step"])][row["run"]] += weight * float(row["loss"])
    step = max(step for step, runs in losses.items() if len(runs) == len(shares))
    return {run: (shares[run], loss) for run, loss in losses[step].items()}


def figures(data: Path) -> tuple[tuple[str, ...], list[list[object]], dict[str, float]]:
    """The critical share and its check run beside the published ones; `critical_share`."""
    runs = continual_runs(data)
    check_share, check_loss = runs.pop(CHECK_RUN)
    shares, losses = np.array(list(runs.values())).T
    found = critical_share(shares, losses, BASE_LOSS)
    predicted = float(found.loss([check_share])[0])
    rows: list[list[object]] = [
        ["critical share of Pile data", f"{PUBLISHED:.4f}", f"{found.share:.4f}"],
        ["its 90 % interval", "", "{:.3f} to {:.3f}".format(*found.interval)],
        [f"loss of the check run at {check_share:.4f}", f"{check_loss:.4f}", f"{predicted:.4f}"],
    ]
    return COLUMNS, rows, {"critical_share": found.share}
