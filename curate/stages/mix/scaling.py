"""Losses at a larger size and a later step, from runs that are small and short."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from mixing.scaling import Nested, ScaleError, nest

from ...errors import ConfigError, as_config_error
from ...runs import RunTable
from .fitting import Fit, fit
from .grid import Grid, Which

_FEWEST_FOR_CHECK = 3  # scales
_BENT = 0.25  # of what the constant guess is off: a bias that a power law does not explain


@dataclass(frozen=True, kw_only=True)
class Scaled:
    """What `scale` found.

    Attributes:
        grid: the runs it was found from.
        size: parameters it is predicted for.
        tokens: it is predicted for.
        nested: losses predicted there, and how far off the laws were on what ran.
        fit: of a mixing law to the prediction, where one was asked for.
        law: where that law was written.
        warnings: in sentences.
    """

    grid: Grid
    size: float
    tokens: float
    nested: Nested
    fit: Fit | None
    law: Path | None
    warnings: list[str]

    @property
    def table(self) -> RunTable:
        """The mixtures with the losses predicted for them."""
        return RunTable(
            names=self.grid.names,
            domains=self.grid.domains,
            mixtures=self.grid.mixtures,
            targets=self.grid.targets,
            losses=self.nested.losses,
        )

    def checks(self) -> Iterator[tuple[str, ScaleError]]:
        """What was held out, in words, and how far off its prediction was."""
        if self.nested.sizes is not None:
            yield "size", self.nested.sizes
        if self.nested.steps is not None:
            yield "step", self.nested.steps


def scale(
    runs: Sequence[str | Path],
    out: str | Path | None = None,
    *,
    size: float | None = None,
    steps: float | None = None,
    tokens: float | None = None,
    law: str | None = None,
    which: Which | None = None,
    seed: int = 0,
) -> Scaled:
    """Predict each mixture's losses at a target size and step: a step law inside a size law.

    Runs of one size get a step law alone, runs that share one step a size law alone.

    Args:
        runs: tables of curves, of the same mixtures at several sizes or steps.
        out: CSV file to write, a table of runs.
        size: parameters to predict at; that of the runs, where they have one size.
        steps: step to predict at, where all runs have the same tokens a step.
        tokens: in place of ``steps``; that of the runs, where they share one step.
        law: mixing law to fit to the prediction, a registered name or "auto"; it is written
            beside ``out``, as ``.law.json``.
        which: steps that count; all by default.
        seed: of the law's starts and folds.

    Raises:
        ConfigError: one size and one step, no target where one is needed, or runs that the laws
            refuse.
    """
    if law is not None and out is None:
        raise ConfigError("--law fits a law to the table that is written: give --out.")
    grid = Grid.read(runs, which or Which())
    if len(grid.sizes) == len(grid.tokens) == 1:
        raise ConfigError(
            f"The runs have one size ({grid.sizes[0]:,.0f} parameters) and one step that counts "
            f"({grid.tokens[0]:,.0f} tokens): there is nothing to extrapolate from. Give runs of "
            "several sizes, or measured at several steps."
        )
    target_size = _target(size, grid.sizes, "size", "--size", "parameters")
    target_tokens = _target(
        _tokens(grid, steps, tokens), grid.tokens, "step", "--steps or --tokens", "tokens"
    )
    with as_config_error("scale"), threadpool_limits(1):
        found = nest(
            grid.losses,
            grid.sizes,
            grid.tokens,
            target_size=target_size,
            target_step=target_tokens,
        )
    scaled = Scaled(
        grid=grid,
        size=target_size,
        tokens=target_tokens,
        nested=found,
        fit=None,
        law=None,
        warnings=[*grid.warnings, *_doubts(grid, found)],
    )
    return scaled if out is None else _written(scaled, Path(out), law, seed)


def _written(scaled: Scaled, out: Path, law: str | None, seed: int) -> Scaled:
    scaled.table.write(out)
    if law is None:
        return scaled
    path = out.with_suffix(".law.json")
    return replace(scaled, fit=fit(out, path, law=law, seed=seed), law=path)


def _tokens(grid: Grid, steps: float | None, tokens: float | None) -> float | None:
    if steps is None or tokens is not None:
        if steps is not None:
            raise ConfigError("--steps and --tokens say the same: leave one out.")
        return tokens
    if grid.tokens_per_step is None:
        raise ConfigError("The runs differ in the tokens they read in a step: give --tokens.")
    return steps * grid.tokens_per_step


def _target(
    given: float | None, ran: NDArray[np.float64], what: str, option: str, unit: str
) -> float:
    """What to predict at; that of the runs where it is the only one."""
    if len(ran) == 1:
        only = float(ran[0])
        if given is not None and given != only:
            raise ConfigError(
                f"All runs have one {what}, {only:,.0f} {unit}, and a law needs two: leave out "
                f"{option}, or give runs of another {what}."
            )
        return only
    if given is None:
        raise ConfigError(
            f"The runs go from {ran[0]:,.0f} to {ran[-1]:,.0f} {unit}: say with {option} which to "
            "predict at."
        )
    return given


def _doubts(grid: Grid, found: Nested) -> list[str]:
    said = [
        f"Two {name} do not determine an exponent: it is near the usual one, and nothing tells "
        "how far off the prediction is."
        for name, ran in (("sizes", grid.sizes), ("steps", grid.tokens))
        if len(ran) == 2
    ]
    last = found.steps
    if last is not None and (last.bias > _BENT * last.error_constant).any():
        said.append(
            f"Losses at the last step are lower than those before it led to expect, by up to "
            f"{last.bias.max():.4f}: as where the learning rate decays. Use --ends with runs of "
            "several lengths, or --to-step."
        )
    checks = (("size", grid.sizes, found.sizes), ("step", grid.tokens, found.steps))
    for name, ran, check in checks:
        if check is None and len(ran) >= _FEWEST_FOR_CHECK:
            said.append(
                f"Nothing tells how far off the prediction is at the last {name}: too few "
                "mixtures ran there and before."
            )
        elif check is not None and (check.error >= check.error_constant).any():
            worse = [
                target
                for target, bad in zip(
                    grid.targets, check.error >= check.error_constant, strict=True
                )
                if bad
            ]
            said.append(
                f"At the last {name} the prediction was no better than the loss at the {name} "
                f"before it: {', '.join(worse)}."
            )
    return said
