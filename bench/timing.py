"""Compare in one run: every way once per round, in turn; ratios within a round, then the median."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .passes import FloatArray, Way


@dataclass(frozen=True)
class Timed:
    """What rounds of several ways found.

    Attributes:
        ways: in the order of the table.
        seconds: float64[rounds, ways].
        found: what each way returned in the first round.
    """

    ways: Sequence[Way]
    seconds: FloatArray
    found: Sequence[FloatArray]

    @classmethod
    def of(cls, ways: Sequence[Way], rounds: int) -> Timed:
        """One round to warm up, which is not counted, then ``rounds`` that are."""
        found = [way.run() for way in ways]
        seconds = np.empty((rounds, len(ways)))
        for turn in range(rounds):
            for at, way in enumerate(ways):
                start = time.perf_counter()
                way.run()
                seconds[turn, at] = time.perf_counter() - start
        return cls(ways, seconds, found)

    @property
    def rates(self) -> FloatArray:
        """Tokens a second, float64[rounds, ways]."""
        return np.array([way.n_tokens for way in self.ways]) / self.seconds

    def at(self, name: str) -> int:
        """Column of a way."""
        return [way.name for way in self.ways].index(name)

    def ratio(self, way: str, to: str) -> float:
        """Rate of one way over that of another: the median over rounds."""
        rates = self.rates
        return float(np.median(rates[:, self.at(way)] / rates[:, self.at(to)]))

    def best(self, names: Sequence[str]) -> str:
        """The fastest of some ways, by its median rate."""
        medians = np.median(self.rates, axis=0)
        return max(names, key=lambda name: float(medians[self.at(name)]))

    def rows(self, base: str) -> list[list[object]]:
        """Name, median tokens a second with least and greatest, and the ratio to ``base``."""
        return [
            [
                way.name,
                f"{np.median(rate):,.0f} ({rate.min():,.0f} to {rate.max():,.0f})",
                self.ratio(way.name, base),
            ]
            for way, rate in zip(self.ways, self.rates.T, strict=True)
        ]
