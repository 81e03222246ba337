"""Clusters of documents, and what they say of redundancy: SemDeDup and SSL Prototypes."""

from .prototypes import Prototypes
from .semdedup import SemDeDup

__all__ = ["Prototypes", "SemDeDup"]
