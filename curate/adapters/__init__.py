"""Scorers in other people's pipelines: HF datasets, Ray Data, datatrove, a plain loop.

`curate.adapters.datatrove` is imported by itself, as it needs that package.
"""

from .columns import ScoreColumns, as_map
from .stream import ScoredRecord, scored

__all__ = ["ScoreColumns", "ScoredRecord", "as_map", "scored"]
