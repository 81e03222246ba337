"""Published runs of proxy models, read from the folder that holds them.

Every table is checked as it is read: no run twice, no run without one of the losses, mixtures
renormalised, and the special runs that are no part of a design left out.
"""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixing import check_mixtures

FloatArray = NDArray[np.float64]

GROUPS = {
    "academic": ("ArXiv", "PubMed_Abstracts", "PhilPapers", "NIH_ExPorter", "FreeLaw",
                 "USPTO_Backgrounds", "PubMed_Central"),
    "prose": ("PG19", "Books3", "BookCorpus2"),
    "dialogue": ("Ubuntu_IRC", "OpenSubtitles", "EuroParl", "Enron_Emails", "HackerNews",
                 "YoutubeSubtitles"),
    "symbolic": ("DM_Mathematics", "Github"),
    "internet": ("Pile-CC", "OpenWebText2", "StackExchange", "Wikipedia_en"),
}  # fmt: skip
"""Validation domains of the five training domains, in the order of their shares."""

FILES = (
    *(f"regmix/{s}_{what}_1m.csv" for s in ("train", "test") for what in ("mixture", "pile_loss")),
    *(f"mixinglaws/{name}.csv" for name in ("three_domains", "five_domains", "redpajama")),
    "mixinglaws/continual.csv",
    "mixinglaws/validation_weights.json",
    "autoscale.json",
    "overtraining_redpajama.csv",
)
"""What the folder of published runs must hold."""

_SPECIAL = 900  # runs from here on are the default and the optimised mixture, not the design


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """Runs of one model size, at one training step.

    Attributes:
        mixtures: float64[runs, domains], each row on the simplex.
        losses: float64[runs, targets], nats/token.
        targets: what each loss is the loss on.
        runs: the published number of each run.
    """

    mixtures: FloatArray
    losses: FloatArray
    targets: tuple[str, ...]
    runs: tuple[int, ...]


def regmix(data: Path, split: str) -> tuple[FloatArray, FloatArray, tuple[str, ...]]:
    """RegMix: mixtures[runs, 17], losses[runs, 13] and the names of the losses.

    Args:
        data: the folder of published runs.
        split: "train" (512 runs) or "test" (256).
    """
    _, shares = _by_index(data / "regmix" / f"{split}_mixture_1m.csv")
    targets, losses = _by_index(data / "regmix" / f"{split}_pile_loss_1m.csv")
    if shares.keys() != losses.keys():
        raise ValueError(f"The {split} runs of RegMix have mixtures and losses of other runs.")
    order = sorted(shares)
    names = tuple(
        name.removeprefix("metric/the_pile_").removesuffix("_val_loss") for name in targets
    )
    return (
        check_mixtures([shares[i] for i in order]),
        np.array([losses[i] for i in order]),
        names,
    )


def regmix_as_stored(data: Path, split: str) -> FloatArray:
    """RegMix's mixtures as the file has them, rounded, with sums of .996 to 1.003."""
    _, shares = _by_index(data / "regmix" / f"{split}_mixture_1m.csv")
    return np.array([shares[i] for i in sorted(shares)])


def ratio_runs(data: Path, name: str, size: str, step: int) -> Table:
    """One size and step of data mixing laws: every run of the design, every validation domain.

    Args:
        data: the folder of published runs.
        name: "two_domains", "three_domains", "five_domains" or "redpajama".
        size: of the model, such as "70M".
        step: of training; a step is 1,048,576 tokens.
    """
    losses: dict[tuple[int, str], dict[str, float]] = defaultdict(dict)
    for row in _rows(data / "mixinglaws" / f"{name}.csv"):
        if (row["size"], int(row["step"])) != (size, step) or int(row["run"]) >= _SPECIAL:
            continue
        run = losses[int(row["run"]), row["mixture"]]
        domain, loss = row["validation_domain"], float(row["loss"])
        if run.setdefault(domain, loss) != loss:
            raise ValueError(f"{name}.csv holds two losses of run {row['run']} on {domain}.")
    targets = tuple(sorted({domain for run in losses.values() for domain in run}))
    runs = sorted(key for key, run in losses.items() if len(run) == len(targets))
    if not runs:
        raise ValueError(f"{name}.csv holds no run of {size} at step {step}.")
    return Table(
        mixtures=check_mixtures([[float(share) for share in m.split("-")] for _, m in runs]),
        losses=np.array([[losses[key][target] for target in targets] for key in runs]),
        targets=targets,
        runs=tuple(number for number, _ in runs),
    )


def five_groups(data: Path, size: str, step: int) -> tuple[Table, FloatArray]:
    """The five domains with a loss for each group, and the groups' weights in the overall loss.

    A group's loss is the mean of its domains', weighted as in the overall loss.
    """
    table = ratio_runs(data, "five_domains", size, step)
    weights = overall_weights(data, table.targets)
    member = np.array([[target in group for group in GROUPS.values()] for target in table.targets])
    shares = weights[:, None] * member
    grouped = Table(
        mixtures=table.mixtures,
        losses=table.losses @ (shares / shares.sum(axis=0)),
        targets=tuple(GROUPS),
        runs=table.runs,
    )
    return grouped, shares.sum(axis=0)


def validation_weights(data: Path) -> dict[str, float]:
    """The weight of each of 22 validation domains in the overall loss; they sum to one."""
    path = data / "mixinglaws" / "validation_weights.json"
    weights: dict[str, float] = json.loads(path.read_text())
    return weights


def overall_weights(data: Path, targets: Sequence[str]) -> FloatArray:
    """The weights of these validation domains, float64[targets]."""
    weights = validation_weights(data)
    return np.array([weights[target] for target in targets])


def continual(data: Path) -> list[dict[str, str]]:
    """Rows of continual.csv: Pythia-70M continued on Pile-Python."""
    return _rows(data / "mixinglaws" / "continual.csv")


def overtraining(data: Path) -> dict[str, FloatArray]:
    """The over-training test bed: a column for each number, a row for each of 35 models."""
    rows = _rows(data / "overtraining_redpajama.csv")
    numbers = [name for name in rows[0] if name not in ("training_data", "model")]
    return {name: np.array([float(row[name]) for row in rows]) for name in numbers}


def autoscale(data: Path) -> dict[str, Any]:
    """The runs of DDO with the published fit and optima, as they are stored."""
    stored: dict[str, Any] = json.loads((data / "autoscale.json").read_text())
    return stored


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _by_index(path: Path) -> tuple[list[str], dict[int, list[float]]]:
    """The columns beside ``index``, and their values by it."""
    rows = _rows(path)
    names = [name for name in rows[0] if name != "index"]
    values = {int(row["index"]): [float(row[name]) for name in names] for row in rows}
    if len(values) != len(rows):
        raise ValueError(f"{path.name} holds an index twice.")
    return names, values
