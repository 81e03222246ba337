"""curate decides what a language model is trained on: score, select, mix, build."""

from importlib.metadata import version

__version__ = version("curate-lm")
