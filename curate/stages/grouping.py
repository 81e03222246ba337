"""Who shares a budget with whom: all documents, those of a domain, those of a quota."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..budget import Budget
from ..errors import ConfigError
from .documents import Names

POOL = ""
"""The group of all domains that have no budget of their own."""


@dataclass(frozen=True)
class Grouping:
    """Budgets, and the groups that draw on them. A domain's group has a space before its name.

    Attributes:
        budget: of the domains without a quota; None: nothing of them is kept.
        by_domain: whether each of these domains gets its part of that budget.
        quotas: budgets of single domains.
    """

    budget: Budget | None
    by_domain: bool
    quotas: Mapping[str, Budget]

    @classmethod
    def parse(cls, budget: str | None, by_domain: bool, quotas: Mapping[str, str]) -> Grouping:
        """From what people write.

        Raises:
            ConfigError: no budget at all, not budgets, or budgets in different units.
        """
        if budget is None and not quotas:
            raise ConfigError("Give a budget, or a quota for at least one domain.")
        rest = None if budget is None else Budget.parse(budget)
        parsed = {domain: Budget.parse(quota) for domain, quota in quotas.items()}
        made = cls(rest, by_domain, parsed)
        units = {b.unit for b in made._all()}
        if len(units) > 1:
            raise ConfigError(
                f"Budget and quotas are in {' and '.join(sorted(units))}. Write all in one unit: "
                f"30%docs, 30%tok or 30%bytes."
            )
        return made

    def _all(self) -> list[Budget]:
        return [*([] if self.budget is None else [self.budget]), *self.quotas.values()]

    @property
    def unit(self) -> str:
        """Of every budget."""
        return self._all()[0].unit

    @property
    def pools_everything(self) -> bool:
        """Whether there is one group, of all documents."""
        return not self.by_domain and not self.quotas

    def group(self, domain: str) -> str | None:
        """Which group a domain belongs to; None: nothing of it is kept."""
        if domain in self.quotas:
            return f" {domain}"
        if self.budget is None:
            return None
        return f" {domain}" if self.by_domain else POOL

    def budgets(
        self,
        groups: list[str],
        totals: NDArray[np.float64],
        domains: list[str],
        where: object,
        candidates: str = "with a score",
    ) -> NDArray[np.float64]:
        """What each group may cost, float64[groups]; 0 where the group has nothing.

        Args:
            groups: their names.
            totals: float64[groups], what the documents with a score cost.
            domains: all that there are.
            where: the scores, for messages.
            candidates: which documents may be taken, for messages.

        Raises:
            ConfigError: more is asked for than there is, or less than a document, or there is
                nothing.
        """
        missing = sorted(set(self.quotas) - set(domains))
        if missing:
            raise ConfigError(
                f"{where}: there is no domain {missing[0]!r}. It has {sorted(domains)}."
            )
        if not totals.sum():
            raise ConfigError(f"{where}: there is no document {candidates} to select.")
        rest, shares = self._rest(groups), self.shares(groups, totals)
        over = np.flatnonzero(shares > 1 + 1e-9)
        if len(over):
            g = int(over[0])
            quota = None if rest[g] else self.quotas[groups[g][1:]]
            budget, total = (quota, totals[g]) if quota else (self.budget, totals[rest].sum())
            of = f"of {groups[g][1:]} " if quota else ""
            assert budget is not None
            raise ConfigError(
                f"The budget {of}is {budget.amount:,.0f} {budget.unit}, the documents {of}"
                f"{candidates} hold {total:,.0f}. Ask for at most that, or for 100%."
            )
        made = self._whole(shares * totals, groups, rest)
        for g in map(int, np.flatnonzero(~rest)):
            made[g : g + 1] = self._whole(shares[g : g + 1] * totals[g : g + 1], [groups[g]])
            if totals[g] and not made[g]:
                self._too_small(self.quotas[groups[g][1:]], f"of {groups[g][1:]} ", totals[g])
        if self.budget is not None and totals[rest].sum() and not made[rest].sum():
            self._too_small(self.budget, "", float(totals[rest].sum()))
        return made

    def _too_small(self, budget: Budget, of: str, total: float) -> None:
        share = f"{100 * budget.amount:.6g}%" if budget.is_share else f"{budget.amount:g}"
        raise ConfigError(
            f"The budget {of}is {share} of {total:,.0f} {self.unit}, which is less than one. "
            f"Ask for more, or for 1docs."
        )

    def shares(self, groups: list[str], totals: NDArray[np.float64]) -> NDArray[np.float64]:
        """Each group's budget over what it holds, float64[groups]; above 1 where it asks too much.

        Args:
            groups: their names.
            totals: float64[groups].
        """
        rest = self._rest(groups)
        budgets = [self.budget if rest[g] else self.quotas[groups[g][1:]] for g in range(len(rest))]
        held = np.where(rest, totals[rest].sum(), totals)
        return np.array(
            [
                0.0 if budget is None else budget.amount / (1.0 if budget.is_share else max(h, 1.0))
                for budget, h in zip(budgets, held, strict=True)
            ]
        )

    def _rest(self, groups: list[str]) -> NDArray[np.bool]:
        """Which groups have no quota."""
        return np.array([name == POOL or name[1:] not in self.quotas for name in groups], bool)

    def _whole(
        self,
        exact: NDArray[np.float64],
        groups: list[str],
        among: NDArray[np.bool] | None = None,
    ) -> NDArray[np.float64]:
        """Whole documents go to the largest remainders, by name where these are alike."""
        if self.unit != "documents":
            return exact
        made = np.floor(exact + 1e-9)
        rest = np.arange(len(exact)) if among is None else np.flatnonzero(among)
        left = round(math.fsum(exact[rest])) - int(made[rest].sum())
        by_remainder = sorted(rest, key=lambda g: (made[g] - exact[g], groups[g]))
        made[by_remainder[:left]] += 1
        return made


class Index:
    """Numbers of domains and groups, in the order in which they are first seen."""

    def __init__(self, grouping: Grouping) -> None:
        self.grouping = grouping
        self.domains = Names()
        self.groups = Names([POOL] if grouping.pools_everything else [])
        self._group_of = np.empty(0, np.int64)

    @property
    def group_of(self) -> NDArray[np.int64]:
        """The group of each domain; -1 where nothing of it is kept."""
        for domain in self.domains.names[len(self._group_of) :]:
            group = self.grouping.group(domain)
            number = -1 if group is None else self.groups.number(group)
            self._group_of = np.append(self._group_of, number)
        return self._group_of

    def copy(self) -> Index:
        """One that goes on by itself."""
        made = Index(self.grouping)
        made.domains, made.groups = Names(self.domains.names), Names(self.groups.names)
        return made

    def join(self, other: Index) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Numbers here of another one's domains and of its groups."""
        domains = np.array([self.domains.number(name) for name in other.domains.names], np.int64)
        groups = np.array([self.groups.number(name) for name in other.groups.names], np.int64)
        return domains, groups
