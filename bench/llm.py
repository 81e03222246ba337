"""How fast are the language-model scorers beside the bare model, and beside what others do?

A model with random weights, in the shape of a tiny or of a real one, scores documents of a corpus
in every way, turn by turn; ratios are taken within a turn and their median is shown.

    python -m bench.llm --corpus DIR [--shape tiny] [--backend vllm] [--memory-documents 0]
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import click
import numpy as np
import pyarrow.parquet as pq
from scipy.stats import spearmanr

from curate.cli.console import quiet_models
from samplers import permanent_random
from scorers.backends import Backend

from .passes import Way, Work
from .random_models import SHAPES, Shape, make_model
from .report import finish
from .scoring_path import memory_over_time, null_model_rates
from .timing import Timed

_LM_EVAL_SIZES = (1, 4, 8)
_RAW_ASK = "forward pass, logits of the last column"
_RAW_PERPLEXITY = "forward pass, logits of every token"


@click.command()
@click.option("--corpus", required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--documents", default=150, show_default=True, help="Scored in every way.")
@click.option("--rounds", default=3, show_default=True, help="Turns that count.")
@click.option("--shape", default="tiny", show_default=True, type=click.Choice(list(SHAPES)))
@click.option("--max-tokens", default=2048, show_default=True, help="Of a prompt or a window.")
@click.option("--device", default="cpu", show_default=True, help="cpu or cuda.")
@click.option("--threads", type=int, help="Of torch.  [default: as torch has it]")
@click.option(
    "--backend",
    default="transformers",
    show_default=True,
    type=click.Choice(["transformers", "vllm"]),
    help="vllm: the engine beside the raw pass, and nothing else.",
)
@click.option("--compile", "compiled", is_flag=True, help="Run the body through torch.compile.")
@click.option(
    "--memory-documents", default=100_000, show_default=True, help="Of the long run; 0: none."
)
def main(
    corpus: Path,
    documents: int,
    rounds: int,
    shape: str,
    max_tokens: int,
    device: str,
    threads: int | None,
    backend: str,
    compiled: bool,
    memory_documents: int,
) -> None:
    """Print tokens a second of every way, and the ratios that matter."""
    import torch

    quiet_models()
    if threads:
        torch.set_num_threads(threads)
    texts = [
        t
        for path in sorted(corpus.glob("*/*.parquet"))
        for t in pq.read_table(path, columns=["text"])["text"].to_pylist()
        if t
    ]
    lots = permanent_random(0, np.arange(len(texts), dtype=np.uint64))
    sample = [texts[i] for i in np.argsort(lots)[:documents]]
    with tempfile.TemporaryDirectory() as directory:
        make_model(Path(directory), SHAPES[shape], (t[:20_000] for t in texts), device=device)
        work: dict[str, Any] = {
            "model": directory,
            "texts": sample,
            "device": device,
            "max_tokens": max_tokens,
            "compile": compiled,
        }
        if backend == "vllm":
            rows, figures = _vllm(work, rounds)
        elif shape == "tiny":
            rows, figures = _everything(
                work, rounds, SHAPES[shape], corpus, texts, memory_documents
            )
        else:
            rows, figures = _model_alone(work, rounds, SHAPES[shape])
    finish(("way", "tokens/s, median (least to greatest)", "ratio"), rows, figures)


def _model_alone(
    options: dict[str, Any], rounds: int, shape: Shape
) -> tuple[list[list[object]], dict[str, float]]:
    """The raw pass and ours, in the precision the model is stored in."""
    work = Work(**options, dtype=shape.dtype)
    ask = Timed.of([work.forward(every_token=False), work.ask_llm()], rounds)
    reading = Timed.of([work.forward(every_token=True), work.perplexity()], rounds)
    figures = {
        "ask_llm_vs_forward": ask.ratio("curate ask-llm", _RAW_ASK),
        "perplexity_vs_forward": reading.ratio("curate perplexity", _RAW_PERPLEXITY),
        "mfu": _mfu(work, shape, ask, "curate ask-llm"),
        "mfu_perplexity": _mfu(work, shape, reading, "curate perplexity"),
    }
    return [*ask.rows(_RAW_ASK), *reading.rows(_RAW_PERPLEXITY)], figures


def _everything(
    options: dict[str, Any],
    rounds: int,
    shape: Shape,
    corpus: Path,
    texts: list[str],
    memory_documents: int,
) -> tuple[list[list[object]], dict[str, float]]:
    work = Work(**options, dtype="float32")
    low = Work(**options, dtype="bfloat16")
    bf16 = Way("curate ask-llm, bfloat16", low.ask_llm().run, low.ask_llm().n_tokens)
    ask = Timed.of(
        [
            work.forward(every_token=False),
            work.ask_llm(),
            bf16,
            work.padded_batches(8),
            work.padded_batches(1),
        ],
        rounds,
    )
    harness = [work.lm_eval(size) for size in _LM_EVAL_SIZES]
    reading = Timed.of([work.forward(every_token=True), work.perplexity(), *harness], rounds)
    null = null_model_rates(work.model, corpus, rounds)
    ours, theirs = reading.found[1], np.stack(reading.found[2:])
    figures = {
        "ask_llm_vs_forward": ask.ratio("curate ask-llm", _RAW_ASK),
        "perplexity_vs_forward": reading.ratio("curate perplexity", _RAW_PERPLEXITY),
        "perplexity_vs_lm_eval_best": reading.ratio(
            "curate perplexity", reading.best([way.name for way in harness])
        ),
        "perplexity_vs_lm_eval_batch8": reading.ratio("curate perplexity", "lm-eval, batch 8"),
        "lm_eval_max_relative_diff": float(np.abs(ours / theirs - 1).max()),
        "ask_llm_vs_padded8": ask.ratio("curate ask-llm", "padded batches of 8"),
        "ask_llm_vs_one_by_one": ask.ratio("curate ask-llm", "padded batches of 1"),
        "documents_without_score": float(np.isnan(ask.found[1]).sum()),
        "padded_without_score": float((ask.found[3] < 0).sum()),
        "bf16_vs_float32": ask.ratio(bf16.name, "curate ask-llm"),
        "bf16_rank_correlation": float(spearmanr(ask.found[1], ask.found[2]).statistic),
        "null_model_vs_read_tokenize": float(np.median(null[:, 0] / null[:, 1])),
        "mfu": _mfu(work, shape, ask, "curate ask-llm"),
        "mfu_perplexity": _mfu(work, shape, reading, "curate perplexity"),
    }
    if memory_documents:
        used = memory_over_time(work.model, work.backend, texts, memory_documents)
        early, late = used[len(used) // 5 : len(used) // 5 * 2], used[-len(used) // 5 :]
        figures["rss_growth"] = float(np.median(late) / np.median(early) - 1)
        figures["rss_mib"] = float(np.median(late)) / 2**20
    rows = [*ask.rows(_RAW_ASK), *reading.rows(_RAW_PERPLEXITY)]
    return rows, figures


def _vllm(options: dict[str, Any], rounds: int) -> tuple[list[list[object]], dict[str, float]]:
    """The engine in bfloat16 beside the raw pass of transformers, in bfloat16 and float32."""
    from scorers.backends.vllm import VLLMBackend

    low, full = Work(**options, dtype="bfloat16"), Work(**options, dtype="float32")
    engine: Backend = VLLMBackend(model=low.model, dtype="bfloat16")
    raw = {"bfloat16": low.forward(every_token=False), "float32": full.forward(every_token=False)}
    ways = [Way(f"{way.name}, {name}", way.run, way.n_tokens) for name, way in raw.items()]
    ask = Timed.of([*ways, low.ask_llm(engine), full.ask_llm()], rounds)
    every = full.forward(every_token=True)
    reading = Timed.of([every, low.perplexity(engine), full.perplexity()], rounds)
    base = ways[0].name
    figures = {
        "vllm_vs_forward": ask.ratio("curate ask-llm, vllm", base),
        "vllm_vs_forward_float32": ask.ratio("curate ask-llm, vllm", ways[1].name),
        "vllm_perplexity_vs_forward_float32": reading.ratio("curate perplexity, vllm", every.name),
        "vllm_rank_correlation": float(spearmanr(ask.found[2], ask.found[3]).statistic),
    }
    return [*ask.rows(base), *reading.rows(every.name)], figures


def _mfu(work: Work, shape: Shape, timed: Timed, name: str) -> float:
    """Model FLOP utilisation: what the forward pass needs, over what a GEMM does in that time."""
    every_token = name == "curate perplexity"
    sequences = work.windows if every_token else work.prompts
    flop = shape.flop(map(len, sequences), head_on_every_token=every_token)
    seconds = float(np.median(timed.seconds[:, timed.at(name)]))
    return flop / seconds / _gemm_peak(work.backend.config()["dtype"], work.device)


def _gemm_peak(dtype: str, device: str) -> float:
    """Floating-point operations a second of a square product: 2,048 wide on CPU, 8,192 on GPU."""
    import torch

    n = 2048 if device == "cpu" else 8192
    a = torch.randn(n, n, device=device).to(getattr(torch, dtype))
    best = np.inf
    for _ in range(8):
        start = time.perf_counter()
        for _ in range(3):
            a @ a
        if device != "cpu":
            torch.cuda.synchronize()
        best = min(best, (time.perf_counter() - start) / 3)
    return 2.0 * n**3 / float(best)


if __name__ == "__main__":
    main()
