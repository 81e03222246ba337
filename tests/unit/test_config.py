"""Pipeline files: what they say, and every mistake in them by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from curate.config import load_pipeline
from curate.errors import ConfigError
from curate.registry import BUILT_IN

PIPELINE: dict[str, Any] = {
    "out": "made",
    "corpus": {"inputs": ["shards/*.parquet"]},
    "score": {"density": {"n_reference": 50}, "perplexity": {"model": "demo"}},
    "select": {"by": "density", "method": "inverse-propensity", "budget": "40%"},
    "build": {"tokens": "5M"},
}


@pytest.fixture
def pipeline_file(tmp_path: Path) -> Path:
    path = tmp_path / "pipeline.yaml"
    path.write_text(yaml.safe_dump(PIPELINE))
    return path


def test_what_a_pipeline_file_says_and_leaves_out(pipeline_file: Path) -> None:
    pipeline = load_pipeline(pipeline_file)
    said = pipeline.model_dump(exclude_unset=True)
    assert said == PIPELINE
    assert (pipeline.seed, pipeline.build.format, pipeline.select.by_domain) == (0, "parquet", True)


def test_overrides_replace_and_add(pipeline_file: Path) -> None:
    changes = ("seed=3", "build.tokens=7000", "mix.design.runs=9", "score.density.bandwidth=0.4")
    pipeline = load_pipeline(pipeline_file, (*changes, "corpus.text_column=a=b"))
    assert (pipeline.seed, pipeline.build.tokens, pipeline.mix.design.runs) == (3, 7000, 9)
    assert pipeline.score["density"].options == {"n_reference": 50, "bandwidth": 0.4}
    assert pipeline.corpus.text_column == "a=b"


def test_embeddings_are_made_where_a_scorer_reads_them(pipeline_file: Path) -> None:
    pipeline = load_pipeline(pipeline_file, ("embed={embedder: some/model, max_length: 64}",))
    assert pipeline.embeds
    assert (pipeline.embed.embedder, pipeline.embed.options) == ("some/model", {"max_length": 64})
    without = ("score={perplexity: {model: demo}}", "select={by: perplexity}")
    assert not load_pipeline(pipeline_file, without).embeds


def test_one_scorer_may_stand_there_twice_and_be_selected_by(pipeline_file: Path) -> None:
    twice = "score.base={scorer: perplexity, model: demo, window: 64}"
    band = "select={by: base, method: band, part: middle, column: bits_per_byte}"
    pipeline = load_pipeline(pipeline_file, (twice, band))
    assert [pipeline.scorer(key) for key in ("perplexity", "base")] == ["perplexity"] * 2
    assert pipeline.score["base"].options == {"model": "demo", "window": 64}
    assert pipeline.select.sampler_options == {"part": "middle"}


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("build.shards=0", "build.shards: Input should be greater than 0"),
        ("build.format=csv", "build.format: Input should be 'parquet' or 'jsonl.zst'"),
        ("build.shard=2", "build.shard: there is no such key. Did you mean 'shards'"),
        ("corpus.inputs=[]", "corpus.inputs: List should have at least 1 item"),
        ("mix.proxy.held_out=1", r"'held_out' must be in \(0, 1\). Got 1"),
        ("mix.proxy.size=7M", "No proxy has the size '7M'. Sizes are 0.1M"),
        ("mix.proxy={tokens: 1M, steps: 10}", "give it or 'steps', not both"),
        ("select.by=ask-llm", r"select.by is 'ask-llm', .* \['density', 'perplexity'\]"),
        ("seed", "--set wants key=value.*Got 'seed'"),
        ("out.deep=1", "--set out.deep=1: 'out' holds no keys"),
        ("build.tokens=[1", r"build.tokens=\[1"),
        ("build.tokens=lots", "Wanted a number of tokens, such as .* Got 'lots'"),
        ("select.method=topk", "Did you mean 'top-k'"),
        ("select.budget=75pct", "'75pct' is not a budget"),
        ("score.mine={scorer: perplexitee}", "Did you mean 'perplexity'"),
        ("select={by: perplexity, part: middle}", "top-k has no option 'part'"),
        ("select={by: perplexity, method: band, part: best}", "select.part: Input should be 'low"),
        ("select.max_per_group=2", "select.max_per_group needs corpus.group_column"),
        ("select.options={temperture: 1}", "has no option 'temperture'"),
        ("select.quotas={web: lots}", "'lots' is not a budget"),
        ("select.sizes_from=nope", "select.sizes_from is 'nope', not among the scorers"),
        ("select={by: density, method: top-k}", "top-k does not go with the scores of density"),
        ("select={by: perplexity, column: n_tokens}", "top-k does not go with select.column"),
        ("select.column=n_tokens", "inverse-propensity does not go with select.column"),
        ("score={text: {scorer: perplexity}}", "cannot be named 'text'"),
        ("score.a/b={scorer: perplexity}", "must be one directory's, .* Got 'a/b'"),
        ("mix.proxy.stpes=9", "A proxy has no option 'stpes'. Did you mean 'steps'"),
        ("mix.proxy.steps=many", "proxy: .*'str'"),
        ("mix.proxy.steps=0", "'steps' of ProxySpec must be at least 1"),
        ("mix.law=additiv", "Did you mean 'additive'"),
        ("score.desnity={}", "Did you mean 'density"),
        ("score.embeddings={scorer: density}", "score.embeddings: that is where the embeddings"),
        ("embed.backend=vlm", "Did you mean 'vllm'"),
        ("embed={vector_column: v, embedder: x}", "embed.vector_column is read in place of"),
    ],
)
def test_mistakes_are_named(pipeline_file: Path, override: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_pipeline(pipeline_file, (override,))


@pytest.mark.parametrize("scorer", BUILT_IN["scorers"])
@pytest.mark.parametrize("method", BUILT_IN["samplers"])
def test_which_methods_go_with_which_scores(pipeline_file: Path, scorer: str, method: str) -> None:
    is_density = scorer.startswith("density")
    directed = not is_density and scorer != "token-prior"
    fits = {"top-k": directed, "softmax": directed, "inverse-propensity": is_density}
    change = (f"score.mine={{scorer: {scorer}}}", f"select={{by: mine, method: {method}}}")
    if fits.get(method, True):
        assert load_pipeline(pipeline_file, change).select.method == method
    else:
        with pytest.raises(ConfigError, match=f"{method} does not go with the scores of mine"):
            load_pipeline(pipeline_file, change)


@pytest.mark.parametrize("method", ["band", "random"])
def test_methods_that_take_a_column(pipeline_file: Path, method: str) -> None:
    change = f"select={{by: density, method: {method}, column: n_bytes}}"
    assert load_pipeline(pipeline_file, (change,)).select.column == "n_bytes"


def test_every_mistake_is_named_at_once(pipeline_file: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_pipeline(pipeline_file, ("seed=-1", "workers=none", "corpus.colour=red"))
    for part in (str(pipeline_file), "seed: ", "workers: ", "corpus.colour: "):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a: [1", "not YAML"),
        (b"\xff\xfe\x00", "not YAML"),
        (b"- a list", "wanted keys such as corpus"),
        (b"", "wanted keys such as corpus"),
        (b"out: here", "build: is missing. Add this key"),
    ],
)
def test_files_that_are_no_pipeline(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "pipeline.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=said) as caught:
        load_pipeline(path)
    assert str(path) in str(caught.value)


def test_no_pipeline_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: no such file"):
        load_pipeline(tmp_path / "nowhere.yaml")
