"""Embedders: documents as unit vectors, for density and its kin."""

from .base import Embedder, FittableEmbedder
from .hashed_ngrams import HashedNGrams
from .sentence_transformers import SentenceTransformerEmbedder
from .vllm import VLLMEmbedder

__all__ = [
    "Embedder",
    "FittableEmbedder",
    "HashedNGrams",
    "SentenceTransformerEmbedder",
    "VLLMEmbedder",
]
