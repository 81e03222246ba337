"""Losses of proxy runs as they learn: a Parquet table, one row a run, step and domain.

    run             string   name of the run
    share/<domain>  float64  mixture over the whole run, one column a domain; sums to one
    parameters      int64    of the model, without the embedding
    tokens          int64    read up to this step
    step            int64    optimiser steps done
    seed            int64    of the run; may be missing
    domain          string   whose held-out text was measured
    loss            float64  nats per token of it

Rows may stand in any order. Each measured step of a run has a row for every domain. A run that
diverged has no rows; its name and the reason are in the metadata of the schema, under "diverged".
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .errors import ConfigError
from .files import whole
from .places import read_parquet

if TYPE_CHECKING:
    import pyarrow as pa

SHARE, LOSS = "share/", "loss/"
COLUMNS = ("run", "parameters", "tokens", "step", "domain", "loss")
_DIVERGED = b"diverged"

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Curves:
    """Runs as they learned.

    Attributes:
        runs: one name per run, distinct.
        domains: one per column of ``mixtures``.
        mixtures: float64[runs, domains], over the whole run; each row on the simplex.
        targets: what was measured on, one per column of losses.
        parameters: int64[runs], without the embedding.
        seeds: int64[runs].
        tokens_per_step: float64[runs].
        all_steps: int64[measures] of each run, increasing; see `steps`.
        all_losses: float64[measures, targets] of each run; see `losses`.
        diverged: why a run is left out, by its name; none of ``runs``.
    """

    runs: list[str]
    domains: list[str]
    mixtures: FloatArray
    targets: list[str]
    parameters: IntArray
    seeds: IntArray
    tokens_per_step: FloatArray
    all_steps: tuple[IntArray, ...]
    all_losses: tuple[FloatArray, ...]
    diverged: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.runs)

    def steps(self, run: int) -> IntArray:
        """Steps done before each measure of a run, int64[measures], increasing."""
        return self.all_steps[run]

    def losses(self, run: int) -> FloatArray:
        """Of a run, float64[measures, targets], nats per token."""
        return self.all_losses[run]

    @classmethod
    def read(cls, path: str | Path) -> Curves:
        """Read a table of curves.

        Raises:
            ConfigError: not there, a column is missing or holds something else, shares that make
                no mixture, a run with two of them, a loss that is NaN, or a step that is there
                twice or not for every domain; names the run or the row.
        """
        from .curves_table import read_curves

        return read_curves(path, open_table(path))

    def write(self, path: str | Path) -> None:
        """Write as Parquet, whole or not at all; the same runs, the same bytes."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        n_targets = len(self.targets)
        n_rows = [len(steps) * n_targets for steps in self.all_steps]
        run = np.repeat(np.arange(len(self)), n_rows)
        step = np.concatenate([_EMPTY, *(np.repeat(s, n_targets) for s in self.all_steps)])
        loss = np.concatenate([_EMPTY, *(losses.ravel() for losses in self.all_losses)])
        columns: dict[str, Any] = {"run": pa.array([self.runs[i] for i in run], pa.string())}
        for place, domain in enumerate(self.domains):
            columns[SHARE + domain] = pa.array(self.mixtures[run, place], pa.float64())
        tokens = np.rint(step * self.tokens_per_step[run]).astype(np.int64)
        columns |= {
            "parameters": pa.array(self.parameters[run], pa.int64()),
            "tokens": pa.array(tokens, pa.int64()),
            "step": pa.array(step.astype(np.int64), pa.int64()),
            "seed": pa.array(self.seeds[run], pa.int64()),
            "domain": pa.array(self.targets * (len(run) // max(1, n_targets)), pa.string()),
            "loss": pa.array(loss.astype(np.float64), pa.float64()),
        }
        said = json.dumps(self.diverged, sort_keys=True, ensure_ascii=False).encode()
        table = pa.table(columns).replace_schema_metadata({_DIVERGED: said})
        with whole(Path(path)) as temporary:
            pq.write_table(table, temporary)


_EMPTY: IntArray = np.empty(0, np.int64)


def open_table(path: str | Path) -> pa.Table:
    """A Parquet file of runs.

    Raises:
        ConfigError: not there, or not Parquet.
    """
    import pyarrow as pa

    try:
        return read_parquet(Path(path))
    except FileNotFoundError as error:
        raise ConfigError(f"{path} is not there.") from error
    except (OSError, pa.ArrowException) as error:
        raise ConfigError(
            f"{path}: cannot be read as a Parquet file ({error}). A table of curves is one, "
            f"with the columns run, {SHARE}<domain> …, {', '.join(COLUMNS[1:])}."
        ) from error


def holds_curves(columns: Sequence[str]) -> bool:
    """Whether a table has a row for each domain measured, not one for each run."""
    return {"domain", "loss"} <= {*columns}


def diverged_of(table: pa.Table) -> dict[str, str]:
    """The runs that a table leaves out, with the reasons."""
    metadata = table.schema.metadata or {}
    try:
        found = json.loads(metadata.get(_DIVERGED, b"{}"))
    except ValueError:
        return {}
    return {str(k): str(v) for k, v in found.items()} if isinstance(found, dict) else {}
