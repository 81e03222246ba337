"""Finished proxy runs: read from their files, and written as a table of curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixing.proxies import ProxySpec

from ..curves import Curves
from ..files import read_json
from .proxy_swarm import Job
from .selection import Selection

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class ProxyRuns:
    """Finished runs.

    Attributes:
        jobs: what they were.
        domains: all of the corpus.
        targets: what was measured on: those of which something was kept.
        steps: int64[measures], after which losses were measured.
        curves: float64[jobs, measures, targets], nats per token of held-out text; NaN throughout
            for a run that diverged.
        tokens_per_step: of each run.
        parameters: of each model, without the embedding.
        epochs: float64[jobs, domains], how often the text of each domain was read.
        diverged: why a run's losses are not used, by its name.
        decays_from: the step from which the learning rate falls; None where it does not.
        model_steps: trained in this call, of all models together.
        seconds: that took.
    """

    jobs: list[Job]
    domains: list[str]
    targets: list[str]
    steps: NDArray[np.int64]
    curves: FloatArray
    tokens_per_step: int
    parameters: int
    epochs: FloatArray
    diverged: dict[str, str]
    decays_from: int | None = None
    model_steps: int = 0
    seconds: float = 0.0

    @property
    def losses(self) -> FloatArray:
        """At the last step, float64[jobs, targets]; a row of NaN for a run that diverged."""
        last: FloatArray = self.curves[:, -1]
        return last

    def as_curves(self) -> Curves:
        """The runs that did not diverge, over the domains that can be mixed."""
        used = [i for i, job in enumerate(self.jobs) if job.run not in self.diverged]
        means = np.array([job.schedule.mean for job in self.jobs])
        mixed = [
            place
            for place, domain in enumerate(self.domains)
            if domain in self.targets or means[:, place].any()
        ]
        return Curves(
            runs=[self.jobs[i].run for i in used],
            domains=[self.domains[place] for place in mixed],
            mixtures=means[np.ix_(used, mixed)],
            targets=self.targets,
            parameters=np.full(len(used), self.parameters, np.int64),
            seeds=np.array([self.jobs[i].seed for i in used], np.int64),
            tokens_per_step=np.full(len(used), float(self.tokens_per_step)),
            all_steps=tuple(self.steps for _ in used),
            all_losses=tuple(self.curves[i] for i in used),
            diverged=self.diverged,
        )

    def write(self, path: str | Path) -> None:
        """Write them as a table of curves."""
        self.as_curves().write(path)


def run_file(root: Path, job: Job) -> Path:
    """Where a finished run is written."""
    return root / "runs" / f"{job.run}.json"


def read_runs(root: Path, jobs: Sequence[Job], chosen: Selection, spec: ProxySpec) -> ProxyRuns:
    """What the files of finished runs hold."""
    finished = [read_json(run_file(root, job)) for job in jobs]
    return ProxyRuns(
        jobs=[*jobs],
        domains=chosen.all_domains,
        targets=chosen.domains,
        steps=np.array(finished[0]["steps"], np.int64),
        curves=np.array([_curve(one, chosen.domains) for one in finished]),
        tokens_per_step=spec.batch * spec.length,
        parameters=spec.n_parameters,
        epochs=np.array([[one["epochs"][d] for d in chosen.all_domains] for one in finished]),
        diverged={one["job"]["run"]: one["diverged"] for one in finished if one["diverged"]},
        decays_from=spec.decays_from,
    )


def _curve(record: dict[str, Any], targets: list[str]) -> FloatArray:
    """float64[measures, targets]."""
    curves = np.array([record["losses"][target] for target in targets], np.float64).T
    return np.full(curves.shape, np.nan) if record["diverged"] else curves
