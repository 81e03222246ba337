"""The mixtures that constraints leave: corners, directions, and the way in from outside."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .linear_program import linear_program
from .simplex import greedy_fill, water_fill

FloatArray = NDArray[np.float64]

_SPECK = 1e-15  # a share that isn't worth moving
_TIGHT = 1e-13  # a group this close to its bound is at it
_INSIDE = 1e-12  # a sum of shares can't be kept within bounds more closely
_SWEEPS = 200


@dataclass(frozen=True, kw_only=True, eq=False)
class Polytope:
    """Mixtures within bounds on single shares and on the joint share of groups; not empty.

    Attributes:
        lower: float64[domains], least shares.
        upper: float64[domains], greatest shares.
        members: float64[groups, domains], one where the domain belongs to the group, else zero.
        least: float64[groups], least joint share.
        most: float64[groups], greatest joint share.
    """

    lower: FloatArray
    upper: FloatArray
    members: FloatArray
    least: FloatArray
    most: FloatArray

    def minimum(self, cost: FloatArray) -> FloatArray:
        """A corner that minimises ``cost @ mixture``, float64[domains].

        Greedily where there are no groups, else by linear programming (about 2 ms).
        """
        if not len(self.members):
            return greedy_fill(cost, self.lower, self.upper)
        corner = linear_program(
            cost,
            rows=np.concatenate([self.members, -self.members]),
            at_most=np.concatenate([self.most, -self.least]),
            row=np.ones(len(cost)),
            equal=1.0,
            lower=self.lower,
            upper=self.upper,
        )
        if corner is None:
            raise RuntimeError("No mixture lies within the polytope: Constraints should have said.")
        return corner

    def direction(self, gradient: FloatArray, mixture: FloatArray) -> FloatArray:
        """The feasible direction along which ``gradient`` falls most, float64[domains].

        Among those that move a mass of one in all. Without groups it takes the mass from one
        domain to another; with groups it is the solution of a linear program.

        Args:
            gradient: float64[domains], may hold infinities.
            mixture: float64[domains], within the polytope.
        """
        # A share next to nothing stays where it is: an infinite slope at zero put it there, and
        # would put it back.
        may_rise, may_fall = mixture < self.upper, mixture - self.lower > _SPECK
        n = len(mixture)
        if not len(self.members):
            into = int(np.argmin(np.where(may_rise, gradient, np.inf)))
            out_of = int(np.argmax(np.where(may_fall, gradient, -np.inf)))
            pair: FloatArray = np.eye(n)[into] - np.eye(n)[out_of]
            return pair
        totals = self.members @ mixture
        held = np.concatenate(
            [
                self.members[self.most - totals <= _TIGHT],
                -self.members[totals - self.least <= _TIGHT],
            ]
        )
        slope = np.clip(gradient, -1e6, 1e6)
        ones, zeros = np.ones(n), np.zeros(n)
        # Rises and falls apart, each >= 0.
        moves = linear_program(
            np.concatenate([slope, -slope]),
            rows=np.vstack([np.hstack([held, -held]), np.concatenate([ones, zeros])]),
            at_most=np.append(np.zeros(len(held)), 1.0),
            row=np.concatenate([ones, -ones]),
            equal=0.0,
            lower=np.zeros(2 * n),
            upper=np.concatenate([may_rise, may_fall]).astype(np.float64),
        )
        return zeros if moves is None else moves[:n] - moves[n:]

    def longest(self, mixture: FloatArray, direction: FloatArray) -> float:
        """How far the mixture may go in a direction, >= 0."""
        rows = np.concatenate([np.eye(len(mixture)), self.members])
        rise, at = rows @ direction, rows @ mixture
        low = np.concatenate([self.lower, self.least])
        high = np.concatenate([self.upper, self.most])
        moving = np.abs(rise) > 1e-9
        room = np.where(rise > 0, high - at, at - low)[moving]
        return float(max(0.0, (room / np.abs(rise[moving])).min(initial=np.inf)))

    def moved(self, mixture: FloatArray, direction: FloatArray, step: float) -> FloatArray:
        """The mixture after a step, onto a bound exactly so that no speck is left to move again."""
        return np.clip(mixture + step * direction, self.lower, self.upper)

    def bring(self, mixtures: FloatArray) -> FloatArray:
        """Mixtures[..., domains] brought within: those inside as they are, the others nearby.

        By water-filling, which keeps proportions wherever it can, and for groups by scaling
        their members (and the others) until all hold. What that leaves of a violation is taken
        away along the line to :meth:`centre`.
        """
        flat = np.array(mixtures.reshape(-1, mixtures.shape[-1]), np.float64)
        outside = self._excess(flat) > _INSIDE
        if outside.any():
            flat[outside] = self._bring(flat[outside])
        return flat.reshape(mixtures.shape)

    def corners(self) -> FloatArray:
        """Mixtures with least and with most of each domain and group, float64[k, domains]."""
        rows = np.concatenate([np.eye(len(self.lower)), self.members])
        return np.array([self.minimum(cost) for cost in (*rows, *-rows)])

    def centre(self) -> FloatArray:
        """The mean of the corners, float64[domains]: off every bound that leaves room."""
        return np.asarray(self.corners().mean(axis=0), np.float64)

    def _bring(self, mixtures: FloatArray) -> FloatArray:
        inside = water_fill(mixtures, self.lower, self.upper)
        for _ in range(_SWEEPS if len(self.members) else 0):
            wrong = self._excess(inside) > _TIGHT
            if not wrong.any():
                break
            inside[wrong] = self._sweep(inside[wrong])
        wrong = self._excess(inside) > _INSIDE
        if wrong.any():
            inside[wrong] = self._shrink(inside[wrong])
        return inside

    def _sweep(self, mixtures: FloatArray) -> FloatArray:
        """Scale each group and its complement to the group's bounds, then fill."""
        for member, least, most in zip(self.members, self.least, self.most, strict=True):
            total = np.clip(mixtures @ member, 1e-15, 1 - 1e-15)[:, None]
            wanted = np.clip(total, least, most)
            mixtures = mixtures * np.where(member > 0, wanted / total, (1 - wanted) / (1 - total))
        return water_fill(mixtures, self.lower, self.upper)

    def _shrink(self, mixtures: FloatArray) -> FloatArray:
        """Move towards the centre until the groups hold; the bounds hold all the way."""
        centre = self.centre()
        totals, goal = mixtures @ self.members.T, self.members @ centre
        beyond = np.maximum(totals - self.most, self.least - totals)
        with np.errstate(divide="ignore", invalid="ignore"):
            part = np.where(beyond > 0, np.clip(beyond / np.abs(totals - goal), 0, 1), 0)
        share = part.max(axis=1, keepdims=True)
        shrunk: FloatArray = mixtures + share * (centre - mixtures)
        return shrunk

    def _excess(self, mixtures: FloatArray) -> FloatArray:
        """By how much each mixture breaks the constraint it breaks most, float64[rows]."""
        totals = mixtures @ self.members.T
        broken = [self.lower - mixtures, mixtures - self.upper]
        broken += [self.least - totals, totals - self.most]
        return np.asarray(np.concatenate(broken, axis=1).max(axis=1), np.float64)
