"""What `curate score` costs beside the model: its rate with a model of no cost, its memory."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from curate.corpus import Corpus
from curate.stages.score import score
from scorers import AskLLM
from scorers.backends import Backend, NextToken
from scorers.tokenizer import Tokenizer

from .passes import FloatArray

_CHUNK = 1024
_PAGE = os.sysconf("SC_PAGE_SIZE")


class NullBackend:
    """A model of no cost: every answer is as likely as not."""

    max_length = 2**20

    def config(self) -> dict[str, Any]:
        """It has no weights."""
        return {"backend": "null"}

    def next_token_logprobs(
        self, prompts: Sequence[Sequence[int]], token_ids: Sequence[int]
    ) -> NextToken:
        """Log 1/2."""
        return NextToken.exact(np.full((len(prompts), len(token_ids)), np.log(0.5)))

    def sequence_logprobs(self, sequences: Sequence[Sequence[int]]) -> list[FloatArray]:
        """Log 1/2."""
        return [np.full(len(s) - 1, np.log(0.5)) for s in sequences]


def null_model_rates(model: str, directory: Path, rounds: int) -> FloatArray:
    """Documents a second of `curate score ask-llm` with a model of no cost, and of its floor.

    The floor reads the text column of the same Parquet files and tokenizes it, in this process's
    threads, and does nothing else.

    Returns:
        float64[rounds, 2]: ours, the floor.
    """
    shards = sorted(directory.glob("*/*.parquet"))
    n = sum(pq.ParquetFile(path).metadata.num_rows for path in shards)
    corpus = Corpus(inputs=(str(directory / "*" / "*.parquet"),))
    scorer = AskLLM(model=model, chat=False, backend=NullBackend())
    scorer.config()
    tokenizer = Tokenizer(model=model)

    def ours() -> None:
        with tempfile.TemporaryDirectory() as out:
            score(corpus, scorer, out, chunk_rows=_CHUNK)

    def floor() -> None:
        for path in shards:
            for batch in pq.ParquetFile(path).iter_batches(_CHUNK, columns=["text"]):
                tokenizer.encode([text for text in batch["text"].to_pylist() if text])

    rates = np.empty((rounds, 2))
    for run in (ours, floor):
        run()
    for turn in range(rounds):
        for at, run in enumerate((ours, floor)):
            start = time.perf_counter()
            run()
            rates[turn, at] = n / (time.perf_counter() - start)
    return rates


def memory_over_time(
    model: str, backend: Backend, texts: Sequence[str], n_documents: int
) -> FloatArray:
    """Resident memory while Ask-LLM scores a corpus, in bytes, once a second.

    Documents are pieces of ``texts`` of 100 to 250 characters, each cut in another place.
    """
    rng = np.random.default_rng(0)
    pick, start = rng.integers(len(texts), size=n_documents), rng.random(n_documents)
    length = rng.integers(100, 250, n_documents)
    samples: list[int] = []
    done = threading.Event()

    def watch() -> None:
        while not done.wait(1.0):
            pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
            samples.append(int(pages) * _PAGE)

    with tempfile.TemporaryDirectory() as directory:
        shard = Path(directory) / "corpus" / "web" / "shard.parquet"
        shard.parent.mkdir(parents=True)
        with pq.ParquetWriter(shard, pa.schema([("text", pa.string())])) as writer:
            for first in range(0, n_documents, _CHUNK):
                rows = range(first, min(first + _CHUNK, n_documents))
                cut = [
                    texts[pick[i]][(at := int(start[i] * len(texts[pick[i]]))) : at + length[i]]
                    for i in rows
                ]
                writer.write_table(pa.table({"text": cut}))
        scorer = AskLLM(model=model, prompt="{text}\nyes or no?\n", chat=False, backend=backend)
        scorer.config()
        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            score(Corpus(inputs=(str(shard.parent.parent),)), scorer, Path(directory) / "out")
        finally:
            done.set()
            watcher.join()
    return np.array(samples, np.float64)
