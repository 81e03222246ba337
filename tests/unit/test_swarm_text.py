"""The text of swarms: no held-out document is trained on, nor seen by their tokenizer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from curate.corpus import Corpus
from curate.engines import Local
from curate.stages.proxies import BEFORE, KEPT, Job, Swarm, over_all, run, run_jobs
from curate.stages.proxy_text import VALIDATION, is_held_out
from curate.stages.score import score
from curate.stages.select import select
from curate.stages.selection import Selection
from scorers.tokenizer import Tokenizer
from tests.conftest import WriteShard, some_text
from tests.unit.test_score import Length
from tests.unit.test_swarm_stage import TINY, selected


@pytest.fixture
def marked(write_shard: WriteShard, tmp_path: Path) -> tuple[Corpus, dict[str, list[str]]]:
    """Documents with a word of their own, some of which share a key; and those held out."""
    texts: dict[str, list[str]] = {}
    for domain in ("long", "longer"):
        for part in ("a", "b"):
            ids = [f"{domain}{i if part == 'a' else i + 20}" for i in range(40)]  # 20 are shared
            own = [f"{part} {name} " + f"w{name}x{part} " * 20 for name in ids]
            write_shard(f"{domain}/{part}.jsonl", own, id=ids)
            for name, text in zip(ids, own, strict=True):
                texts.setdefault(name, []).append(text)
    corpus = selected(tmp_path, "140docs")
    held: dict[str, list[str]] = {}
    for _, batch in Selection(tmp_path / "sel").texts(corpus, everything=True):
        judged = is_held_out(batch.keys, 0.3)
        for i in np.flatnonzero(judged).tolist():
            held.setdefault(batch.domains[i], []).append(batch.texts[i])
    return corpus, held


def is_in(ids: list[int], tokens: np.ndarray) -> bool:
    windows = np.lib.stride_tricks.sliding_window_view(tokens, len(ids))
    return bool((windows == np.array(ids)).all(axis=1).any())


def test_no_held_out_document_is_trained_on(
    marked: tuple[Corpus, dict[str, list[str]]], tmp_path: Path
) -> None:
    corpus, held = marked
    chosen = Selection(tmp_path / "sel")
    assert all(len(texts) > 10 for texts in held.values())
    swarm = Swarm.of(**{**TINY, "batch": 64}, tokenizer="corpus", vocabulary=400)
    half = over_all(chosen, {"long": 0.5, "longer": 0.5})
    run_jobs(
        [Job(run=text, text=text, schedule=half) for text in (KEPT, BEFORE)],
        tmp_path / "sel",
        corpus,
        tmp_path / "out",
        swarm=swarm,
        engine=Local(1),
    )
    tokenizer = Tokenizer(model=str(tmp_path / "out/tokenizer"))
    files = {
        what: [np.load(tmp_path / f"out/tokens/{what}-{d:03d}.npy") for d in range(2)]
        for what in (KEPT, BEFORE, VALIDATION)
    }
    n_judged = 0
    for number, domain in enumerate(chosen.all_domains):
        words = [text.split()[2] for text in held[domain]]  # of the document alone
        for word, text in zip(words, held[domain], strict=True):
            (ids,) = tokenizer.encode([f" {word} {word}"])
            assert not any(is_in(ids, tokens) for what in (KEPT, BEFORE) for tokens in files[what])
            n_judged += is_in(tokenizer.encode([text])[0], files[VALIDATION][number])
        trained = [t for t in every_text(corpus, chosen, domain) if t not in held[domain]]
        words = [f" {text.split()[2]} {text.split()[2]}" for text in trained]
        assert any(is_in(tokenizer.encode([word])[0], files[BEFORE][number]) for word in words)
        shared = [text for text in held[domain] if text.split()[0] == "b"]
        assert shared  # of documents with one key, all are held out
    assert n_judged > 20


def every_text(corpus: Corpus, chosen: Selection, domain: str) -> Iterator[str]:
    for _, batch in chosen.texts(corpus, everything=True):
        yield from (t for t, d in zip(batch.texts, batch.domains, strict=True) if d == domain)


def test_the_tokenizer_never_sees_held_out_text(write_shard: WriteShard, tmp_path: Path) -> None:
    names = [f"long{i}" for i in range(80)]
    write_shard("long/a.jsonl", [some_text(i, 60) for i in range(80)], id=names)
    corpus = selected(tmp_path, "80docs")
    (keys,) = [batch.keys for _, batch in Selection(tmp_path / "sel").texts(corpus)]
    (order,) = [batch.texts for _, batch in Selection(tmp_path / "sel").texts(corpus)]
    held = {text for text, judged in zip(order, is_held_out(keys, 0.3), strict=True) if judged}
    texts = [some_text(i, 60) for i in range(80)]
    texts = [t + " qzxqzx" * 40 if t in held else t + " vwkvwk" * 40 for t in texts]
    write_shard("long/a.jsonl", texts, id=names)
    corpus = selected_again(tmp_path)
    (tmp_path / "d.csv").write_text("run,share/long\na,1\n")
    swarm = Swarm.of(**TINY, tokenizer="corpus", vocabulary=400)
    run(
        tmp_path / "d.csv",
        tmp_path / "sel2",
        corpus,
        tmp_path / "out",
        swarm=swarm,
        engine=Local(1),
    )
    tokenizer = Tokenizer(model=str(tmp_path / "out/tokenizer"))
    seen, unseen = tokenizer.encode([" vwkvwk", " qzxqzx"])
    assert (len(seen), len(unseen)) == (1, 7)


def selected_again(root: Path) -> Corpus:
    found = Corpus(inputs=(str(root / "corpus"),))
    score(found, Length(), root / "scores2")
    select(root / "scores2/length", root / "sel2", method="top-k", budget="80docs")
    return found
