"""Scorers: how good, how surprising, how common is each document?

A library of its own: strings or vectors in, NumPy arrays out; no files, no command line.
"""

from .ask_llm import AskLLM
from .base import FittableScorer, Scored, Scorer
from .clusters import Prototypes, SemDeDup
from .coverage import Coverage
from .density import ExactDensity, FaissDensity, RaceDensity, ReferenceDensity
from .embedders import (
    Embedder,
    FittableEmbedder,
    HashedNGrams,
    SentenceTransformerEmbedder,
    VLLMEmbedder,
)
from .kenlm import KenLM
from .perplexity import Perplexity
from .point_sample import PointSample
from .points import FittablePointScorer, Points, PointScorer, PointScorerSpec, Sample
from .rubric import Rubric
from .token_prior import TokenPrior

__all__ = [
    "AskLLM",
    "Coverage",
    "Embedder",
    "ExactDensity",
    "FaissDensity",
    "FittableEmbedder",
    "FittablePointScorer",
    "FittableScorer",
    "HashedNGrams",
    "KenLM",
    "Perplexity",
    "PointSample",
    "PointScorer",
    "PointScorerSpec",
    "Points",
    "Prototypes",
    "RaceDensity",
    "ReferenceDensity",
    "Rubric",
    "Sample",
    "Scored",
    "Scorer",
    "SemDeDup",
    "SentenceTransformerEmbedder",
    "TokenPrior",
    "VLLMEmbedder",
]
