"""How much faster do models train side by side than one at a time? Model-steps per second.

One row for each way and precision, all in one run, in turns, several times: the median counts.

- transformers: its Llama under `torch.optim.AdamW`, one model at a time on all cores.
- one at a time: a stack of one, on all cores.
- stacked: n models in one program, on all cores.
- stacked, split: as `curate mix run` does on a CPU: one program for each core, of one thread, each
  with its share of n models. (With n of 1 each core trains one model alone.)

Utilisation is the operations of the matrix products over those of one large product of the same
precision on as many cores, measured in the same run.

    python -m bench.swarm [--size 0.1M] [--stacks 1,8,32] [--device cuda]
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

import click
import numpy as np

from mixing.proxies import SIZES, Member, ProxySpec, Stack
from mixing.proxies.spec import PRECISIONS
from mixing.proxies.stream import MixtureStreams
from mixing.schedule import Schedule

from .report import finish

COLUMNS = ("way", "precision", "models", "model-steps/s", "x one at a time", "utilisation")
_WARM_UP = 2
_SECONDS = 4.0  # of each measurement, about
_LARGE = {"cpu": 2048, "cuda": 8192}


@dataclass(frozen=True)
class Way:
    """One row of the table.

    Attributes:
        name: what is said of it.
        precision: of the products.
        members: models.
        processes: programs side by side; 0 for transformers.
    """

    name: str
    precision: str
    members: int
    processes: int


def _spec(size: str, vocabulary: int, length: int, batch: int, precision: str) -> ProxySpec:
    hidden, layers, heads = SIZES[size]
    return ProxySpec(
        n_vocabulary=vocabulary,
        hidden=hidden,
        layers=layers,
        heads=heads,
        length=length,
        batch=batch,
        steps=1_000_000,
        precision=precision,
    )


def _texts(spec: ProxySpec) -> list[Any]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, spec.n_vocabulary, 100_000).astype(np.uint16) for _ in range(4)]


def _time(step: Callable[[], None], sync: Callable[[], None]) -> tuple[float, float, int]:
    """When it began, when it ended, and how many steps it did."""
    for _ in range(_WARM_UP):
        step()
    sync()
    start, n = time.perf_counter(), 0
    while time.perf_counter() - start < _SECONDS:
        step()
        sync()
        n += 1
    return start, time.perf_counter(), n


def _stacked(spec: ProxySpec, n: int, threads: int, device: str) -> tuple[float, float, int]:
    import torch

    torch.set_num_threads(threads)
    texts = _texts(spec)
    uniform = Schedule.constant(np.full(4, 0.25))
    members = [Member(schedule=uniform, seed=seed) for seed in range(n)]
    stack = Stack(spec, members, texts, texts, device=device)
    sync = torch.cuda.synchronize if device == "cuda" else lambda: None
    start, end, steps = _time(lambda: stack.advance(1), sync)
    return start, end, steps * n


def _transformers(spec: ProxySpec, device: str) -> tuple[float, float, int]:
    import torch

    torch.set_num_threads(os.cpu_count() or 1)
    texts = _texts(spec)
    schedule = Schedule.constant(np.full(4, 0.25))
    model = Stack(spec, [Member(schedule=schedule)], texts, texts).model(0).to(device).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    stream = MixtureStreams(texts, [schedule], spec.length, spec.steps * spec.batch, [0.0])
    mixed = spec.precision != "float32"

    def step() -> None:
        ids = torch.from_numpy(stream.batch(spec.batch)[0]).to(device)
        with torch.autocast(device, torch.bfloat16, enabled=mixed):
            logits = model(input_ids=ids[:, :-1], use_cache=False).logits
            loss = torch.nn.functional.cross_entropy(
                logits.flatten(0, 1).float(), ids[:, 1:].flatten()
            )
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return _time(step, torch.cuda.synchronize if device == "cuda" else lambda: None)


def _rate(way: Way, spec: ProxySpec, device: str, pool: ProcessPoolExecutor) -> float:
    """Model-steps per second."""
    if not way.processes:
        done = [_transformers(spec, device)]
    elif way.processes == 1:
        done = [_stacked(spec, way.members, os.cpu_count() or 1, device)]
    else:
        share = way.members // way.processes
        futures = [pool.submit(_stacked, spec, share, 1, device) for _ in range(way.processes)]
        done = [future.result() for future in futures]
    starts, ends, counts = zip(*done, strict=True)
    return float(sum(counts) / (max(ends) - min(starts)))


def _peak(precision: str, device: str) -> float:
    """Operations per second of one large product."""
    import torch

    torch.set_num_threads(os.cpu_count() or 1)
    n = _LARGE[device]
    one = torch.ones(n, n, dtype=getattr(torch, precision), device=device)
    sync = torch.cuda.synchronize if device == "cuda" else lambda: None
    start, end, steps = _time(lambda: torch.mm(one, one, out=torch.empty_like(one)), sync)
    return 2 * n**3 * steps / (end - start)


def measure(
    size: str = "0.1M",
    stacks: Sequence[int] = (1, 8, 32),
    *,
    vocabulary: int = 2048,
    length: int = 64,
    batch: int = 8,
    repeats: int = 5,
    device: str = "cpu",
) -> tuple[list[list[object]], dict[str, float]]:
    """Rows of the table, and figures.

    ``speedup_stacked`` is the fastest stack over the fastest way of one at a time, each with the
    precision that suits it.
    """
    cores = os.cpu_count() or 1 if device == "cpu" else 1
    ways = []
    for precision in PRECISIONS:
        ways += [
            Way("transformers", precision, 1, 0),
            Way("one at a time", precision, 1, 1),
            *(Way("stacked", precision, n, 1) for n in stacks if n > 1),
            *(Way("stacked, split", precision, max(n, cores), cores) for n in stacks if cores > 1),
        ]
    rates: dict[Way, list[float]] = {way: [] for way in ways}
    specs = {p: _spec(size, vocabulary, length, batch, p) for p in PRECISIONS}
    with ProcessPoolExecutor(cores, mp_context=get_context("spawn")) as pool:
        for _ in range(repeats):
            for way in ways:
                rates[way].append(_rate(way, specs[way.precision], device, pool))
    median = {way: statistics.median(values) for way, values in rates.items()}
    peaks = {precision: _peak(precision, device) for precision in specs}
    rows: list[list[object]] = []
    figures: dict[str, float] = {"speedup_stacked": _best(median, cores) / _alone(median)}
    for precision, spec in specs.items():
        mine = {way: rate for way, rate in median.items() if way.precision == precision}
        busy = spec.flops_per_step / peaks[precision]
        figures[f"speedup_{precision}"] = _best(mine, cores) / _alone(mine)
        split = [r for w, r in mine.items() if w.members == w.processes == cores > 1]
        if split:
            figures[f"speedup_over_one_a_core_{precision}"] = _best(mine, cores) / split[0]
        figures[f"utilisation_{precision}"] = _best(mine, cores) * busy
        rows += [
            [w.name, precision, w.members, r, r / _alone(mine), r * busy] for w, r in mine.items()
        ]
    figures["model_steps_per_second"] = max(median.values())
    return rows, figures


def _alone(rates: dict[Way, float]) -> float:
    return max(rate for way, rate in rates.items() if way.members == 1)


def _best(rates: dict[Way, float], cores: int) -> float:
    return max(rate for way, rate in rates.items() if way.members > cores)


@click.command()
@click.option("--size", default="0.1M", show_default=True, type=click.Choice([*SIZES]))
@click.option("--stacks", default="1,8,32", show_default=True, help="Models side by side.")
@click.option("--vocabulary", default=2048, show_default=True)
@click.option("--length", default=64, show_default=True, help="Tokens in a sequence.")
@click.option("--batch", default=8, show_default=True, help="Sequences in a step.")
@click.option("--repeats", default=5, show_default=True)
@click.option("--device", default="cpu", show_default=True, type=click.Choice(["cpu", "cuda"]))
def main(size: str, stacks: str, **options: Any) -> None:
    """Print model-steps per second of every way, and how many times the best one at a time."""
    rows, figures = measure(size, [int(n) for n in stacks.split(",")], **options)
    finish(COLUMNS, rows, figures)


if __name__ == "__main__":
    main()
