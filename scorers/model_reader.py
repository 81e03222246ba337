"""What every scorer that runs a language model has: its tokenizer, and a backend."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from .backends import Backend, TransformersBackend
from .tokenizer import Tokenizer


@dataclass(frozen=True, kw_only=True)
class ModelReader:
    """A model to read documents with.

    Attributes:
        model: directory or hub name; its tokenizer is used, whatever the backend.
        trust_remote_code: run Python code that comes with the tokenizer. Off unless asked for.
        backend: what runs the model; None: `TransformersBackend` with its defaults.
    """

    model: str
    trust_remote_code: bool = False
    backend: Backend | None = field(default=None, repr=False)

    @property
    def n_parameters(self) -> int | None:
        """Of the model, where the backend can tell."""
        return getattr(self._backend, "n_parameters", None)

    @property
    def runs_on(self) -> str | None:
        """The device of the model, where the backend can tell."""
        return getattr(self._backend, "runs_on", None)

    @property
    def n_devices(self) -> int | None:
        """How many of them the model runs on."""
        return getattr(self._backend, "n_devices", None)

    @cached_property
    def _backend(self) -> Backend:
        return self.backend or TransformersBackend(
            model=self.model, trust_remote_code=self.trust_remote_code
        )

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        return Tokenizer(model=self.model, trust_remote_code=self.trust_remote_code)
