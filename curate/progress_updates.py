"""What is told of a stage: that it starts, where it is, how it ended, and what it met."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

Event = Literal["progress", "finished", "stopped"]


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What does the work, as far as it is known.

    Attributes:
        device: such as "cpu" or "cuda (NVIDIA H200)".
        n_devices: how many of them.
        parameters: of the model.
    """

    device: str | None = None
    n_devices: int | None = None
    parameters: int | None = None

    @classmethod
    def of(cls, model: Any, n_models: int = 1) -> Machine:
        """What a scorer, a backend or an embedder says of itself.

        Args:
            model: may have ``runs_on``, ``n_devices`` and ``n_parameters``.
            n_models: of it side by side.
        """
        n_devices = getattr(model, "n_devices", None)
        return cls(
            device=getattr(model, "runs_on", None),
            n_devices=None if n_devices is None else n_devices * n_models,
            parameters=getattr(model, "n_parameters", None),
        )


@dataclass(frozen=True, kw_only=True)
class Started:
    """A stage begins.

    Attributes:
        stage: "score", "build" …
        name: of what is made: a directory of tables, say.
        n_shards: to do, those that are done already among them; of `mix run`, runs.
        machine: what does the work.
    """

    stage: str
    name: str
    n_shards: int
    machine: Machine

    def plain(self) -> dict[str, Any]:
        """As the log holds it."""
        told = {"stage": self.stage, "name": self.name, "n_shards": self.n_shards}
        return {**told, **asdict(self.machine)}


@dataclass(frozen=True)
class Amount:
    """What was done: documents, their tokens (None: not counted), and those without a result."""

    documents: int = 0
    tokens: int | None = None
    nulls: int = 0

    def __add__(self, other: Amount) -> Amount:
        counted = [n for n in (self.tokens, other.tokens) if n is not None]
        return Amount(
            self.documents + other.documents,
            sum(counted) if counted else None,
            self.nulls + other.nulls,
        )

    @classmethod
    def of(cls, table: Any) -> Amount:
        """Of a chunk's table: rows, tokens of those with a result, and rows with a reason."""
        import pyarrow.compute as pc

        nulls = len(table) - table["reason"].null_count
        if "n_tokens" not in table.column_names:
            return cls(len(table), None, nulls)
        counted = (
            table["n_tokens"].filter(table["reason"].is_null()) if nulls else table["n_tokens"]
        )
        return cls(len(table), int(pc.sum(counted).as_py() or 0), nulls)


NOTHING = Amount()


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Where a stage is.

    Attributes:
        event: "progress", or how the stage ended.
        started: which stage.
        seconds: since this run of it started.
        shards: done, by this run or before it.
        done: documents, tokens and nulls of this run.
        eta_seconds: what is left, if it goes on as fast; None: not known.
        share: of the work that is done, in [0, 1].
        doing: what comes before the work that is counted, in words; None: that work itself.
    """

    event: Event
    started: Started
    seconds: float
    shards: int
    done: Amount
    eta_seconds: float | None
    share: float
    doing: str | None = None

    @property
    def documents_per_second(self) -> float:
        """Of this run."""
        return self.done.documents / max(self.seconds, 1e-9)

    @property
    def tokens_per_second(self) -> float | None:
        """Of this run; None where tokens are not counted."""
        return None if self.done.tokens is None else self.done.tokens / max(self.seconds, 1e-9)

    def plain(self) -> dict[str, Any]:
        """As the log holds it."""
        return {
            "seconds": _rounded(self.seconds),
            "shards": self.shards,
            "n_shards": self.started.n_shards,
            **asdict(self.done),
            "documents_per_second": _rounded(self.documents_per_second),
            "tokens_per_second": _rounded(self.tokens_per_second),
            "eta_seconds": _rounded(self.eta_seconds),
        }


@dataclass(frozen=True)
class Note:
    """A sentence about what the stage met, such as a run that diverged."""

    text: str


Update = Started | Standing | Note
Reporter = Callable[[Update], None]


def silent(_: Update) -> None:
    """Say nothing."""


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 3)
