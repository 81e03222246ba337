"""A run with hostile text in it, its report, and a real browser that looks at it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.corpus import Corpus
from curate.costs import Machine, Training
from curate.demo import MODEL_PATH
from curate.registry import make_embedder, make_scorer
from curate.report import report
from curate.stages.embed import embed
from curate.stages.points import score_points
from curate.stages.score import score
from curate.stages.select import select
from tests.conftest import some_text
from tests.planted_mix import planted_mix

BROWSER = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
ATTACKS = (
    "<script>window.ran = 1</script>",
    "</script><script>window.ran = 1</script>",
    "<img src=x onerror='window.ran = 1'>",
    "<svg onload='window.ran = 1'>",
    '<a href="javascript:window.ran = 1">click</a>',
    "<!-- <style>*{display:none}</style> --><iframe srcdoc='<script>parent.ran = 1</script>'>",
    "{{constructor.constructor('window.ran = 1')()}} ${window.ran = 1} \u2028 \x1b[2J \u202e",
)
DOMAINS = ("web", "code", "<b onmouseover='window.ran = 1'>bold & $x^2$<", "2024-01-02")


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scores, embeddings, a selection, a law with its mixture and proof, of hostile documents."""
    room = tmp_path_factory.mktemp("run")
    texts = [some_text(i, words=40 + i % 60) for i in range(160)]
    texts[: 4 * len(ATTACKS)] = [f"{attack} {i}" for i, attack in enumerate(ATTACKS * 4)]
    texts[90] = ""
    domains = [DOMAINS[i % len(DOMAINS)] for i in range(len(texts))]
    (room / "corpus").mkdir()
    table = pa.table({"text": texts, "domain": domains})
    pq.write_table(table, room / "corpus" / "a<script>window.ran = 1<|script>.parquet")
    corpus = corpus_of(room)
    demo = str(MODEL_PATH)
    score(corpus, make_scorer("token-prior", tokenizer=demo), room / "scores")
    score(corpus, make_scorer("perplexity", model=demo), room / "scores")
    embed(corpus, make_embedder(), room / "scores")
    score_points(room / "scores/embeddings", make_scorer("density-exact"), room / "scores")
    density = room / "scores/density-exact"
    select(density, room / "selection", method="inverse-propensity", budget="40%")
    planted_mix(room / "mix")
    return room


def corpus_of(room: Path) -> Corpus:
    return Corpus(inputs=(str(room / "corpus"),), domain_column="domain")


@pytest.fixture(scope="session")
def html(run: Path) -> Path:
    training = Training(parameters=10**9, tokens=10**10, machine=Machine.of("h100"), saves=0.3)
    return report([run], run / "report.html", corpus=corpus_of(run), training=training).path


class Opened:
    """A page in the browser, and all that it complained of or asked the network for."""

    def __init__(self, browser: Any, path: Path, width: int, scheme: str) -> None:
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())

    def draw_all(self) -> None:
        """Scroll through, so that every chart comes near."""
        for chart in self.page.locator(".chart").all():
            chart.scroll_into_view_if_needed()
            chart.locator(".main-svg").first.wait_for(timeout=20_000)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if BROWSER is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=BROWSER,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield opened
        opened.close()
