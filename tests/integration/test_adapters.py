"""Scorers in other people's pipelines, on the real packages: the scores are those of `score`."""

from __future__ import annotations

import doctest
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from curate.adapters import ScoreColumns, as_map, columns, scored, stream
from curate.demo import MODEL_PATH
from curate.errors import BackendError, ConfigError
from curate.registry import Recipe
from scorers import Perplexity, TokenPrior
from scorers.backends.fingerprint import fingerprint
from scorers.base import Scored

TEXTS: list[Any] = [
    *(f"def f{i}(a):\n    return a + {i}" for i in range(5)),
    None,
    "",
    "A list is a mutable sequence.",
    "   ",
]
REASONS = [*[None] * 5, "missing_text", "empty", None, "empty"]
RECIPE = Recipe("perplexity", {"model": "demo", "window": 64})
ADDED = ["perplexity", "perplexity_reason", "perplexity_n_tokens", "perplexity_bits_per_byte"]


@pytest.fixture(scope="module")
def expected() -> list[float | None]:
    """What the scorer says of each text by itself."""
    scorer = Perplexity(model=str(MODEL_PATH), window=64)
    values = [scorer.score([text or ""]).value[0] for text in TEXTS]
    return [None if np.isnan(value) else float(value) for value in values]


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A dataset on disk, as datasets caches only of those."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.Dataset.from_dict({"text": TEXTS, "n": [*range(9)]}).save_to_disk(tmp_path / "set")
    return datasets.load_from_disk(tmp_path / "set")


def check(found: Sequence[float | None], expected: Sequence[float | None]) -> None:
    assert [value is None for value in found] == [value is None for value in expected]
    numbers = [np.nan if value is None else value for value in found]
    wanted = [np.nan if value is None else value for value in expected]
    np.testing.assert_allclose(numbers, wanted, atol=1e-5)


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_datasets_map(dataset: Any, expected: list[float | None], batch_size: int) -> None:
    """With three in a batch the first holds no reason: its column has a type all the same."""
    made = dataset.map(as_map(RECIPE), batched=True, batch_size=batch_size)
    assert made.column_names == ["text", "n", *ADDED]
    assert [made.features[c].dtype for c in ADDED] == ["float64", "string", "int32", "float64"]
    assert made["text"][:] == TEXTS
    assert made["perplexity_reason"][:] == REASONS
    check(made["perplexity"][:], expected)
    column = made.with_format("arrow")[:]["perplexity"]
    assert column.null_count == 3
    assert not np.isnan(column.drop_null().to_numpy()).any()


def test_datasets_in_processes_and_streams_and_formats(
    dataset: Any, expected: list[float | None]
) -> None:
    scorer = as_map(RECIPE, name="ppl")
    made = dataset.map(scorer, batched=True, batch_size=2, num_proc=2)
    check(made["ppl"][:], expected)
    rows = list(dataset.to_iterable_dataset().map(scorer, batched=True, batch_size=4))
    check([row["ppl"] for row in rows], expected)
    assert [row["ppl_reason"] for row in rows] == REASONS
    for kind in ("numpy", "arrow", "pandas"):
        made = dataset.with_format(kind).map(scorer, batched=True, batch_size=2)
        check(made.with_format(None)["ppl"][:], expected)
        assert made.with_format(None)["ppl_reason"][:] == REASONS


def test_datasets_in_processes_after_a_model_was_used_here() -> None:
    """Which leaves threads of OpenMP behind that a forked process does not have."""
    code = f"""
import torch
from datasets import Dataset
from curate.adapters import as_map
from curate.registry import Recipe
torch.set_num_threads(2)
texts = Dataset.from_dict({{"text": ["a text " * 300] * 8}})
scorer = as_map(Recipe({RECIPE.name!r}, {RECIPE.options!r}))
one = texts.map(scorer, batched=True)
two = texts.map(scorer, batched=True, num_proc=2, load_from_cache_file=False)
assert abs(one[0]["perplexity"] - two[7]["perplexity"]) < 1e-5
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr


def test_datasets_cache_is_used_again(dataset: Any) -> None:
    """One configuration has one hash, in this process, after use, and in another process."""
    from datasets.fingerprint import Hasher

    code = f"""
from datasets.fingerprint import Hasher
from curate.adapters import as_map
from curate.registry import Recipe
from scorers import Perplexity
print(Hasher.hash(as_map({RECIPE!r})), Hasher.hash(as_map(Perplexity(model={str(MODEL_PATH)!r}))))
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    from_recipe, from_scorer = told.stdout.split()
    scorer = Perplexity(model=str(MODEL_PATH))
    assert Hasher.hash(as_map(scorer)) == from_scorer
    scorer.score(["a text, so that the model is loaded"])
    assert Hasher.hash(as_map(scorer)) == from_scorer
    assert Hasher.hash(as_map(RECIPE)) == from_recipe
    first, again = (dataset.map(as_map(RECIPE), batched=True, batch_size=3) for _ in range(2))
    assert first.cache_files == again.cache_files
    assert first.cache_files != dataset.cache_files
    others = [
        as_map(Recipe("perplexity", {"model": "demo", "window": 32})),
        as_map(RECIPE, name="other"),
        as_map(RECIPE, text_column="n"),
    ]
    assert len({from_recipe, *map(Hasher.hash, others)}) == 4


def test_another_model_under_the_same_name_has_another_hash(tmp_path: Path) -> None:
    from datasets.fingerprint import Hasher

    shutil.copytree(MODEL_PATH, tmp_path / "model")
    recipe = Recipe("perplexity", {"model": str(tmp_path / "model")})
    before = Hasher.hash(as_map(recipe))
    assert Hasher.hash(as_map(recipe)) == before
    with (tmp_path / "model/config.json").open("a") as file:
        file.write("\n")
    fingerprint.cache_clear()  # once in a process is enough for anybody else
    assert Hasher.hash(as_map(recipe)) != before


