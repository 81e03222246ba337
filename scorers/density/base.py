"""What the four densities share: the quantity, its column, and what is made of a sum of kernels."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..base import FloatArray, Scored
from ..keyed import IntArray
from ..points import Sample
from ..vectors import Vectors, unit
from .bandwidth import Bandwidth
from .kernels import KERNELS, Kernel


@dataclass(frozen=True, kw_only=True)
class KernelDensity(Bandwidth):
    """The options of every density that computes kernels.

    Attributes:
        kernel: "gaussian", "exponential" or "von-mises-fisher".
        device: of the products, "cpu", "cuda" or "cuda:k"; None: "cuda" where there is one. Decides
            last bits alone, and is no part of the configuration.
    """

    name: ClassVar[str]

    kernel: str = "gaussian"
    device: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kernel not in KERNELS:
            raise ValueError(
                f"'kernel' of {type(self).__name__} must be one of {', '.join(KERNELS)}. "
                f"Got {self.kernel!r}."
            )
        if self.device is not None:
            _check_device(self)

    def bandwidth_of(self, sample: Sample) -> float:
        """Bandwidth h for the corpus of a sample, between the vectors that the kernel sees."""
        return self.resolve(prepared(sample.vector, KERNELS[self.kernel]))

    def config(self) -> dict[str, Any]:
        """Everything that decides a score, but for the corpus."""
        return {option: value for option, value in asdict(self).items() if option != "device"}


class FittedDensity:
    """What every fitted density gives: log of the mean kernel to all documents, itself included."""

    column: ClassVar[str] = "log_density"
    unit: ClassVar[str] = "log mean kernel"
    higher_is_better: ClassVar[bool | None] = None


def _check_device(spec: KernelDensity) -> None:
    import torch

    n_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    there = ["cpu", *(["cuda"] if n_gpus else []), *(f"cuda:{k}" for k in range(n_gpus))]
    if spec.device not in there:
        raise ValueError(
            f"'device' of {type(spec).__name__} must be one that torch {torch.__version__} has "
            f"here: {', '.join(there)}. Got {spec.device!r}."
        )


def prepared(vector: NDArray[Any], kernel: Kernel) -> Vectors:
    """The vectors between which a kernel takes distances, float32[n, d]."""
    return unit(vector) if kernel.on_unit_vectors else np.asarray(vector, np.float32)


def scored(others: FloatArray, stderr: FloatArray, n_documents: int) -> Scored:
    """Log densities from sums over the other documents.

    A document's own kernel, 1, is added here and never computed or sampled; so the density is at
    least 1/N.

    Args:
        others: float64[n], Σ k(x, y) over the N - 1 documents y other than x, or an estimate.
        stderr: float64[n], its standard error.
        n_documents: N.
    """
    total = 1.0 + others
    value = np.minimum(np.log(total) - np.log(n_documents), 0.0)
    return Scored(value, [None] * len(value), {"stderr": stderr / total})


def expanded(
    total: FloatArray, squares: FloatArray, sampled: IntArray, rest: IntArray
) -> tuple[FloatArray, FloatArray]:
    """From the sum over a uniform sample without replacement to that over all, [n] each.

    Args:
        total: Σ k over the sampled.
        squares: Σ k² over the sampled.
        sampled: how many they are; at least 2 unless all are sampled.
        rest: of how many they were drawn.

    Returns:
        The estimated sum over all, and its standard error.
    """
    m, n = np.maximum(sampled, 1), np.maximum(rest, 1)
    variance = np.maximum(squares - total**2 / m, 0.0) / np.maximum(m - 1, 1)
    stderr = rest * np.sqrt(variance / m * np.maximum(1.0 - sampled / n, 0.0))
    return total * (rest / m), stderr


def weight_spread(log_density: NDArray[Any]) -> float:
    """How far inverse-density weights spread: the 99th percentile of 1 / density over the 1st.

    Near 1, inverse propensity is uniform sampling; below about 1.2 a smaller bandwidth is needed.

    Args:
        log_density: [n], NaN for documents without one; at least one number.

    Returns:
        A ratio >= 1.
    """
    low, high = np.nanquantile(np.asarray(log_density, np.float64), (0.01, 0.99))
    return float(np.exp(high - low))


def check_sample(sample: Sample, least: int) -> None:
    """A sample that densities can be estimated from.

    Raises:
        ValueError: fewer documents than ``least``, unless they are the whole corpus; none.
    """
    n = len(sample.points)
    if n < (1 if sample.is_everything else least):
        raise ValueError(
            f"Density needs a sample of at least {least} documents, or all of them. Got {n} of "
            f"{sample.n_documents}."
        )
