"""What the verbs of `mix` read and write: laws, mixtures, tokens by domain."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

import mixing
from mixing.verify import spearman

from ...budget import parse_tokens
from ...errors import ConfigError, as_config_error
from ...files import read_json, write_json
from ...places import place
from ...registry import find
from ...runs import Columns
from ...sheets import Sheet


@dataclass(frozen=True, kw_only=True)
class StoredLaw:
    """A fitted law, with the names of what it is about.

    Attributes:
        law: fitted; it holds its runs.
        domains: one per share.
        targets: one per loss.
        columns: prefixes of the table it was fitted on.
    """

    law: mixing.FittedLaw
    domains: list[str]
    targets: list[str]
    columns: Columns = field(default_factory=Columns)

    def write(self, path: str | Path) -> None:
        """Write as JSON; `load_law` reads it."""
        stored = {
            "domains": self.domains,
            "targets": self.targets,
            "share_prefix": self.columns.share_prefix,
            "loss_prefix": self.columns.loss_prefix,
            "law": self.law.to_dict(),
        }
        write_json(Path(path), stored)

    def weights(self, objective: Mapping[str, float] | None) -> list[float] | None:
        """The weight of each target; None where all count the same.

        Raises:
            ConfigError: for a target that the law does not have.
        """
        if objective is None:
            return None
        return list_by_name(objective, self.targets, "target", 0.0)

    @property
    def warnings(self) -> list[str]:
        """What to beware of, with the names of targets and domains in place of their numbers."""
        names = {"targets": self.targets, "domains": self.domains}

        def renamed(match: re.Match[str]) -> str:
            return f"{match[1]} {', '.join(names[match[1]][int(i)] for i in match[2].split(','))}"

        said = self.law.report.warnings
        return [re.sub(r"(targets|domains) \[([\d, ]+)\]", renamed, text) for text in said]

    def parameters(self, level: float) -> list[tuple[str, str, float, float, float]]:
        """Target, name, value and both ends of the interval of every parameter, by target."""
        intervals = self.law.parameter_intervals(level)
        rows = []
        for number, target in enumerate(self.targets):
            for name, values in self.law.parameters.items():
                by_domain = values.shape[-1] == len(self.domains)
                for index, value in np.ndenumerate(values[number]):
                    parts = (f"[{self.domains[i] if by_domain else i}]" for i in index)
                    low, high = (float(end[(number, *index)]) for end in intervals[name])
                    rows.append((target, name + "".join(parts), float(value), low, high))
        return rows


def load_law(path: str | Path) -> StoredLaw:
    """A law that `fit` wrote.

    Raises:
        ConfigError: no law there.
    """
    stored = read_json(place(path))
    try:
        return StoredLaw(
            law=mixing.FittedLaw.from_dict(stored["law"], partial(find, "laws")),
            domains=stored["domains"],
            targets=stored["targets"],
            columns=Columns(share_prefix=stored["share_prefix"], loss_prefix=stored["loss_prefix"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigError(
            f"{path}: not a law that this `curate mix fit` wrote ({error!r}). Fit it again."
        ) from error


def load_mixture(path: str | Path) -> dict[str, float]:
    """Shares by domain, from a file of `optimize`, a schedule, or any JSON object of shares.

    Those of a schedule are over the whole of training.

    Raises:
        ConfigError: not shares.
    """
    stored = read_json(place(path))
    if isinstance(stored, dict) and "phases" in stored:
        phases = _phases(path, stored["phases"])
        names = list(dict.fromkeys(name for _, mixture in phases for name in mixture))
        return named(names, _schedule(path, phases, names).mean)
    shares: Any = stored.get("mixture", stored) if isinstance(stored, dict) else None
    if not _are_shares(shares):
        raise ConfigError(f'{path}: wanted shares by domain, {{"mixture": {{"code": 0.3, …}}}}.')
    return {name: float(share) for name, share in shares.items()}


def load_phases(path: str | Path) -> list[tuple[float, dict[str, float]]]:
    """Each phase of a schedule: at which share of training it ends, and its shares by domain.

    A mixture without phases is one that lasts to the end.

    Raises:
        ConfigError: not shares, or phases that do not go on to the end.
    """
    stored = read_json(place(path))
    if not isinstance(stored, dict) or "phases" not in stored:
        return [(1.0, load_mixture(path))]
    return _phases(path, stored["phases"])


def load_schedule(path: str | Path, domains: Sequence[str]) -> mixing.Schedule:
    """A schedule over these domains, in this order, from its file or that of a plain mixture.

    Args:
        path: written by `schedule`, or any JSON object of phases or of shares.
        domains: their names; those that a phase does not name have a share of 0 in it.

    Raises:
        ConfigError: not shares, another domain, or phases that do not go on to the end.
    """
    return _schedule(path, load_phases(path), domains)


def _phases(path: str | Path, stored: Any) -> list[tuple[float, dict[str, float]]]:
    phases = []
    for number, phase in enumerate(stored if isinstance(stored, list) else [], 1):
        until = phase.get("until") if isinstance(phase, dict) else None
        if not isinstance(until, int | float) or not _are_shares(phase.get("mixture")):
            raise ConfigError(
                f"{path}, phase {number}: wanted where it ends and shares by domain, "
                '{"until": 0.8, "mixture": {"code": 0.3, …}}.'
            )
        phases.append((float(until), {k: float(v) for k, v in phase["mixture"].items()}))
    if not phases:
        raise ConfigError(f'{path}: wanted a list under "phases", with at least one.')
    return phases


def _schedule(
    path: str | Path, phases: Sequence[tuple[float, Mapping[str, float]]], domains: Sequence[str]
) -> mixing.Schedule:
    unknown = [name for _, mixture in phases for name in mixture if name not in domains]
    if unknown:
        raise ConfigError(f"{path}: no domain {unknown[0]!r}. There are {', '.join(domains)}.")
    with as_config_error(str(path)):
        return mixing.Schedule(
            mixtures=tuple(tuple(m.get(name, 0.0) for name in domains) for _, m in phases),
            ends=tuple(until for until, _ in phases),
        )


def _are_shares(shares: Any) -> bool:
    return isinstance(shares, dict) and all(
        isinstance(share, int | float) and np.isfinite(share) for share in shares.values()
    )


def load_available(path: str | Path) -> dict[str, int]:
    """Tokens by domain, from a JSON object or a CSV file with the columns domain and tokens.

    Raises:
        ConfigError: neither, or an amount that is no number of tokens.
    """
    if Path(path).suffix.lower() == ".csv":
        sheet = Sheet.read(path)
        if not {"domain", "tokens"} <= {*sheet.header}:
            raise ConfigError(f"{path}: wanted columns domain and tokens. Found {sheet.header}.")
        amounts: Any = dict(zip(sheet.texts("domain"), sheet.texts("tokens"), strict=True))
    else:
        amounts = read_json(place(path))
    if not isinstance(amounts, dict) or not amounts:
        raise ConfigError(f'{path}: wanted tokens by domain, {{"code": "1.2B", "web": 5000000}}.')
    tokens = {}
    for domain, amount in amounts.items():
        try:
            tokens[domain] = parse_tokens(
                round(amount) if isinstance(amount, float) else str(amount)
            )
        except ConfigError as error:
            raise ConfigError(f"{path}, domain {domain!r}: {error}") from error
    return tokens


def list_by_name(
    values: Mapping[str, Any], names: Sequence[str], what: str, default: Any = None, where: str = ""
) -> list[Any]:
    """Values in the order of the names, from the file ``where`` if any.

    Raises:
        ConfigError: for a name that is none of them, or one that lacks a value where there is no
            default.
    """
    at = f"{where}: " if where else ""
    unknown = [name for name in values if name not in names]
    if unknown:
        raise ConfigError(f"{at}{unknown[0]!r} is no {what} of the law. It has {', '.join(names)}.")
    missing = [name for name in names if name not in values]
    if missing and default is None:
        raise ConfigError(f"{at}no value for the {what} {missing[0]!r}.")
    return [values.get(name, default) for name in names]


def named(names: Sequence[str], values: ArrayLike) -> dict[str, float]:
    """Values by name."""
    array: NDArray[np.float64] = np.asarray(values, np.float64)
    return {name: float(value) for name, value in zip(names, array, strict=True)}


def finite(values: Sequence[float]) -> list[float | None]:
    """Ends of an interval as JSON, which holds no infinity."""
    return [float(value) if np.isfinite(value) else None for value in values]


def at_covariates(law: mixing.FittedLaw, at: Mapping[str, float]) -> mixing.FittedLaw:
    """The law at a model size and the like; as it is where it reads none.

    Raises:
        ConfigError: unless just what the law reads is given.
    """
    reads = law.law.covariates
    if {*at} != {*reads}:
        wanted = " ".join(f"--at {name}=VALUE" for name in reads) or "no --at"
        raise ConfigError(
            f"The law {law.law.name} reads {', '.join(reads) or 'no covariates'}: give {wanted}."
        )
    try:
        return law.at(**at) if reads else law
    except ValueError as error:
        raise ConfigError(f"--at: {error}") from error


def rank_correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float | None:
    """Spearman's, mean over the columns of two float64[runs, targets]; None where none varies."""
    every = [spearman(*pair) for pair in zip(first.T, second.T, strict=True)]
    known = [value for value in every if value is not None]
    return float(np.mean(known)) if known else None