def test_examples_in_docstrings() -> None:
    for module in (columns, stream):
        assert doctest.testmod(module).failed == 0


def test_a_fitted_scorer_travels(dataset: Any) -> None:
    spec = TokenPrior(tokenizer=str(MODEL_PATH))
    texts = [text for text in TEXTS if text]
    fitted = spec.merge([spec.fit([texts])])
    made = dataset.map(as_map(fitted), batched=True, batch_size=2, num_proc=2)
    check(made["token-prior"][:4], fitted.score(TEXTS[:4]).value.tolist())
    assert made["token-prior_reason"][:] == REASONS


def test_batches_of_every_kind(expected: list[float | None]) -> None:
    scorer = ScoreColumns(RECIPE)
    table = scorer(pa.table({"text": TEXTS}))
    check(table["perplexity"].to_pylist(), expected)
    frame = scorer(pd.DataFrame({"text": TEXTS}, index=pd.Index([*range(3, 12)])))
    assert [*frame.index] == [*range(3, 12)]
    check([None if v is pd.NA else v for v in frame["perplexity"]], expected)
    assert [*scorer({"text": TEXTS, "n": [*range(9)]})] == ADDED
    assert [*scorer({"text": []})] == ADDED
    strange = scorer({"text": ["a \ud800", 7, ["x"], b"bytes"]})
    assert strange["perplexity_reason"] == ["invalid_utf8", *["missing_text"] * 3]


def test_what_is_wrong_with_a_batch() -> None:
    scorer = ScoreColumns(RECIPE)
    with pytest.raises(ConfigError, match=r"no column 'text'\. Did you mean 'texts'\? .*text_col"):
        scorer({"texts": ["a"]})
    with pytest.raises(ConfigError, match="batched=True"):
        scorer({"text": "one row"})
    with pytest.raises(ConfigError, match=r"a column 'perplexity' already\. Give another name"):
        scorer({"text": ["a"], "perplexity": [1.0]})
    with pytest.raises(ConfigError, match=r"Got list"):
        scorer(["a"])


def test_what_cannot_score_a_text_by_itself() -> None:
    with pytest.raises(ConfigError, match=r"Did you mean Recipe\('perplexity', \{\}\)\?"):
        as_map("perplexity")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"token-prior must see the corpus .* Fit it first"):
        as_map(Recipe("token-prior", {"tokenizer": "demo"}))
    with pytest.raises(ConfigError, match=r"token-prior must see .*spec\.merge"):
        scored(TokenPrior(tokenizer=str(MODEL_PATH)), [])  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="density reads the embeddings of a whole corpus"):
        as_map(Recipe("density", {}))
    with pytest.raises(ConfigError, match=r"no option 'windw'\. Did you mean 'window'"):
        as_map(Recipe("perplexity", {"model": "demo", "windw": 64}))
    with pytest.raises(ConfigError, match="must be plain values"):
        as_map(Recipe("perplexity", {"model": MODEL_PATH}))


def test_a_generator_is_lazy_and_in_order(expected: list[float | None]) -> None:
    taken = 0

    def records() -> Iterator[dict[str, Any]]:
        nonlocal taken
        for text in TEXTS:
            taken += 1
            yield {"text": text}

    source = [*records()]
    taken = 0
    stream = scored(RECIPE, records(), batch_size=4)
    assert taken == 0
    first = next(stream)
    assert taken == 4
    rest = [first, *stream]
    assert [one.record for one in rest] == source
    check([one.score for one in rest], expected)
    assert [one.reason for one in rest] == REASONS
    assert rest[0].extra["n_tokens"] > 5
    assert rest[6].extra == {"n_tokens": 0, "bits_per_byte": None}
    check([one.score for one in scored(RECIPE, TEXTS)], expected)
    pairs = [(i, text) for i, text in enumerate(TEXTS)]
    check([one.score for one in scored(RECIPE, pairs, text=lambda pair: pair[1])], expected)
    with pytest.raises(ConfigError, match=r"no 'text'\. Did you mean 'texts'"):
        next(scored(RECIPE, [{"texts": "a"}]))
    with pytest.raises(ConfigError, match="Got tuple"):
        next(scored(RECIPE, pairs))
    with pytest.raises(ConfigError, match="at least 1"):
        scored(RECIPE, [], batch_size=0)


class Fails:
    """Fails on a text; or on every one."""

    name: ClassVar[str] = "fails"
    column: ClassVar[str] = "n_chars"
    unit: ClassVar[str] = "characters"
    higher_is_better: ClassVar[bool | None] = True

    def __init__(self, on: str) -> None:
        self.on = on

    def score(self, texts: Sequence[str]) -> Scored:
        if any(self.on in text for text in texts):
            raise RuntimeError("no such luck")
        return Scored(np.array([float(len(t)) for t in texts]), [None] * len(texts))

    def config(self) -> dict[str, Any]:
        return {"on": self.on}


def test_a_text_that_a_scorer_fails_on_is_a_row_with_a_reason() -> None:
    found = [*scored(Fails("qq"), ["abc", "qq", "ab"])]
    assert [one.score for one in found] == [3.0, None, 2.0]
    assert found[1].reason == "backend_error: no such luck"
    with pytest.raises(BackendError, match="fails: no such luck"):
        [*scored(Fails(""), ["abc"])]


def test_importing_the_adapters_loads_no_pipeline() -> None:
    heavy = ("datasets", "ray", "datatrove", "torch", "pandas")
    code = f"import sys, curate.adapters\nprint([m for m in {heavy} if m in sys.modules])"
    listed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert listed.stdout.strip() == "[]"
