"""Train many small models side by side, each on its own mixture, and measure each domain's loss."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import llama
from .adamw import StackedAdamW
from .spec import FEED_FORWARD, Member, ProxySpec
from .stream import GOLDEN, FloatArray, MixtureStreams, Tokens

_NOISE = 0.5  # nats above a guess at random that a sound member may have
_MEASURED_TOGETHER = 32  # sequences of held-out text
_MOST, _SMALL = 512, 1.5e6  # members; parameters up to which a CPU gains from stacking
_ON_CPU, _ON_GPU = 16, 32e9  # members; bytes a stack may take


@dataclass(frozen=True)
class StackResult:
    """What a stack measured.

    Attributes:
        steps: int64[measures], steps done before each measure.
        losses: float64[members, measures, domains], nats per token of held-out text; NaN where
            the stack is not there yet, and from where on a member diverged.
        training_loss: float64[members], mean over the last tenth of the steps done.
        epochs: float64[members, domains], how often each domain was read.
        diverged: for each member why its losses must not be used, or None.
    """

    steps: NDArray[np.int64]
    losses: FloatArray
    training_loss: FloatArray
    epochs: FloatArray
    diverged: list[str | None]


class Stack:
    """Many models of one shape in one program: their parameters stacked, each trained alone.

    A member's losses are those it would have had without the others, but for the order in which
    float32 sums are taken: within 1e-4 nats after 50 steps. With one thread of PyTorch the same
    stack gives the same bits whatever the machine does, however `advance` cuts it up, and when it
    goes on from its `state`.

    Args:
        spec: the shape of the models and their training.
        members: what differs between them.
        training: token ids of each domain.
        validation: token ids of each domain to measure on, at least two; none is trained on.
        measure: steps after which to measure, increasing, in [0, steps]; the last step if empty.
        device: of PyTorch, "cpu" or "cuda".

    Cost:
        ``members · steps · spec.flops_per_step`` operations, and for each measure a third of a
        step for as many tokens as a step has. Memory 16 bytes a parameter, and the activations.

    Raises:
        ValueError: a domain is too short, a token is not in the vocabulary, or a measure out of
            range.
    """

    def __init__(
        self,
        spec: ProxySpec,
        members: Sequence[Member],
        training: Sequence[Tokens],
        validation: Sequence[Tokens],
        *,
        measure: Sequence[int] = (),
        device: str = "cpu",
    ) -> None:
        import torch

        self.spec, self.members = spec, list(members)
        self._measure = np.array([*measure] or [spec.steps], np.int64)
        self._check(training, validation)
        self._device = device
        self._validation = [np.asarray(tokens, np.int64) for tokens in validation]
        self._streams = MixtureStreams(
            training,
            [member.schedule for member in self.members],
            spec.length,
            spec.steps * spec.batch,
            [member.seed * GOLDEN % 1.0 for member in self.members],
        )
        self._parameters = llama.initial(spec, [m.seed for m in self.members], device)
        peaks = [m.learning_rate or spec.peak for m in self.members]
        self._optimizer = StackedAdamW(
            self._parameters, torch.tensor(peaks, device=device), spec.weight_decay
        )
        self._turns = llama.rotations(spec, device)
        self.step = 0
        """Steps done."""
        self._training = np.full((len(self.members), spec.steps), np.nan, np.float32)
        shape = (len(self.members), len(self._measure), len(validation))
        self._losses = np.full(shape, np.nan)
        self._measure_if_due()

    @property
    def finished(self) -> bool:
        """Whether all steps are done."""
        return self.step >= self.spec.steps

    def advance(self, n_steps: int) -> None:
        """Train for so many steps, or to the end, and measure where it is due."""
        import torch

        for _ in range(min(n_steps, self.spec.steps - self.step)):
            ids = torch.from_numpy(self._streams.batch(self.spec.batch)).to(self._device)
            self._training[:, self.step] = self._train(ids).cpu().numpy()
            self.step += 1
            self._measure_if_due()

    def result(self) -> StackResult:
        """What was measured so far."""
        done = self._training[:, : self.step]
        tail = done[:, -max(1, self.step // 10) :].astype(np.float64)
        return StackResult(
            steps=self._measure.copy(),
            losses=self._losses.copy(),
            training_loss=tail.mean(axis=1) if self.step else np.full(len(tail), np.nan),
            epochs=self._streams.epochs,
            diverged=[self._fault(*both) for both in zip(done, self._losses, strict=True)],
        )

    def state(self) -> dict[str, NDArray[Any]]:
        """All that `restore` needs to go on as if nothing had happened."""
        held: dict[str, NDArray[Any]] = {
            "step": np.array(self.step),
            "training": self._training.copy(),
            "losses": self._losses.copy(),
            "n_sequences": self._streams.n_sequences.copy(),
        }
        for kind, tensors in self._tensors().items():
            held |= {f"{kind}/{n}": t.detach().cpu().numpy().copy() for n, t in tensors.items()}
        return held

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from a `state` of the same stack.

        Raises:
            ValueError: the state is of another stack.
        """
        import torch

        tensors = {
            f"{kind}/{n}": t for kind, named in self._tensors().items() for n, t in named.items()
        }
        shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
        shapes |= {"training": self._training.shape, "losses": self._losses.shape}
        for name, shape in shapes.items():
            if name not in state or state[name].shape != shape:
                raise ValueError(f"The state is of another stack: {name!r} is not {shape}.")
        self.step = int(state["step"])
        self._training, self._losses = state["training"].copy(), state["losses"].copy()
        self._streams.n_sequences = state["n_sequences"].copy()
        with torch.no_grad():
            for name, tensor in tensors.items():
                tensor.copy_(torch.from_numpy(state[name]))

    def model(self, member: int) -> Any:
        """One member as a `transformers.LlamaForCausalLM`, in float32 on the CPU."""
        from .export import as_llama

        return as_llama(self.spec, {n: t[member] for n, t in self._parameters.items()})

    def _tensors(self) -> dict[str, dict[str, Any]]:
        optimizer = self._optimizer
        return {
            "parameters": self._parameters,
            "first": optimizer.first,
            "second": optimizer.second,
        }

    def _train(self, ids: Any) -> Any:
        """One step; the loss of each member before it."""
        import torch

        table = self._parameters["embedding"]
        hidden = llama.hidden_states(self.spec, self._parameters, ids[..., :-1], self._turns)
        gradient = torch.empty_like(table)
        targets = ids[..., 1:].reshape(len(ids), -1)
        with torch.no_grad():
            losses, slope = llama.nll(
                hidden.detach(), table.detach(), targets, gradient, self.spec.precision
            )
        table.grad = gradient  # of the output; the backward pass adds that of the input
        hidden.backward(slope)
        self._optimizer.step(self.step + 1, self.spec.rate(self.step))
        return losses

    def _measure_if_due(self) -> None:
        if self.step in self._measure:
            place = int(np.searchsorted(self._measure, self.step))
            for domain, tokens in enumerate(self._validation):
                self._losses[:, place, domain] = self._loss(tokens)

    def _loss(self, tokens: NDArray[np.int64]) -> FloatArray:
        """Nats per token of each member; every token but the first is predicted once."""
        import torch

        total = torch.zeros(len(self.members), dtype=torch.float64, device=self._device)
        with torch.inference_mode():
            for piece in windows(tokens, self.spec.length):
                ids = torch.from_numpy(piece).to(self._device)
                every = ids.expand(len(self.members), *ids.shape)
                hidden = llama.hidden_states(
                    self.spec, self._parameters, every[..., :-1], self._turns
                )
                targets = every[..., 1:].reshape(len(every), -1)
                losses, _ = llama.nll(
                    hidden,
                    self._parameters["embedding"],
                    targets,
                    precision=self.spec.precision,
                )
                total += losses.double() * targets.shape[1]
        mean: FloatArray = (total / (len(tokens) - 1)).cpu().numpy()
        return np.where(np.isfinite(mean), mean, np.nan)

    def _fault(self, losses: NDArray[np.float32], held_out: FloatArray) -> str | None:
        """Why a member's losses must not be used.

        A loss that is not finite; or one that is neither below its start nor below that of a guess
        at random, log of the vocabulary, by `_NOISE`: text of pure noise can be no lower.
        """
        lost = np.flatnonzero(~np.isfinite(losses))
        if len(lost):
            return f"its loss is not finite from step {lost[0] + 1} on; lower its learning rate"
        if not np.isfinite(held_out[self._measure <= self.step]).all():
            return "its held-out loss is not finite; lower its learning rate"
        if self.finished and self.step >= 10:
            first, last = float(losses[0]), float(losses[-max(1, self.step // 10) :].mean())
            if last > min(first, math.log(self.spec.n_vocabulary)) + _NOISE:
                return (
                    f"its training loss went from {first:.3f} to {last:.3f}, above that of a guess "
                    f"at random; lower its learning rate"
                )
        return None

    def _check(self, training: Sequence[Tokens], validation: Sequence[Tokens]) -> None:
        measure, spec = self._measure, self.spec
        if (np.diff(measure) <= 0).any() or measure[0] < 0 or measure[-1] > spec.steps:
            raise ValueError(
                f"'measure' of Stack must increase within [0, {spec.steps}]. Got {[*measure]}."
            )
        for what, texts in (("training", training), ("validation", validation)):
            for number, tokens in enumerate(texts):
                if len(tokens) and not 0 <= tokens.min() <= tokens.max() < spec.n_vocabulary:
                    raise ValueError(
                        f"{what} text of domain {number} has the token {tokens.max()}; the "
                        f"vocabulary has {spec.n_vocabulary}."
                    )
                if what == "validation" and len(tokens) < 2:
                    raise ValueError(f"Domain {number} has no validation text to measure on.")


def windows(tokens: NDArray[np.int64], length: int) -> Iterator[NDArray[np.int64]]:
    """Batches int64[sequences, length + 1] in which every token but the first is last in one place.

    Windows share the token between them; what is left over is a batch of one shorter sequence.
    """
    n_whole = (len(tokens) - 1) // length
    starts = np.arange(n_whole) * length
    whole = tokens[starts[:, None] + np.arange(length + 1)]
    for first in range(0, n_whole, _MEASURED_TOGETHER):
        yield whole[first : first + _MEASURED_TOGETHER]
    if n_whole * length < len(tokens) - 1:
        yield tokens[None, n_whole * length :]


def stack_size(spec: ProxySpec, device: str = "cpu") -> int:
    """How many members to train side by side: 1 where stacking no longer helps.

    On a CPU small models gain from it and large ones do not; on a GPU as many as fit into
    32 GB, at most 512.
    """
    if device == "cpu":
        return _ON_CPU if spec.n_parameters <= _SMALL else 1
    a_token = 4 * spec.layers * spec.hidden * (12 + 4 * FEED_FORWARD)
    a_member = 16 * (spec.n_parameters + spec.n_vocabulary * spec.hidden)
    a_member += a_token * spec.batch * spec.length
    return max(1, min(_MOST, int(_ON_GPU / a_member)))
