"""What a mixture may be: bounds by domain and by group, and no domain repeated too often."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .limits import Group, Limit, irreducible
from .polytope import Polytope

FloatArray = NDArray[np.float64]

_SLACK = 1e-9  # bounds that miss each other by rounding alone do not conflict
_AT = 1e-6  # a mixture this close to a bound is at it: an exported one is written no closer


@dataclass(frozen=True, kw_only=True)
class Constraints:
    """Bounds on the share of each domain, given directly and by how often a token may be seen.

    A repetition cap reads ``share * budget_tokens <= max_epochs * available_tokens``.

    Attributes:
        lower: least share of each domain, in [0, 1]; none by default.
        upper: greatest share of each domain, in [0, 1]; none by default.
        available_tokens: distinct tokens of each domain; needs ``budget_tokens``.
        budget_tokens: tokens the model will be trained on; needs ``available_tokens``.
        max_epochs: how often a token may be seen, > 0. Up to 4 epochs cost little
            (Muennighoff et al., arXiv 2305.16264).
        names: of the domains, for messages.
        groups: bounds on the joint share of several domains; they may overlap.
    """

    lower: tuple[float, ...] | None = None
    upper: tuple[float, ...] | None = None
    available_tokens: tuple[float, ...] | None = None
    budget_tokens: float | None = None
    max_epochs: float = 4.0
    names: tuple[str, ...] | None = None
    groups: tuple[Group, ...] = ()

    def __post_init__(self) -> None:
        for field in ("lower", "upper"):
            values = getattr(self, field)
            if values is not None and not all(0 <= value <= 1 for value in values):
                raise ValueError(f"'{field}' of Constraints must be in [0, 1]. Got {values}.")
        if (self.available_tokens is None) != (self.budget_tokens is None):
            raise ValueError(
                "'available_tokens' and 'budget_tokens' of Constraints make a repetition cap only "
                "together: give both or neither."
            )
        if self.available_tokens is not None and not all(
            0 <= tokens < np.inf for tokens in self.available_tokens
        ):
            raise ValueError(
                "'available_tokens' of Constraints must be finite and >= 0. "
                f"Got {self.available_tokens}."
            )
        for field in ("budget_tokens", "max_epochs"):
            value = getattr(self, field)
            if value is not None and not 0 < value < np.inf:
                raise ValueError(f"'{field}' of Constraints must be > 0. Got {value}.")

    def bounds(self, n_domains: int) -> tuple[FloatArray, FloatArray]:
        """The bounds on single shares, groups left out: (lower, upper), float64[domains] each.

        Raises:
            ValueError: for a wrong number of values, or for bounds that no mixture meets;
                it names which of them conflict, and the domains.
        """
        lower, wanted, repetition = self._arrays(n_domains)
        self._check(lower, wanted, repetition)
        upper = np.minimum(wanted, repetition)
        return np.minimum(lower, upper), upper

    def polytope(self, n_domains: int) -> Polytope:
        """All mixtures that meet the constraints.

        Raises:
            ValueError: as :meth:`bounds`, and for groups that conflict with each other or with
                the bounds: it names the fewest constraints found that no mixture meets together.
        """
        lower, upper = self.bounds(n_domains)
        conflict = irreducible(self.limits(n_domains)) if self.groups else []
        if conflict:
            raise ValueError(
                "No mixture meets the constraints. These conflict: "
                f"{'; '.join(limit.what for limit in conflict)}."
            )
        members = np.array([self._members(group, n_domains) for group in self.groups])
        for group in self.groups:
            upper[list(group.domains)] = np.minimum(upper[list(group.domains)], group.upper)
        return Polytope(
            lower=np.minimum(lower, upper),
            upper=upper,
            members=members.reshape(len(self.groups), n_domains),
            least=np.array([group.lower for group in self.groups]),
            most=np.array([group.upper for group in self.groups]),
        )

    def violated(self, mixture: FloatArray) -> tuple[str, ...]:
        """The constraints that mixture[domains] does not meet, in words."""
        return tuple(
            limit.what
            for limit in self.limits(len(mixture))
            if limit.row @ mixture > limit.at_most + _SLACK
        )

    def binding(self, mixture: FloatArray) -> tuple[str, ...]:
        """The constraints that mixture[domains] meets with no room left, in words.

        A share of zero that no lower bound asks for is among them.
        """
        n_domains = len(mixture)
        lower, _, _ = self._arrays(n_domains)
        found = [
            limit.what
            for limit in self.limits(n_domains)
            if abs(limit.row @ mixture - limit.at_most) <= _AT
        ]
        nothing = np.flatnonzero((mixture <= _AT) & (lower == 0))
        return (*found, *(f"{self._name(int(domain))}: a share of 0" for domain in nothing))

    def limits(self, n_domains: int) -> list[Limit]:
        """Every constraint by itself: lower bounds, upper bounds, repetition caps, groups."""
        eye = np.eye(n_domains)
        lower, wanted, repetition = self._arrays(n_domains)
        made = []
        for values, sign, trivial, what in (
            (lower, -1, 0.0, "lower bound"),
            (wanted, 1, 1.0, "upper bound"),
            (repetition, 1, 1.0, self._cap),
        ):
            made += [
                (f"{self._name(j)}: {what} {values[j]:.6g}", sign * eye[j], sign * values[j])
                for j in range(n_domains)
                if values[j] != trivial
            ]
        for k, group in enumerate(self.groups):
            row = self._members(group, n_domains)
            name = f"group {k}" if group.name is None else f"group {group.name!r}"
            if group.lower > 0:
                made.append((f"{name}: at least {group.lower:.6g}", -row, -group.lower))
            if group.upper < 1:
                made.append((f"{name}: at most {group.upper:.6g}", row, group.upper))
        return [Limit(what=what, row=row, at_most=float(most)) for what, row, most in made]

    @property
    def _cap(self) -> str:
        return f"repetition cap ({self.max_epochs:g} epochs of the available tokens)"

    def _arrays(self, n_domains: int) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Lower bounds, upper bounds and repetition caps, float64[domains] each."""
        for field in ("lower", "upper", "available_tokens", "names"):
            values = getattr(self, field)
            if values is not None and len(values) != n_domains:
                raise ValueError(
                    f"'{field}' of Constraints must have {n_domains} values, one for each domain. "
                    f"Got {len(values)}."
                )
        lower = np.zeros(n_domains) if self.lower is None else np.array(self.lower, np.float64)
        wanted = np.ones(n_domains) if self.upper is None else np.array(self.upper, np.float64)
        if self.available_tokens is None or self.budget_tokens is None:
            return lower, wanted, np.ones(n_domains)
        epochs = np.array(self.available_tokens, np.float64) / self.budget_tokens
        return lower, wanted, np.minimum(1.0, self.max_epochs * epochs)

    def _members(self, group: Group, n_domains: int) -> FloatArray:
        if max(group.domains) >= n_domains:
            raise ValueError(
                f"'domains' of Group must be below {n_domains}, the number of domains. "
                f"Got {group.domains}."
            )
        return np.isin(np.arange(n_domains), group.domains).astype(np.float64)

    def _check(self, lower: FloatArray, wanted: FloatArray, repetition: FloatArray) -> None:
        conflicts = [
            f"{self._name(int(domain))}: lower bound {lower[domain]:.6g} > "
            f"{what} {limit[domain]:.6g}"
            for what, limit in (("upper bound", wanted), (self._cap, repetition))
            for domain in np.flatnonzero(lower > limit + _SLACK)
        ]
        if lower.sum() > 1 + _SLACK:
            conflicts.append(
                f"the lower bounds sum to {lower.sum():.6g} > 1: "
                + self._list(lower, np.flatnonzero(lower > 0))
            )
        upper = np.minimum(wanted, repetition)
        if upper.sum() < 1 - _SLACK:
            # Whichever kind of bound holds a domain back is the one to name.
            for what, held in (
                ("upper bound", wanted <= repetition),
                (self._cap, repetition < wanted),
            ):
                if held.any():
                    conflicts.append(f"{what}: {self._list(upper, np.flatnonzero(held))}")
            conflicts.append(
                f"together they admit {upper.sum():.6g} < 1 of the budget; raise a bound or "
                "'max_epochs', or lower 'budget_tokens'"
            )
        if conflicts:
            raise ValueError(f"No mixture meets the constraints. {'; '.join(conflicts)}.")

    def _name(self, domain: int) -> str:
        return f"domain {domain}" if self.names is None else repr(self.names[domain])

    def _list(self, values: FloatArray, domains: NDArray[np.intp]) -> str:
        return ", ".join(f"{self._name(int(domain))} {values[domain]:.6g}" for domain in domains)
