"""Tables of curves with planted laws of step, size and mixture; nothing trains."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.cli import main
from curate.stages.mix.grid import Grid

DOMAINS = ("code", "noise", "web")
TARGETS = ("code", "web")
SIZES = (10**6, 4 * 10**6, 16 * 10**6, 64 * 10**6)
STEPS = (250, 500, 1000, 2000)
RATE = 512  # tokens per step
ALPHA, BETA = 0.3, 0.6


def loss(mixture: np.ndarray, parameters: float, tokens: float) -> np.ndarray:
    """Of each target: its own domain helps, and mixtures differ in what size and steps give."""
    own = mixture[[0, 2]]
    floor = 1.5 + 0.3 / (0.2 + own)
    gain = 0.5 + 0.4 * own
    return floor + gain * ((parameters / 1e7) ** -ALPHA + 0.5 * (tokens / 5e5) ** -BETA)


def design(n: int = 12, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(3), n)


@dataclass
class Table:
    """Rows of curves: (run, mixture, parameters, step, seed, losses by target)."""

    rows: list[tuple] = field(default_factory=list)

    def add(self, run, mixture, size, steps=STEPS, *, seed=0, noise=0.0, rng=None, of=loss):
        for step in steps:
            losses = of(mixture, size, step * RATE)
            if noise:
                losses = losses + noise * rng.normal(size=len(losses))
            self.rows.append((run, mixture, size, step, seed, losses))

    def write(self, path: Path, rng: np.random.Generator | None = None) -> Path:
        """As a long table, its rows in any order."""
        long = [
            {
                "run": run,
                **{f"share/{d}": float(s) for d, s in zip(DOMAINS, mixture, strict=True)},
                "parameters": size,
                "tokens": step * RATE,
                "step": step,
                "seed": seed,
                "domain": target,
                "loss": float(losses[t]),
            }
            for run, mixture, size, step, seed, losses in self.rows
            for t, target in enumerate(TARGETS)
        ]
        (rng or np.random.default_rng(7)).shuffle(long)
        # Targets come in the order in which the table has them.
        long.insert(0, long.pop(next(i for i, row in enumerate(long) if row["domain"] == "code")))
        pq.write_table(pa.Table.from_pylist(long), path)
        return path


def swarm(sizes=SIZES, steps=STEPS, noise=0.0, seed=0, **rest) -> Table:
    rng, table = np.random.default_rng(seed), Table()
    for size in sizes:
        for i, mixture in enumerate(design()):
            table.add(f"{i:03d}-{size}", mixture, size, steps, noise=noise, rng=rng, **rest)
    return table


def truth(parameters: float, tokens: float) -> np.ndarray:
    return np.array([loss(mixture, parameters, tokens) for mixture in design()])


def rows_of(grid: Grid) -> np.ndarray:
    """The place of each designed mixture in a grid."""
    found = [int(np.abs(grid.mixtures - mixture).sum(axis=1).argmin()) for mixture in design()]
    assert sorted(found) == list(range(len(found)))
    return np.array(found)


def curate(*arguments: object) -> None:
    """Run a command that should succeed."""
    with pytest.raises(SystemExit) as ended:
        main([*map(str, arguments)])
    assert not ended.value.code
