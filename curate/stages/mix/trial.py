"""Which mixtures are on trial, and what they are trained beside."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import mixing

from ...errors import ConfigError, as_config_error
from ...files import digest, read_json
from ...places import place
from .exporting import DIGITS
from .files import StoredLaw, load_phases, load_schedule, named
from .supply import Supply, read_prior

if TYPE_CHECKING:
    from ..proxies import Job

FloatArray = NDArray[np.float64]

PROPORTIONAL = "proportional"
_SAME = 1e-6  # shares that an exported mixture writes alike
FIRST_SEED = 1  # designed runs have seed 0, and their noise is in the law
_DRAWN_APART = 20  # a stream of its own: a design of the same seed would draw the same mixtures
_MAX_EPOCHS = 4.0


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A mixture on trial.

    Attributes:
        name: of the mixture, in what is printed.
        file: it came from.
        shares: float64[domains].
        objective: weight of each target that counts, summing to one.
        schedule: its phases, whose mean ``shares`` is; None for one mixture throughout.
    """

    name: str
    file: str
    shares: FloatArray
    objective: dict[str, float]
    schedule: mixing.Schedule | None = None


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What is trained: distinct mixtures, each under every name it goes by.

    Attributes:
        names: of each mixture; several where they coincide.
        mixtures: float64[mixtures, domains].
        proposals: the mixtures on trial.
        schedules: the phases of each mixture; None for one mixture throughout.
    """

    names: list[list[str]]
    mixtures: FloatArray
    proposals: list[Proposal]
    schedules: list[mixing.Schedule | None]

    @property
    def labels(self) -> list[str]:
        """One name a mixture: "uniform = unimax" where two are the same."""
        return [" = ".join(names) for names in self.names]

    def row(self, name: str) -> int:
        """The mixture of that name."""
        return next(row for row, names in enumerate(self.names) if name in names)

    @classmethod
    def of(cls, proposals: Sequence[Proposal], others: Iterable[tuple[str, FloatArray]]) -> Trial:
        """Proposals and others, mixtures that coincide taken once, and those with phases apart."""
        names: list[list[str]] = []
        mixtures: list[FloatArray] = []
        schedules: list[mixing.Schedule | None] = []
        on_trial = [(one.name, one.shares, one.schedule) for one in proposals]
        for name, shares, phases in [*on_trial, *((*other, None) for other in others)]:
            same = [
                row
                for row, m in enumerate(mixtures)
                if np.abs(m - shares).max() < _SAME and phases is schedules[row] is None
            ]
            if same:
                names[same[0]].append(name)
            else:
                names.append([name])
                mixtures.append(shares)
                schedules.append(phases)
        return cls(
            names=names,
            mixtures=np.array(mixtures),
            proposals=[*proposals],
            schedules=schedules,
        )


def read_proposals(
    paths: Sequence[str | Path],
    stored: StoredLaw,
    measured: Sequence[str],
    objective: Mapping[str, float] | None,
) -> list[Proposal]:
    """The mixtures on trial, each with its objective.

    Raises:
        ConfigError: no mixture, other domains, or an objective that no run measures.
    """
    if not paths:
        raise ConfigError("Which mixture is to be verified? Give --mixture.")
    taken = {PROPORTIONAL, "uniform", "unimax"}
    found = []
    for path in map(Path, paths):
        name = "proposed" if len(paths) == 1 else path.stem
        while name in taken or name.startswith("random "):
            name += "'"
        taken.add(name)
        weights = dict(
            objective or _told(path).get("objective") or dict.fromkeys(stored.targets, 1.0)
        )
        found.append(
            Proposal(
                name=name,
                file=str(path),
                shares=read_prior(path, stored.domains),
                schedule=_phases(path, stored.domains),
                objective=_normalised(weights, stored, measured, path),
            )
        )
    return found


def _phases(path: Path, domains: Sequence[str]) -> mixing.Schedule | None:
    """A schedule of several phases."""
    return load_schedule(path, domains) if len(load_phases(path)) > 1 else None


def _told(path: Path) -> dict[str, Any]:
    """What a file of `optimize` holds beside the shares; nothing for a plain object of shares."""
    content = read_json(path)
    return content if isinstance(content, dict) and "mixture" in content else {}


def _normalised(
    weights: Mapping[str, float], stored: StoredLaw, measured: Sequence[str], path: Path
) -> dict[str, float]:
    values = stored.weights(weights) or []
    if not all(0 <= value < np.inf for value in values) or not any(values):
        raise ConfigError(f"{path}: the objective wants weights >= 0, not all 0. Got {weights}.")
    counted = {t: w / sum(values) for t, w in zip(stored.targets, values, strict=True) if w}
    unknown = [target for target in counted if target not in measured]
    if unknown:
        raise ConfigError(
            f"{path}: its objective counts {unknown[0]!r}, which proxies don't measure. They are "
            f"judged on held-out text of {', '.join(measured)}; give --weight."
        )
    return counted


def dataset_limits(
    paths: Sequence[Path], n_tokens: int, max_epochs: float | None
) -> tuple[int, float]:
    """Tokens of the dataset and most epochs: the tightest of what the mixtures were made for.

    Args:
        paths: files of mixtures.
        n_tokens: what a proxy reads, where no mixture was made for a dataset of a given size.
        max_epochs: in place of that of the mixtures.
    """
    made_for = [told for told in map(_told, paths) if "tokens" in told]
    tokens = max((told["tokens"] for told in made_for), default=n_tokens)
    epochs = min((t["max_epochs"] for t in made_for if "max_epochs" in t), default=_MAX_EPOCHS)
    return tokens, epochs if max_epochs is None else max_epochs


def references(
    supply: Supply, tokens: int, max_epochs: float, *, n_random: int, seed: int
) -> list[tuple[str, FloatArray]]:
    """Mixtures that need no law, by name.

    Args:
        supply: what there is.
        tokens: size of the dataset.
        max_epochs: how often UniMax and random mixtures may repeat a domain in it.
        n_random: drawn as `mixing.dirichlet` draws.
        seed: of the draw.

    Raises:
        ConfigError: there is too little text for any mixture within ``max_epochs``.
    """
    available, proportional = supply.available, supply.proportional
    assert available is not None and proportional is not None
    with as_config_error(f"mixtures for {tokens:,} tokens, {max_epochs:g} epochs at most"):
        made = [
            (PROPORTIONAL, proportional),
            ("uniform", np.full(len(available), 1 / len(available))),
            ("unimax", mixing.unimax(available, tokens, max_epochs=max_epochs)),
        ]
        if n_random:
            most = supply.greatest(tokens, max_epochs)
            rng = np.random.default_rng([seed, _DRAWN_APART])
            drawn = mixing.dirichlet(proportional, n_random, rng, maximum=most)
            made += [(f"random {number}", shares) for number, shares in enumerate(drawn, 1)]
    return made


def run_label(name: str) -> str:
    """How the names of a mixture's runs begin."""
    return re.sub(r"[^\w-]+", "-", name)[:40]


def jobs(trial: Trial, selection: str | Path, n_seeds: int) -> list[Job]:
    """Every mixture with every seed, mixtures in the order of the trial, one after the other."""
    from ..proxies import KEPT, Job, over_all
    from ..selection import Selection

    chosen = Selection(place(selection))
    made: list[Job] = []
    for names, shares, phases in zip(
        trial.names, trial.mixtures.round(DIGITS), trial.schedules, strict=True
    ):
        about: Any = named(chosen.domains, shares / shares.sum())
        schedule = over_all(chosen, about)
        if phases is not None:
            parts = [over_all(chosen, named(chosen.domains, m)) for m in phases.mixtures]
            schedule = mixing.Schedule(
                mixtures=tuple(part.mixtures[0] for part in parts), ends=phases.ends
            )
            about = asdict(schedule)
        # The digest tells apart mixtures of one name that are verified in one directory.
        label = run_label(names[0]) + "-" + digest(about)[:8]
        made += [
            Job(run=f"{label}-{seed}", text=KEPT, schedule=schedule, seed=seed)
            for seed in range(FIRST_SEED, FIRST_SEED + n_seeds)
        ]
    return made
