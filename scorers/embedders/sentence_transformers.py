"""Embeddings by a sentence-transformers model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..backends.fingerprint import fingerprint
from ..backends.machine import device_name, n_parameters
from ..vectors import Vectors
from .base import unit

_DTYPES = ("float32", "bfloat16", "float16")


@dataclass(frozen=True, kw_only=True)
class SentenceTransformerEmbedder:
    """A sentence-transformers model, e.g. all-MiniLM-L6-v2, with the pooling it was made for.

    What spells a special token in a text is read as plain characters, where the tokenizer can.

    Attributes:
        model: directory or hub name.
        device: cpu, cuda, cuda:1 …; None lets sentence-transformers choose. Decides rounding
            alone, and is no part of the configuration.
        dtype: of the weights: "float32", "bfloat16" or "float16".
        max_length: longest text read, in tokens; None: what the model says.
        prompt: put before every text, such as "passage: ".
        batch_size: texts in a batch, >= 1. Decides rounding alone.
        trust_remote_code: run Python code that comes with the model. Off unless asked for.

    Raises:
        ModuleNotFoundError: sentence-transformers is not installed; by the methods.
    """

    name: ClassVar[str] = "sentence-transformers"

    model: str
    device: str | None = None
    dtype: str = "float32"
    max_length: int | None = None
    prompt: str | None = None
    batch_size: int = 32
    trust_remote_code: bool = False

    def __post_init__(self) -> None:
        if self.dtype not in _DTYPES:
            raise ValueError(
                f"'dtype' of SentenceTransformerEmbedder must be one of {', '.join(_DTYPES)}. "
                f"Got {self.dtype!r}."
            )
        for name in ("max_length", "batch_size"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(
                    f"{name!r} of SentenceTransformerEmbedder must be at least 1. Got {value}."
                )

    @property
    def dimension(self) -> int:
        """Of a vector; loads the model."""
        return int(self._loaded.get_embedding_dimension())

    def embed(self, texts: Sequence[str]) -> Vectors:
        """See `Embedder.embed`."""
        if not len(texts):
            return np.empty((0, self.dimension), np.float32)
        vectors = self._loaded.encode(
            list(texts),
            prompt=self.prompt,
            batch_size=self.batch_size,
            show_progress_bar=False,
            convert_to_tensor=True,
        )
        return unit(vectors.float().cpu().numpy())

    @property
    def n_parameters(self) -> int | None:
        """Of the model, as its files hold them."""
        return n_parameters(self.model)

    @property
    def runs_on(self) -> str | None:
        """The device, where it was given, and what it is."""
        return None if self.device is None else device_name(self.device)

    @property
    def n_devices(self) -> int:
        """One."""
        return 1

    def config(self) -> dict[str, Any]:
        """The model's fingerprint, and what it is given. Loads no model, but wants the package."""
        _require()
        return {
            "model": fingerprint(self.model),
            "dtype": self.dtype,
            "max_length": self.max_length,
            "prompt": self.prompt,
        }

    @cached_property
    def _loaded(self) -> Any:
        _require()
        _check_weights(Path(self.model))
        from sentence_transformers import SentenceTransformer

        model = SentenceTransformer(
            self.model,
            device=self.device,
            trust_remote_code=self.trust_remote_code,
            model_kwargs={"dtype": self.dtype, "use_safetensors": True},
        )
        if self.max_length is not None:
            model.max_seq_length = self.max_length
        if hasattr(model.tokenizer, "split_special_tokens"):
            model.tokenizer.split_special_tokens = True
        return model


def _check_weights(model: Path) -> None:
    """Refuse weights of a layer that are not safetensors: they would have to be unpickled.

    Raises:
        ValueError: the directory of a model holds some.
    """
    for path in sorted(model.rglob("pytorch_model*.bin")):
        if not any(path.parent.glob("*.safetensors")):
            raise ValueError(f"{path}: weights are read from safetensors alone. Convert them.")


def _require() -> None:
    if find_spec("sentence_transformers") is None:
        raise ModuleNotFoundError(
            "The embedder needs the package sentence-transformers: "
            "pip install sentence-transformers",
            name="sentence_transformers",
        )
