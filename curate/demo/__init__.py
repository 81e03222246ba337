"""A corpus and a model to try `curate` with, when there is neither.

`curate.demo.harvest` writes a small corpus from the Python installation itself, part of it damaged
on purpose, and says which part. ``MODEL_PATH`` holds a language model of about a million
parameters that answers Ask-LLM's prompt. It is a toy: it learned to tell undamaged text from
damaged text on synthetic faults, nothing else, and knows nothing of what a text says. Use it to see
the commands work and to test them; for data that matters, name a real model. `MODEL_CARD.md` beside
its weights says how it was made and how well it does.
"""

from pathlib import Path

MODEL_PATH = Path(__file__).parent / "model"
"""Directory of the toy model, loadable by `AutoModelForCausalLM` and `AutoTokenizer`."""

__all__ = ["MODEL_PATH"]
