"""Scorers: how good, how surprising, how common is each document?

A library of its own: strings in, NumPy arrays out; no files, no command line.
"""

from .ask_llm import AskLLM
from .base import FittableScorer, Scored, Scorer
from .density import ReferenceDensity
from .embedders import HashedNGrams, SentenceTransformerEmbedder
from .kenlm import KenLM
from .perplexity import Perplexity
from .rubric import Rubric
from .token_prior import TokenPrior

__all__ = [
    "AskLLM",
    "FittableScorer",
    "HashedNGrams",
    "KenLM",
    "Perplexity",
    "ReferenceDensity",
    "Rubric",
    "Scored",
    "Scorer",
    "SentenceTransformerEmbedder",
    "TokenPrior",
]
