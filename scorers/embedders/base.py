"""What every embedder is: text in, one unit vector per document out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ..vectors import Vectors, divided, lengths


@runtime_checkable
class Embedder(Protocol):
    """Places texts on the unit sphere.

    Attributes:
        name: as in the registry.
    """

    name: ClassVar[str]

    @property
    def dimension(self) -> int:
        """Entries of a vector."""
        ...

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Vectors of texts, none of them empty; one does not depend on its neighbours.

        Returns:
            float32[n, d], each row of length 1, or with entries that are not finite where the
            model overflowed.
        """
        ...

    def config(self) -> dict[str, Any]:
        """Everything that decides a vector, as plain JSON values."""
        ...


class FittableEmbedder(Protocol):
    """An embedder that must see the corpus first, share by share and in any order."""

    name: ClassVar[str]

    def fit(self, batches: Iterable[Sequence[str]]) -> Any:
        """One worker's share of the corpus, reduced to a state."""
        ...

    def merge(self, states: Sequence[Any]) -> Embedder:
        """Unite the states, in any order and grouping, into an embedder."""
        ...

    def config(self) -> dict[str, Any]:
        """Everything that decides a vector but for the corpus, as plain JSON values."""
        ...


def unit(vectors: NDArray[Any]) -> Vectors:
    """Rows scaled to length 1, float32[n, d]; a row without a direction becomes NaN."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return divided(vectors, lengths(vectors))
