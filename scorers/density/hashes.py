"""Locality-sensitive hashes whose codes do not depend on how documents are batched.

A projection computed in floating point differs in its last bit with the shape of the batch, the
library and the hardware, and a document on the edge of a cell then changes its bucket. Here vectors
and directions are rounded to integers small enough that every partial sum of a product is below
2²⁴: float32 holds these exactly, in any order of summation. The same product in 8-bit integers is
equal to it, and several times as fast on processors that have instructions for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..base import FloatArray
from ..vectors import check_finite

HashName = Literal["p-stable", "signed-projection"]
HASHES: tuple[HashName, ...] = ("p-stable", "signed-projection")

_EXACT = 2.0**24  # float32 holds every integer up to here
_DEVIATION = 16.0  # of a direction's coordinates, in units of its lattice
_INT8 = 127
_SPLIT = 128
_ROOM = 1.9  # documents may be this many times longer than the longest one sampled
_COARSE = 8.0  # widths below this many times the rounding of a vector are refused


def p_stable_collision(distance: FloatArray, width: float) -> FloatArray:
    """Probability that two points at a distance fall into one cell of a Gaussian projection.

    1 - 2Φ(-r) - 2/(√(2π) r) (1 - exp(-r²/2)) with r = width / distance; 1 at distance 0.

    Source: Datar, Immorlica, Indyk & Mirrokni 2004, section 3.2.
    """
    from scipy.special import ndtr

    with np.errstate(divide="ignore"):
        r = width / np.asarray(distance, np.float64)
    return np.asarray(
        1.0 - 2.0 * ndtr(-r) + 2.0 / (np.sqrt(2.0 * np.pi) * r) * np.expm1(-0.5 * r * r)
    )


def signed_projection_collision(cosine: FloatArray) -> FloatArray:
    """Probability that two directions fall on one side of a random plane: 1 - angle / π.

    Source: Charikar 2002, section 3.
    """
    return 1.0 - np.arccos(np.clip(np.asarray(cosine, np.float64), -1.0, 1.0)) / np.pi


@dataclass(frozen=True)
class Lattice:
    """Vectors of integers.

    Attributes:
        whole: float32[n, d].
        low: int8[n, d], in [-64, 64]; None where float32 is used.
        high: int8[n, d], whole = 128 high + low.
    """

    whole: Any
    low: Any = None
    high: Any = None

    @classmethod
    def of(cls, whole: Any) -> Lattice:
        """Split float32[n, d] of integers up to 128 · 127 where that pays."""
        import torch

        # Without these instructions products may saturate; of one dimension they are wrong. Both
        # names are private to torch, and may go.
        has_vnni = getattr(torch.cpu, "_is_vnni_supported", lambda: False)
        if not has_vnni() or not hasattr(torch, "_int_mm") or whole.shape[1] == 1:
            return cls(whole)
        high = (whole * (1.0 / _SPLIT)).round_()
        low = torch.sub(whole, high, alpha=_SPLIT)
        return cls(whole, low.to(torch.int8), high.to(torch.int8))

    def product(self, direction: Any) -> Any:
        """float32[R, n], exact; ``direction`` is float32[R, d] of 8-bit integers."""
        import torch

        if self.low is None:
            return direction @ self.whole.T
        left = direction.to(torch.int8)
        low, high = torch._int_mm(left, self.low.T), torch._int_mm(left, self.high.T)
        return low.add_(high, alpha=_SPLIT).float()


@dataclass(frozen=True)
class Hashes:
    """R hash functions, each of p cells that are hashed into B buckets.

    A p-stable cell is ⌊(a·x + b) / width⌋, a signed projection's is [a·x >= 0]. The p cells go to
    a bucket by a multilinear hash modulo 2⁶⁴, of which the upper 32 bits are scaled to B: strongly
    universal, so that different cells share a bucket with probability 1/B.

    Source: Datar et al. 2004; Charikar 2002; Dietzfelbinger 1996 (multiply-shift); Lemire & Kaser
    2014 (multilinear). Departure: Gaussian directions are rounded to 1/16 of their standard
    deviation.

    Attributes:
        n_buckets: B, with R · B < 2³¹.
        scale: integers per unit of a vector, a power of two.
        longest: length of an integer vector up to which its products are exact.
        direction: float32[p, R, d] of integers.
        width: in units of a product; None: signs.
        offset: float32[p, R, 1], b.
        coefficient: int64[p, R, 1], of the multilinear hash.
        constant: int64[R, 1], of the same.
    """

    n_buckets: int
    scale: float
    longest: float
    direction: Any
    width: float | None
    offset: Any
    coefficient: Any
    constant: Any

    @classmethod
    def draw(
        cls,
        *,
        n_rows: int,
        n_buckets: int,
        concatenation: int,
        dimension: int,
        length: float,
        width: float | None,
        orthogonal: bool,
        seed: int,
    ) -> Hashes:
        """Draw the functions.

        Args:
            n_rows: R.
            n_buckets: B.
            concatenation: p.
            dimension: d.
            length: of the longest vector of a sample.
            width: of p-stable cells, in units of the vectors; None: signed projections.
            orthogonal: directions of up to d rows are at right angles to each other.
            seed: of all of it.

        Raises:
            ValueError: the width is no more than the rounding of vectors.
        """
        import torch

        rng = np.random.default_rng([seed, 0x52414345])
        direction = np.stack(
            [_directions(n_rows, dimension, orthogonal, rng) for _ in range(concatenation)]
        )
        direction = np.clip(np.rint(direction * _DEVIATION), -_INT8, _INT8)
        squared = np.square(direction).sum(-1)
        longest = min(_EXACT / float(np.sqrt(squared.max()) or 1.0), _SPLIT * _INT8)
        scale = float(2.0 ** np.floor(np.log2(longest / (_ROOM * (length or 1.0)))))
        if width is not None:
            rounding = float(np.sqrt(dimension / 6.0)) / scale  # of a distance, root mean square
            if width < _COARSE * rounding:
                raise ValueError(
                    f"'width' of RaceDensity must be at least {_COARSE * rounding:.3g} where "
                    f"vectors of {dimension} dimensions are up to {length:.3g} long. Got "
                    f"{width:.3g}."
                )
            # Rounding to integers adds 1/12 to the variance of a coordinate.
            width = float(width * scale * np.sqrt(_DEVIATION**2 + 1.0 / 12.0))
        offset = rng.random((concatenation, n_rows, 1)) * (width or 0.0)
        words = rng.integers(-(2**63), 2**63, (concatenation + 1, n_rows, 1), dtype=np.int64)
        return cls(
            n_buckets=n_buckets,
            scale=scale,
            longest=longest,
            direction=torch.from_numpy(direction.astype(np.float32)),
            width=width,
            offset=torch.from_numpy(offset.astype(np.float32)),
            coefficient=torch.from_numpy(words[1:].copy()),
            constant=torch.from_numpy(words[0].copy()),
        )

    def lattice(self, vectors: NDArray[Any]) -> Lattice:
        """Vectors as integers; those too long for exact products are shortened.

        Raises:
            ValueError: NaN or infinity; vectors of another dimension.
        """
        import torch

        dimension = self.direction.shape[-1]
        if vectors.shape[1] != dimension:
            raise ValueError(
                f"Embeddings must have the {dimension} dimensions of the sample. Got "
                f"{vectors.shape[1]}."
            )
        whole = torch.from_numpy(np.asarray(vectors, np.float32) * np.float32(self.scale))
        if not whole.numel():
            return Lattice(whole)
        if not torch.stack(torch.aminmax(whole)).isfinite().all():
            check_finite(int((~whole.isfinite().all(1)).sum()), len(whole))
        whole.round_().clamp_(-self.longest, self.longest)
        length = whole.double().square_().sum(1).sqrt_()  # a sum of integers: exact
        far = torch.nonzero(length > self.longest)[:, 0]
        if len(far):
            shrink = (self.longest / length[far])[:, None]
            whole[far] = (whole[far].double() * shrink).trunc_().float()
        return Lattice.of(whole)

    def positions(self, lattice: Lattice, rows: slice) -> Any:
        """Where documents fall in the table of all rows, laid flat.

        Args:
            lattice: n documents.
            rows: of the R.

        Returns:
            int64[rows, n], row · B + bucket.
        """
        import torch

        code = self.constant[rows]
        for direction, offset, coefficient in zip(
            self.direction, self.offset, self.coefficient, strict=True
        ):
            product = lattice.product(direction[rows])
            if self.width is None:
                cell = (product >= 0).long()
            else:
                cell = product.add_(offset[rows]).div_(self.width).floor_().long()
            code = cell.mul_(coefficient[rows]).add_(code)
        at = torch.arange(len(self.constant))[rows, None]
        # (code / 2³² + 1/2) · B + row · B, in integers
        base = (at * 2**32 + 2**31) * self.n_buckets
        return (code >> 32).mul_(self.n_buckets).add_(base).bitwise_right_shift_(32)


def _directions(
    n_rows: int, dimension: int, orthogonal: bool, rng: np.random.Generator
) -> FloatArray:
    """Gaussian vectors, float64[R, d]; orthogonal ones keep their single law and their lengths."""
    gaussian = rng.standard_normal((n_rows, dimension))
    if not orthogonal:
        return gaussian
    length = np.linalg.norm(gaussian, axis=1, keepdims=True)
    for start in range(0, n_rows, dimension):
        block = rng.standard_normal((dimension, min(dimension, n_rows - start)))
        basis, triangle = np.linalg.qr(block)
        signs = np.where(np.diag(triangle) < 0, -1.0, 1.0)
        gaussian[start : start + dimension] = (basis * signs).T
    return np.asarray(gaussian * length)
