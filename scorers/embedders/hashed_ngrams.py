"""Hashed word n-grams as unit vectors: an embedder without any download."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..base import reason_for_empty
from ..seeds import check_seed
from ..vectors import Vectors

_CJK = r"\u3040-\u30ff\u3400-\u9fff"
_WORD = rf"[^\W{_CJK}]+|[{_CJK}]"


@dataclass(frozen=True)
class DocumentCounts:
    """What one worker's share of the corpus leaves behind.

    Attributes:
        n_documents: that are not empty.
        n_with: int64[n_features], how many of them hold each bucket.
    """

    n_documents: int
    n_with: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class HashedNGrams:
    """Hashed word n-grams, weighted by TF-IDF, projected at random. Needs no download.

    Word n-grams up to ``n_max`` are hashed into ``n_features`` buckets; a bucket's weight is
    (1 + log tf) · (1 + log((1 + N) / (1 + df))), its direction a sparse random sign vector (on
    average ``dimension / 32`` entries, Li et al. 2006), so that inner products are kept in
    expectation. A word is a run of letters and digits, or one character of Chinese or Japanese.
    Texts without any point in a direction of their own.

    N and df are those of the corpus, which `fit` counts: embeddings of two corpora, each counted
    by itself, weigh words differently.

    Attributes:
        n_features: buckets, >= 1; two n-grams in one bucket count as the same.
        n_max: longest n-gram, in words, >= 1. Longer ones make documents less alike.
        dimension: of the projection, >= 1; the error of a cosine is about 1 / √dimension. Vectors
            have one entry more, for texts without a word.
        max_chars: characters read of a document, >= 1.
        seed: of the projection, in [0, 2^32).
    """

    name: ClassVar[str] = "hashed-ngrams"

    n_features: int = 2**18
    n_max: int = 1
    dimension: int = 256
    max_chars: int = 20_000
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("n_features", "n_max", "dimension", "max_chars"):
            value = getattr(self, name)
            if value < 1:
                raise ValueError(f"{name!r} of HashedNGrams must be at least 1. Got {value}.")
        check_seed(self)

    def fit(self, batches: Iterable[Sequence[str]]) -> DocumentCounts:
        """Count in how many documents of one worker's share each bucket is. Leaves out empties."""
        n_documents, n_with = 0, np.zeros(self.n_features, np.int64)
        for batch in batches:
            texts = [text for text in batch if reason_for_empty(text) is None]
            if texts:
                n_documents += len(texts)
                n_with += np.bincount(self.hashed(texts).indices, minlength=self.n_features)
        return DocumentCounts(n_documents, n_with)

    def unite(self, states: Sequence[DocumentCounts]) -> DocumentCounts:
        """One state of several, at least one."""
        total = sum(state.n_documents for state in states)
        return DocumentCounts(total, np.sum([state.n_with for state in states], axis=0))

    def merge(self, states: Sequence[DocumentCounts]) -> FittedHashedNGrams:
        """Add up the counts of all shares, at least one."""
        return FittedHashedNGrams(spec=self, counts=self.unite(states))

    def config(self) -> dict[str, Any]:
        """Every option."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def hashed(self, texts: Sequence[str]) -> Any:
        """Term frequencies, csr[n, n_features], one entry per bucket of a document."""
        return self._vectorizer.transform([text[: self.max_chars] for text in texts])

    @cached_property
    def _vectorizer(self) -> Any:
        from sklearn.feature_extraction.text import HashingVectorizer

        return HashingVectorizer(
            n_features=self.n_features,
            ngram_range=(1, self.n_max),
            token_pattern=_WORD,
            alternate_sign=False,
            norm=None,
        )


@dataclass(frozen=True, kw_only=True)
class FittedHashedNGrams:
    """`HashedNGrams` that know how common each bucket is.

    Attributes:
        spec: the options.
        counts: of the corpus.
    """

    name: ClassVar[str] = "hashed-ngrams"

    spec: HashedNGrams
    counts: DocumentCounts

    @property
    def dimension(self) -> int:
        """Of a vector: the projection's, and one."""
        return self.spec.dimension + 1

    def embed(self, texts: Sequence[str]) -> Vectors:
        """See `Embedder.embed`."""
        from sklearn.preprocessing import normalize

        if not len(texts):
            return np.empty((0, self.dimension), np.float32)
        hashed = self.spec.hashed(texts)
        hashed.data = (1.0 + np.log(hashed.data)) * self._idf[hashed.indices]
        vectors = normalize(self._projection.transform(normalize(hashed)))
        wordless = ~vectors.any(axis=1, keepdims=True)
        return np.hstack([vectors, wordless]).astype(np.float32)

    def config(self) -> dict[str, Any]:
        """Everything that decides a vector, but for the corpus."""
        return self.spec.config()

    @cached_property
    def _idf(self) -> NDArray[np.float64]:
        rarity = (1.0 + self.counts.n_documents) / (1.0 + self.counts.n_with)
        return np.asarray(1.0 + np.log(rarity), np.float64)

    @cached_property
    def _projection(self) -> Any:
        from scipy.sparse import csr_matrix
        from sklearn.random_projection import SparseRandomProjection

        projection = SparseRandomProjection(
            n_components=self.spec.dimension,
            density=1 / 32,
            dense_output=True,
            random_state=self.spec.seed,
        )
        return projection.fit(csr_matrix((1, self.spec.n_features)))
