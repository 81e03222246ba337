"""Sums of kernels between two sets of vectors: the one place with tiles."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..base import FloatArray
from ..keyed import IntArray
from ..vectors import check_finite
from .kernels import LOG2_E, Kernel

# Queries and points at a time. On a CPU the tile stays in the cache; rows of 1,000 numbers are 5 %
# faster there than rows of 1,024, which share cache sets.
_TILE = {"cpu": (512, 1000), "cuda": (8192, 8192)}
_ROWS = 64  # queries come in multiples: products of few rows round otherwise than those of many
_FLOAT16_LIMIT = 6e4
_EXTRA = 4  # columns of an operand beside the vector's own


@dataclass(frozen=True, eq=False)
class KernelSums:
    """Sums of k(x, y) over points y.

    -‖x - y‖² / 2h² is one product of matrices: half the squared lengths are further columns of
    its operands, each in two parts that hold it to float32 even where the operands are float16;
    log2(e) / h² is a factor of the product. What follows runs on a tile while that is in the cache.
    Products and kernels are float32, added up tile by tile in float64.

    Squared distances are off by about 1e-7 · ‖x‖‖y‖: bandwidths below 1 % of the length of the
    vectors are not resolved, and copies seem up to 5e-4 of that length apart, which the
    exponential kernel sees: theirs is 1 - 5e-4 · ‖x‖ / h where it should be 1.

    Cost: n · m · d multiplications. Memory: the points as given, and one tile. On a GPU, float16
    vectors are multiplied as such, with float32 results (float32 for the von Mises-Fisher kernel,
    whose vectors are scaled first).

    Attributes:
        vector: the points y, float16[m, d] or float32[m, d].
        kernel: k.
        bandwidth: h.
        device: as of torch; None: "cuda" where there is one.

    Raises:
        ValueError: NaN or infinity in a vector.
    """

    vector: NDArray[Any]
    kernel: Kernel
    bandwidth: float
    device: str | None = None

    def __call__(
        self,
        queries: NDArray[Any],
        without: tuple[IntArray, IntArray],
        squares: bool = True,
    ) -> tuple[FloatArray, FloatArray]:
        """Σ k(x, y) over all points but some, and Σ k(x, y)².

        Args:
            queries: x, [n, d].
            without: pairs to leave out, positions in ``queries`` and in the points; none twice.
            squares: whether the second sum is wanted; zeros otherwise.

        Returns:
            float64[n] each.
        """
        import torch

        points, x = self._points, self._side(queries)
        n_rows, n_columns = _TILE[x.vector.device.type]
        dtype = torch.float16 if x.fits_float16 and points.fits_float16 else torch.float32
        rows, columns = _by_column(without)
        factor = LOG2_E / self.bandwidth**2
        left = x.operand(0, len(x.half), dtype, own=0, other=2)
        left = torch.nn.functional.pad(left, (0, 0, 0, -len(left) % _ROWS))
        total = torch.zeros(2, len(left), dtype=torch.float64, device=left.device)
        memory = torch.empty(n_rows * n_columns, device=left.device)
        for start in range(0, len(self.vector), n_columns):
            right = points.operand(start, start + n_columns, dtype, own=2, other=0).T
            first, last = np.searchsorted(columns, (start, start + n_columns))
            for top in range(0, len(left), n_rows):
                block = left[top : top + n_rows]
                tile = memory[: len(block) * right.shape[1]].view(len(block), -1)
                self.kernel.log2(_product(block, right, factor, tile)).exp2_()
                row, column = rows[first:last] - top, columns[first:last] - start
                inside = (row >= 0) & (row < len(block))
                if inside.any():
                    tile[torch.from_numpy(row[inside]), torch.from_numpy(column[inside])] = 0.0
                total[0, top : top + n_rows] += tile.sum(1)
                if squares:
                    total[1, top : top + n_rows] += tile.square_().sum(1)
        found: FloatArray = total[:, : len(queries)].cpu().numpy()
        return found[0], found[1]

    @cached_property
    def _points(self) -> _Side:
        return self._side(self.vector)

    def _side(self, vector: NDArray[Any]) -> _Side:
        import torch

        device = self.device or ("cuda" if torch.cuda.is_available() else "cpu")
        given = torch.from_numpy(np.require(vector, requirements=["C", "W"])).to(device)
        return _Side.measured(given, self.kernel.on_unit_vectors)


@dataclass(frozen=True, eq=False)
class _Side:
    """Vectors on their device, with what makes an operand of them."""

    vector: Any
    scale: Any
    half: Any
    fits_float16: bool

    @staticmethod
    def measured(vector: Any, on_unit_vectors: bool) -> _Side:
        import torch

        square = torch.empty(len(vector), device=vector.device)
        for start in range(0, len(vector), 8192):
            square[start : start + 8192] = vector[start : start + 8192].float().square().sum(1)
        check_finite(int((~square.isfinite()).sum()), len(vector))
        half, scale = square / 2, None
        if on_unit_vectors:
            scale = torch.where(square > 0, square.rsqrt(), 0.0)
            half = torch.where(square > 0, 0.5, 0.0)
        fits = (
            vector.device.type == "cuda"
            and vector.dtype == torch.float16
            and not on_unit_vectors
            and bool((half < _FLOAT16_LIMIT).all())
        )
        return _Side(vector, scale, half, fits)

    def operand(self, start: int, stop: int, dtype: Any, *, own: int, other: int) -> Any:
        """[n, d + 4]: the vectors, -half a squared length in two parts, and ones to meet those."""
        import torch

        vector, half = self.vector[start:stop], -self.half[start:stop]
        n, d = vector.shape
        out = torch.empty(n, d + _EXTRA, dtype=dtype, device=vector.device)
        out[:, :d] = vector
        if self.scale is not None:
            out[:, :d] *= self.scale[start:stop, None]
        large = half.to(dtype)
        out[:, d + own] = large
        out[:, d + own + 1] = half - large
        out[:, d + other : d + other + 2] = 1.0
        return out


def _product(left: Any, right: Any, factor: float, out: Any) -> Any:
    import torch

    if left.dtype == out.dtype:
        return torch.addmm(out, left, right, beta=0, alpha=factor, out=out)
    return torch.mm(left, right, out_dtype=out.dtype, out=out).mul_(factor)


def _by_column(pairs: tuple[IntArray, IntArray]) -> tuple[IntArray, IntArray]:
    rows, columns = (np.asarray(at, np.int64) for at in pairs)
    order = np.argsort(columns, kind="stable")
    return rows[order], columns[order]
