"""One seed for a job, and an independent stream of random numbers for each purpose in it."""

from __future__ import annotations

import numpy as np
import xxhash
from numpy.typing import NDArray

from samplers import permanent_random


def lots(seed: int, purpose: str, keys: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Permanent random numbers in (0, 1) that serve one purpose only.

    Two purposes must never share theirs: a shuffle by the numbers that selected would be sorted.
    """
    return permanent_random(xxhash.xxh3_64_intdigest(f"{purpose}:{seed}".encode()), keys)
