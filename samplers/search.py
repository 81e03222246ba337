"""Where budgets end in a population that is too large to hold: pass by pass, always exact."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .brackets import FIRST, LAST, ROOM, Brackets, Gathered, IntArray, Pair, following, preceding
from .order import FloatArray, KeyArray

_WIDE = 5.0
"""Standard errors on each side of a guess."""
_FEWEST = 100
"""Documents of a group, for a guess at where its budget ends."""


def allowance(budget: float) -> float:
    """The budget, and the little that a sum of shares may miss it by from rounding."""
    return budget + min(1e-12 * budget, 0.5)


@dataclass(frozen=True)
class End:
    """Where a budget ends in one group.

    Attributes:
        last: pairs up to this one fit; None: none does.
        next: the first pair that does not fit; None: there is none.
        cost: of the documents that fit.
    """

    last: Pair | None = None
    next: Pair | None = None
    cost: float = 0.0


@dataclass(frozen=True)
class _Enclosed:
    """What is known of one group's end: pairs before ``low`` fit, pairs beyond ``high`` do not.

    Attributes:
        low, high: what lies between is open, ends included.
        guess: the bracket of the next pass, within.
        end: of all before ``low``; the answer, where ``found``.
    """

    low: Pair = FIRST
    high: Pair = LAST
    guess: tuple[Pair, Pair] = (FIRST, LAST)
    end: End = End()
    found: bool = False

    def open(self, low: Pair, high: Pair, end: End) -> _Enclosed:
        """All that is left is the next bracket."""
        return _Enclosed(low, high, (low, high), end)

    def before_guess(self, cost: float) -> End:
        """The end, if nothing in the bracket fits."""
        if self.guess[0] == self.low:
            return replace(self.end, cost=cost)
        return End(preceding(self.guess[0]), None, cost)


@dataclass(frozen=True)
class _Pairs:
    """Sorted pairs of one group, each once, with their costs."""

    order: FloatArray
    key: KeyArray
    cost: FloatArray

    def __getitem__(self, at: int) -> Pair:
        return float(self.order[at]), int(self.key[at])

    def guess(
        self, within: tuple[Pair, Pair], share: float, wide: float, error: float = 0.0
    ) -> tuple[Pair, Pair]:
        """Between which pairs of a sample a share of the cost ends.

        Args:
            within: the ends, where the sample has none.
            share: of all cost in ``within``, in [0, 1].
            wide: standard errors on each side.
            error: the standard error, where it is known to be greater than that of single draws.
        """
        total = self.cost.sum()
        if not total:
            return within
        through = np.cumsum(self.cost) / total
        least = 1 / len(through)
        spread = max(share * (1 - share), least * (1 - least))
        error = wide * max(error, float(np.sqrt(spread * (self.cost**2).sum())) / total)
        low = int(np.searchsorted(through, share - error)) - 1
        high = int(np.searchsorted(through, share + error))
        return (
            self[low] if low >= 0 else within[0],
            self[high] if high < len(through) else within[1],
        )


class Search:
    """Finds where each group's budget ends: a bracket, a pass over all documents, and again.

    Nothing is skipped to fit a cheaper document in, and documents with the same pair are taken
    together or not at all. What is found depends on no bracket, only the number of passes does:
    one after a guess that was right, a few more on data that mislead it.

    Args:
        n_groups: how many.
        room: as of `Gathered`.

    Example:
        >>> search = Search(1)
        >>> while not search.found:
        ...     seen = search.gather()
        ...     seen.add(np.array([3.0, 1.0, 2.0]), np.array([7, 8, 9], np.uint64), np.ones(3))
        ...     search.advance(seen, np.array([2.0]))
        >>> search.ends
        [End(last=(2.0, 9), next=(3.0, 7), cost=2.0)]
    """

    def __init__(self, n_groups: int, room: int = ROOM) -> None:
        self._groups = [_Enclosed() for _ in range(n_groups)]
        self._room, self._turn = room, 0

    @property
    def found(self) -> bool:
        """Whether all ends are."""
        return all(group.found for group in self._groups)

    @property
    def ends(self) -> list[End]:
        """Of each group, once found."""
        return [group.end for group in self._groups]

    def reach(self, n_groups: int) -> None:
        """Make room for groups that no one knew of before; there are ``n_groups`` in all."""
        self._groups += [_Enclosed() for _ in range(n_groups - len(self._groups))]

    def gather(self) -> Gathered:
        """An empty pass."""
        nothing = (LAST, FIRST)
        guesses = [nothing if group.found else group.guess for group in self._groups]
        return Gathered(Brackets.of(guesses), self._room, self._turn)

    def guess(
        self,
        sample: tuple[FloatArray, KeyArray, FloatArray, IntArray],
        place: IntArray,
        shares: FloatArray,
        errors: FloatArray,
    ) -> None:
        """Choose the first brackets from a sample of the documents.

        Args:
            sample: (order, key, cost, group) of each.
            place: int64[n], from which of several places each was read; documents of one place
                may be alike.
            shares: float64[groups], the budget over the cost of the group.
            errors: float64[groups], standard error of that share.
        """
        order, key, cost, group = sample
        by_pair = np.lexsort((key, order, group))
        by_pair = by_pair[~np.isnan(order[by_pair])]
        edges = np.searchsorted(group[by_pair], np.arange(len(self._groups) + 1))
        for g, known in enumerate(self._groups):
            at = by_pair[edges[g] : edges[g + 1]]
            if len(at) < _FEWEST:
                continue
            pairs, share = _Pairs(order[at], key[at], cost[at]), min(float(shares[g]), 1.0)
            total = cost[at].sum()
            before = np.cumsum(cost[at]) <= share * total
            unlike = np.bincount(place[at], weights=cost[at] * (before - share))
            error = float(np.hypot(np.sqrt((unlike**2).sum()) / max(total, 1.0), errors[g]))
            guess = pairs.guess(known.guess, share, _WIDE, error)
            self._groups[g] = replace(known, guess=guess)

    def advance(self, gathered: Gathered, budgets: FloatArray) -> None:
        """Learn from a pass over all documents.

        Args:
            gathered: the pass, of `gather`.
            budgets: float64[groups] >= 0.
        """
        order, key, cost, group = gathered.held()
        edges = np.searchsorted(group, np.arange(len(self._groups) + 1))
        # From the fourth pass on guesses get narrower, so that each leaves something out.
        wide = _WIDE * 2.0 ** -max(0, self._turn - 3)
        for g, known in enumerate(self._groups):
            if not known.found:
                at = slice(edges[g], edges[g + 1])
                pairs = _Pairs(order[at], key[at], cost[at])
                before, inside = float(gathered.before[g]), float(gathered.inside[g])
                limit = allowance(float(budgets[g]))
                if before > limit:
                    learned = known.open(known.low, preceding(known.guess[0]), known.end)
                elif gathered.complete:
                    learned = _exactly(known, pairs, before, limit)
                else:
                    learned = _roughly(known, pairs, before, inside, limit, wide)
                self._groups[g] = learned
        self._turn += 1


def _exactly(known: _Enclosed, pairs: _Pairs, before: float, limit: float) -> _Enclosed:
    """What a bracket says of which every document was kept."""
    through = before + np.cumsum(pairs.cost)
    fit = int(np.searchsorted(through, limit, side="right"))
    end = known.before_guess(before)
    if fit:
        end = End(pairs[fit - 1], None, float(through[fit - 1]))
    if fit < len(through):
        return replace(known, end=replace(end, next=pairs[fit]), found=True)
    if known.guess[1] == known.high:
        return replace(known, end=end, found=True)
    return known.open(following(known.guess[1]), known.high, end)


def _roughly(
    known: _Enclosed, pairs: _Pairs, before: float, inside: float, limit: float, wide: float
) -> _Enclosed:
    """What a bracket says of which a sample was kept."""
    low, high = known.guess
    if before + inside <= limit:
        end = End(high, None, before + inside)
        if high == known.high:
            return replace(known, end=end, found=True)
        return known.open(following(high), known.high, end)
    guess = pairs.guess(known.guess, (limit - before) / inside, wide)
    return _Enclosed(low, high, guess, known.before_guess(before))
