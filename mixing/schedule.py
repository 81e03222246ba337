"""Mixtures by phase: one for the start of training, another for its end."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .simplex import check_mixtures

FloatArray = NDArray[np.float64]

_ROUNDING = 1e-6  # of differences of shares


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Which mixture is read at each point of training.

    Attributes:
        mixtures: the mixture of each phase, [phases][domains], each on the simplex; renormalised.
        ends: at which share of training each phase ends, increasing, in (0, 1]; the last is 1.
    """

    mixtures: tuple[tuple[float, ...], ...]
    ends: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        if not self.mixtures or len({len(mixture) for mixture in self.mixtures}) != 1:
            raise ValueError("'mixtures' of Schedule must be one or more of equal length.")
        exact = check_mixtures(np.array(self.mixtures))
        object.__setattr__(self, "mixtures", tuple(map(tuple, exact.tolist())))
        if len(self.ends) != len(self.mixtures):
            raise ValueError(
                f"'ends' of Schedule must be one per mixture. Got {len(self.ends)} for "
                f"{len(self.mixtures)}."
            )
        if not all(a < b for a, b in zip((0.0, *self.ends), self.ends, strict=False)) or (
            self.ends[-1] != 1
        ):
            raise ValueError(
                f"'ends' of Schedule must increase within (0, 1] and end at 1. Got {self.ends}."
            )

    @classmethod
    def constant(cls, mixture: ArrayLike) -> Schedule:
        """One mixture throughout.

        Args:
            mixture: [domains], on the simplex.
        """
        return cls(mixtures=(tuple(np.asarray(mixture, np.float64).tolist()),))

    @classmethod
    def anneal(
        cls, mixture: ArrayLike, final: ArrayLike, *, last: float = 0.2, keep_mean: bool = False
    ) -> Schedule:
        """One mixture, then another for the last part of training.

        Source: the two stages of MiniCPM (Hu et al., arXiv 2404.06395), where the last tenth, in
        the decay of the learning rate, reads the data one cares for most. Departure: the part is
        given and not tied to the decay; give the schedule of the learning rate the same one.

        Args:
            mixture: [domains], on the simplex: that of the first part; or, with ``keep_mean``,
                that over the whole of training.
            final: [domains], on the simplex.
            last: share of training with the final mixture, in (0, 1).
            keep_mean: let the first part make up for the last, so that the whole of training
                reads ``mixture``.

        Raises:
            ValueError: not mixtures of the same domains, ``last`` outside (0, 1), or more of a
                domain in the last part than ``mixture`` holds in all.
        """
        whole, end = (check_mixtures(np.atleast_2d(np.asarray(m))) for m in (mixture, final))
        if not 0 < last < 1:
            raise ValueError(f"'last' of anneal must be in (0, 1). Got {last}.")
        if whole.shape != end.shape:
            raise ValueError(
                "'mixture' and 'final' must be about the same domains. "
                f"Got {whole.size} and {end.size}."
            )
        first = (whole[0] - last * end[0]) / (1 - last) if keep_mean else whole[0]
        if (first < -_ROUNDING).any():
            place = int(np.argmin(first))
            raise ValueError(
                f"The last {last:g} of training would read {last * end[0, place]:.4g} of domain "
                f"{place} and the whole of it just {whole[0, place]:.4g}: shorten the last part, "
                "or do not keep the mean."
            )
        first = np.maximum(first, 0.0)
        return cls(mixtures=(tuple(first.tolist()), tuple(end[0].tolist())), ends=(1.0 - last, 1.0))

    @property
    def mean(self) -> FloatArray:
        """The mixture over the whole of training, float64[domains]."""
        return self.given(1.0)

    def at(self, share: float) -> FloatArray:
        """The mixture at a share of training in [0, 1], float64[domains]."""
        phase = int(np.searchsorted(self.ends, share, side="right"))
        return np.array(self.mixtures[min(phase, len(self.ends) - 1)])

    def given(self, share: float) -> FloatArray:
        """What was read up to a share of training, float64[domains] that sum to that share."""
        starts = (0.0, *self.ends[:-1])
        length = np.clip(share - np.array(starts), 0.0, np.array(self.ends) - np.array(starts))
        total: FloatArray = length @ np.array(self.mixtures)
        return total
