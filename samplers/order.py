"""Permanent random numbers, and what a sampler is: an order over documents.

A sampler turns (score, u) into an *order*: a document is taken if it comes early enough for the
budget. ``u`` is a function of nothing but the seed and the document's key, so a sample depends
neither on shard layout nor on worker count.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
KeyArray = NDArray[np.uint64]

_CHUNK = 16_384
"""Numbers mixed together: what the fast cache of one core holds, twice."""


def mix(z: KeyArray, spare: KeyArray | None = None) -> KeyArray:
    """The finaliser of SplitMix64 (Steele et al. 2014), in place: each input bit moves all bits."""
    spare = np.empty_like(z) if spare is None else spare
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        np.right_shift(z, np.uint64(shift), out=spare)
        np.bitwise_xor(z, spare, out=z)
        np.multiply(z, np.uint64(factor), out=z)
    np.right_shift(z, np.uint64(31), out=spare)
    return np.bitwise_xor(z, spare, out=z)


def permanent_random(seed: int, keys: KeyArray) -> FloatArray:
    """One number in (0, 1) per key: the middle of one of 2^52 equal cells, never 0 or 1.

    Args:
        seed: a whole number in [0, 2^64).
        keys: uint64[n].

    Returns:
        float64[n]. About 4 ns each.
    """
    if not 0 <= seed < 2**64:
        raise ValueError(f"'seed' of permanent_random must be in [0, 2**64). Got {seed}.")
    keys = np.asarray(keys, np.uint64)
    start = mix(np.array([seed], np.uint64) + np.uint64(0x9E3779B97F4A7C15))
    made = np.empty(len(keys))
    space = np.empty((2, min(len(keys), _CHUNK)), np.uint64)
    for at in range(0, len(keys), _CHUNK):
        part = keys[at : at + _CHUNK]
        z, spare = space[:, : len(part)]
        np.bitwise_xor(part, start, out=z)
        # Adding after the first round keeps 0, a fixed point of the finaliser, from passing.
        mix(np.add(mix(z, spare), start, out=z), spare)
        np.right_shift(z, np.uint64(12), out=z)
        here = made[at : at + _CHUNK]
        here[:] = z
        here += 0.5
        here *= 2.0**-52
    return made


class Sampler(ABC):
    """An order over documents, and how likely each was to be taken.

    To make one, subclass it: a ``name`` and an `order` are enough for a method that leaves nothing
    to chance. Documents come chunk by chunk; all that is known of the others is one number, the
    *calibration*, which `calibrate` finds from the whole population in bins of the score.

    Attributes:
        name: in the registry.
        uses_random: whether the order depends on ``u``; if not, ``u`` may be empty.
    """

    name: ClassVar[str]
    uses_random: ClassVar[bool] = True

    @property
    def bin_width(self) -> float | None:
        """How finely `calibrate` must see the scores; None: their total cost is all it needs."""
        return None

    @property
    def calibrated_order(self) -> bool:
        """Whether the order depends on the calibration, and so on the budget.

        Where it does not, a larger budget contains a smaller one.
        """
        return False

    @property
    def uncalibrated(self) -> Sampler:
        """A sampler of the same aim whose order needs no calibration: a cap chooses by that."""
        return self

    @property
    def takes_below(self) -> float | None:
        """The order below which documents are taken whatever they cost; None: up to the budget."""
        return None

    def calibrate(self, score: FloatArray, cost: FloatArray, budget: float) -> float:  # noqa: ARG002
        """What order and inclusion probabilities need to know of the whole population.

        Args:
            score: float64[n], all scores, or the middles of bins no wider than ``bin_width`` (a
                single entry, of no meaning, where that is None).
            cost: float64[n] >= 0, what each costs, in the unit of the budget.
            budget: in (0, Σ cost].
        """
        return 1.0

    @abstractmethod
    def order(
        self, score: FloatArray, u: FloatArray, calibration: float | FloatArray = 1.0
    ) -> FloatArray:
        """float64[n], smaller is taken first; a new array.

        Args:
            score: float64[n].
            u: float64[n] in (0, 1).
            calibration: one for all, or float64[n], one for each.
        """

    def inclusion(self, score: FloatArray, calibration: float | FloatArray) -> FloatArray:  # noqa: ARG002
        """How likely each document was to be taken, float64[n] in (0, 1].

        1 for deterministic methods, which take a document whenever its score is what it is.
        """
        return np.ones(len(score))

    def interval(self, total: float, budget: float) -> tuple[float, float]:  # noqa: ARG002
        """From which cost on, in this order, documents are taken, and up to which."""
        return 0.0, budget


@dataclass(frozen=True, kw_only=True)
class TopK(Sampler):
    """The best scores first.

    Source: Sachdeva et al. 2024 (arXiv 2402.09668v1), Algorithm 1.

    Attributes:
        higher_is_better: the direction of the scorer.
    """

    name: ClassVar[str] = "top-k"
    uses_random: ClassVar[bool] = False
    higher_is_better: bool = True

    def order(
        self,
        score: FloatArray,
        u: FloatArray,  # noqa: ARG002
        calibration: float | FloatArray = 1.0,  # noqa: ARG002
    ) -> FloatArray:
        """-score, or the score itself where lower is better."""
        return -score if self.higher_is_better else score.copy()


@dataclass(frozen=True, kw_only=True)
class Random(Sampler):
    """Every document alike."""

    name: ClassVar[str] = "random"

    def order(
        self,
        score: FloatArray,  # noqa: ARG002
        u: FloatArray,
        calibration: float | FloatArray = 1.0,  # noqa: ARG002
    ) -> FloatArray:
        """The permanent random number."""
        return u.copy()

    def calibrate(self, score: FloatArray, cost: FloatArray, budget: float) -> float:  # noqa: ARG002
        """Budget over total cost."""
        return min(1.0, budget / float(cost.sum()))

    def inclusion(self, score: FloatArray, calibration: float | FloatArray) -> FloatArray:
        """The same for every document."""
        return np.zeros(len(score)) + calibration
