"""Embedders: documents as unit vectors, for density and its kin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .backends.fingerprint import fingerprint

_CJK = r"\u3040-\u30ff\u3400-\u9fff"
_WORD = rf"[^\W{_CJK}]+|[{_CJK}]"

Counts = NDArray[np.int64]
Vectors = NDArray[np.float32]


class Embedder(Protocol):
    """Text to unit vectors, after an optional pass over the corpus that only adds up counts."""

    def count(self, texts: Sequence[str]) -> Counts:
        """What one part of the corpus adds to the fit; parts are summed."""
        ...

    def embed(self, texts: Sequence[str], counts: Counts, n_documents: int) -> Vectors:
        """float32[n, d], each row of length 1."""
        ...

    def config(self) -> dict[str, Any]:
        """Everything that decides a vector, as plain JSON values."""
        ...


@dataclass(frozen=True, kw_only=True)
class HashedNGrams:
    """Hashed word n-grams, weighted by TF-IDF, projected at random. Needs no download.

    Word n-grams up to ``n_max`` are hashed into ``n_features`` buckets; a bucket's weight is
    (1 + log tf) · (1 + log((1 + N) / (1 + df))), its direction a sparse random sign vector (on
    average ``dimension / 32`` entries, Li et al. 2006), so that inner products are kept in
    expectation. A word is a run of letters and digits, or one character of Chinese or Japanese.
    Texts without any point in a direction of their own.

    Attributes:
        n_features: buckets; two n-grams in one bucket count as the same.
        n_max: longest n-gram, in words. Longer ones make documents less alike.
        dimension: of the projection; the error of a cosine is about 1 / √dimension. Vectors have
            one entry more, for texts without a word.
        max_chars: characters read of a document.
        seed: of the projection.
    """

    n_features: int = 2**18
    n_max: int = 1
    dimension: int = 256
    max_chars: int = 20_000
    seed: int = 0

    def count(self, texts: Sequence[str]) -> Counts:
        """Documents that hold each bucket, int64[n_features]."""
        hashed = self._hash(texts)
        return np.bincount(hashed.indices, minlength=self.n_features)

    def embed(self, texts: Sequence[str], counts: Counts, n_documents: int) -> Vectors:
        """See `Embedder.embed`."""
        from sklearn.preprocessing import normalize

        hashed = self._hash(texts)
        idf = 1.0 + np.log((1.0 + n_documents) / (1.0 + counts))
        hashed.data = (1.0 + np.log(hashed.data)) * idf[hashed.indices]
        vectors = normalize(self._projection.transform(normalize(hashed)))
        wordless = ~vectors.any(axis=1, keepdims=True)
        return np.hstack([vectors, wordless]).astype(np.float32)

    def config(self) -> dict[str, Any]:
        """Everything that decides a vector."""
        return {
            "embedder": "hashed-ngrams",
            "n_features": self.n_features,
            "n_max": self.n_max,
            "dimension": self.dimension,
            "max_chars": self.max_chars,
            "seed": self.seed,
        }

    def _hash(self, texts: Sequence[str]) -> Any:
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

    @cached_property
    def _projection(self) -> Any:
        from scipy.sparse import csr_matrix
        from sklearn.random_projection import SparseRandomProjection

        projection = SparseRandomProjection(
            n_components=self.dimension, density=1 / 32, dense_output=True, random_state=self.seed
        )
        return projection.fit(csr_matrix((1, self.n_features)))


@dataclass(frozen=True, kw_only=True)
class SentenceTransformerEmbedder:
    """A sentence-transformers model, e.g. all-MiniLM-L6-v2.

    Attributes:
        model: directory or hub name.
        device: None lets sentence-transformers choose.
    """

    model: str
    device: str | None = None

    def count(self, texts: Sequence[str]) -> Counts:  # noqa: ARG002 (nothing to fit)
        """Nothing: the model is trained already."""
        return np.zeros(0, np.int64)

    def embed(self, texts: Sequence[str], counts: Counts, n_documents: int) -> Vectors:  # noqa: ARG002
        """See `Embedder.embed`."""
        vectors = self._loaded.encode(
            list(texts), normalize_embeddings=True, show_progress_bar=False
        )
        return np.asarray(vectors, np.float32)

    def config(self) -> dict[str, Any]:
        """Everything that decides a vector."""
        self._check_package()
        return {"embedder": "sentence-transformers", "model": fingerprint(self.model)}

    @cached_property
    def _loaded(self) -> Any:
        self._check_package()
        from sentence_transformers import SentenceTransformer

        return SentenceTransformer(self.model, device=self.device)

    def _check_package(self) -> None:
        from importlib.util import find_spec

        if find_spec("sentence_transformers") is None:
            raise ModuleNotFoundError(
                f"The embedder {self.model!r} needs the package sentence-transformers: "
                f"pip install sentence-transformers"
            )
