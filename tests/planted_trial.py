"""A law planted in three domains, fitted, and runs of mixtures that follow it; nothing trains."""

from __future__ import annotations

import numpy as np

import mixing
from curate.stages.mix.files import StoredLaw
from curate.stages.mix.supply import Supply
from curate.stages.mix.trial import Proposal, Trial, references
from curate.stages.proxies import KEPT, Job, ProxyRuns
from mixing.schedule import Schedule

DOMAINS = ["code", "noise", "web"]
SUPPLY = Supply(domains=DOMAINS, available=np.array([2e6, 5e6, 3e6]))
N_SEEDS, STEPS = 3, np.array([10, 20, 30, 40])


def losses_of(mixtures: np.ndarray) -> np.ndarray:
    """Of code, noise and web: text of its own helps, of the other a little, of noise none."""
    helps = np.array([[0.8, 0.0, 0.2], [0.0, 0.0, 0.0], [0.2, 0.0, 0.8]])
    return 3 - 0.5 * np.sqrt(0.01 + mixtures @ helps.T)


def planted_law() -> StoredLaw:
    """Fitted to 24 runs of the law above, with a little noise."""
    rng = np.random.default_rng(0)
    mixtures = mixing.dirichlet(SUPPLY.proportional, 24, rng)
    losses = losses_of(mixtures) + rng.normal(0, 0.002, (24, 3))
    law = mixing.Additive().fit(mixtures, losses, rng)
    return StoredLaw(law=law, domains=DOMAINS, targets=DOMAINS)


def runs_of(
    trial: Trial, *, turn: float = 1.0, off: float = 0.0, noise: float = 0.002
) -> ProxyRuns:
    """Runs that follow the planted law, or its opposite; a seed moves all mixtures alike."""
    rng = np.random.default_rng(1)
    true = losses_of(trial.mixtures)
    true = turn * (true - true.mean(axis=0)) + true.mean(axis=0) + off
    final = np.repeat(true, N_SEEDS, axis=0)
    final += np.tile(rng.normal(0, 0.05, N_SEEDS), len(true))[:, None]
    final += rng.normal(0, noise, final.shape)
    falling = 0.3 * (STEPS[-1] / STEPS - 1)
    curves = final[:, None, :] + falling[None, :, None]
    jobs = [
        Job(
            run=f"{names[0].replace(' ', '-')}-{row:08x}-{seed}",
            text=KEPT,
            schedule=Schedule.constant(shares),
            seed=seed,
        )
        for row, (names, shares) in enumerate(zip(trial.names, trial.mixtures, strict=True))
        for seed in range(N_SEEDS)
    ]
    return ProxyRuns(
        jobs=jobs,
        domains=DOMAINS,
        targets=DOMAINS,
        steps=STEPS,
        curves=curves,
        tokens_per_step=512,
        parameters=100_000,
        epochs=np.ones((len(jobs), 3)),
        diverged={},
    )


def weigh(**weights: float) -> dict[str, float]:
    return {name: weight / sum(weights.values()) for name, weight in weights.items()}


def trial_of(*proposals: tuple[str, list[float], dict[str, float]]) -> Trial:
    made = [
        Proposal(name=name, file=f"{name}.json", shares=np.array(shares), objective=objective)
        for name, shares, objective in proposals
    ]
    return Trial.of(made, references(SUPPLY, 6_000_000, 4.0, n_random=3, seed=0))


GOOD = ("proposed", [0.5, 0.02, 0.48], weigh(code=0.5, web=0.5))
