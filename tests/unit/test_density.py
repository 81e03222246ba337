"""Density against a plain sum over all pairs; and the sample and the vectors it stands on."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp

from scorers import HashedNGrams, ReferenceDensity, SentenceTransformerEmbedder
from scorers.density.reference import FittedReferenceDensity
from scorers.density.sample import DistinctSample

WORDS = np.array([f"word{i}" for i in range(300)])
COMMON = 1 / np.arange(1, 301)
EMBEDDER = HashedNGrams(n_features=2**12)  # few buckets: its projection is drawn once, and quickly


def documents(n: int, seed: int) -> list[str]:
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, 25, p=COMMON / COMMON.sum())) for _ in range(n)]


def fitted(texts: list[str], **options: object) -> FittedReferenceDensity:
    spec = ReferenceDensity(embedder=EMBEDDER, **options)  # type: ignore[arg-type]
    return spec.merge([spec.fit([texts])])


def log_leave_one_out(corpus: list[str], asked: list[str], h: float) -> np.ndarray:
    """Log mean kernel to all other documents, in float64, one pair at a time."""
    counts, n = EMBEDDER.count(corpus), len(corpus)
    y, x = (EMBEDDER.embed(part, counts, n).astype(np.float64) for part in (corpus, asked))
    out = []
    for vector, text in zip(x, asked, strict=True):
        log_kernel = -((vector - y) ** 2).sum(1) / (2 * h**2)
        if text in corpus:  # one of its copies is the document itself
            log_kernel = np.delete(log_kernel, corpus.index(text))
        out.append(logsumexp(log_kernel) - np.log(len(log_kernel)))
    return np.array(out)


def test_equals_the_plain_sum_where_the_sample_is_the_corpus() -> None:
    corpus = documents(60, seed=1)
    corpus += [corpus[0]] * 5 + [corpus[1]]
    asked = [*corpus, *documents(5, seed=2)]
    density = fitted(corpus, n_reference=len(corpus))
    scored = density.score(asked)
    expected = log_leave_one_out(corpus, asked, density.bandwidth)
    np.testing.assert_allclose(scored.value, expected, rtol=0, atol=1e-5)
    assert (scored.extra["stderr"] == 0).all()
    assert np.ptp(expected) > 1
    assert scored.value[0] > scored.value[1] > np.median(scored.value)  # 6, 2 and 1 copies


@pytest.mark.parametrize("h", [0.1, 0.45, 3.0])
def test_the_bandwidth_asked_for_is_used(h: float) -> None:
    corpus = documents(30, seed=3)
    density = fitted(corpus, bandwidth=h)
    assert density.bandwidth == density.config()["h"] == h
    np.testing.assert_allclose(
        density.score(corpus).value, log_leave_one_out(corpus, corpus, h), rtol=1e-5, atol=1e-5
    )


def test_bandwidth_is_a_fraction_of_the_median_distance() -> None:
    corpus = documents(50, seed=4)
    y = EMBEDDER.embed(corpus, EMBEDDER.count(corpus), 50).astype(np.float64)
    distances = [np.linalg.norm(y[i] - y[j]) for i in range(50) for j in range(i)]
    for ratio in (0.3, 0.7):
        found = fitted(corpus, bandwidth_ratio=ratio).bandwidth
        assert found == pytest.approx(ratio * np.median(distances), rel=1e-5)


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4], [4, 2, 0, 3, 1]])
def test_the_split_and_the_order_of_states_do_not_matter(order: list[int]) -> None:
    corpus = [*documents(200, seed=5), "", "  "]
    corpus += corpus[:30]
    spec = ReferenceDensity(n_reference=40, embedder=EMBEDDER)
    one = spec.merge([spec.fit([corpus])])
    shares = [corpus[:3], corpus[3:90], [], corpus[90:91], corpus[91:]]
    states = [spec.fit([share[::2], share[1::2]]) for share in shares]
    many = spec.merge([states[i] for i in order])
    assert many.config() == one.config()
    asked = corpus[::5]
    found, expected = many.score(asked), one.score(asked)
    assert found.value.tobytes() == expected.value.tobytes()
    assert found.extra["stderr"].tobytes() == expected.extra["stderr"].tobytes()


def test_merging_leaves_the_states_as_they_were() -> None:
    spec = ReferenceDensity(n_reference=10, embedder=EMBEDDER)
    states = [spec.fit([documents(50, seed)]) for seed in (6, 7)]
    assert spec.merge(states).score(["word1"]).value == spec.merge(states).score(["word1"]).value


def test_the_standard_error_holds_the_exact_value() -> None:
    # No copies: those of a document count fully or, where it was not sampled, not at all.
    corpus = documents(600, seed=8)
    exact = fitted(corpus, n_reference=len(corpus), bandwidth=0.45).score(corpus).value
    inside, ratio = [], []
    for seed in range(6):
        scored = fitted(corpus, n_reference=150, bandwidth=0.45, seed=seed).score(corpus)
        error, stderr = abs(scored.value - exact), scored.extra["stderr"]
        inside.append((error <= 3 * stderr).mean())
        ratio.append(np.sqrt((error**2).mean() / (stderr**2).mean()))
    assert np.mean(inside) > 0.95
    assert 0.5 < np.mean(ratio) < 1.5  # and it is no larger than it need be


def test_a_larger_sample_is_nearer() -> None:
    corpus = documents(500, seed=9)
    exact = fitted(corpus, n_reference=500, bandwidth=0.45).score(corpus).value
    errors = []
    for m in (30, 120, 480):
        scored = fitted(corpus, n_reference=m, bandwidth=0.45).score(corpus)
        errors.append((abs(scored.value - exact).mean(), scored.extra["stderr"].mean()))
    assert errors[0] > errors[1] > errors[2]


def test_sampled_documents_look_no_denser_than_others() -> None:
    """What leaving the document itself out is for: its own kernel, 1, would be 1/m of a mean."""
    corpus = documents(400, seed=10)
    density = fitted(corpus, n_reference=100)
    sampled = {text for _, _, text in density.sample.sorted()}
    value = density.score(corpus).value
    inside = np.array([text in sampled for text in corpus])
    gap = np.median(value[inside]) - np.median(value[~inside])
    assert abs(gap) < 0.15 < np.log(1 + 1 / (100 * np.exp(np.median(value))))


def test_near_duplicates_are_denser_than_outliers() -> None:
    near = [f"{' '.join(WORDS[:30])} number {i}" for i in range(30)]
    outlier = " ".join(f"lonely{i}" for i in range(30))
    corpus = [*near, *documents(100, seed=11), outlier]
    value = fitted(corpus).score(corpus).value
    assert value[:30].min() > np.median(value[30:130]) > value[-1]


def test_copies_without_a_word_are_copies() -> None:
    """A corpus that is half rows of stars: nothing in it is more common than they are."""
    corpus = [*documents(20, seed=12), *["* * *"] * 20]
    value = fitted(corpus).score(corpus).value
    assert value[-1] == pytest.approx(np.log(19 / 39), abs=0.01)
    assert value[-1] > value[:20].max()


def test_copies_of_words_that_every_document_has_are_copies() -> None:
    assert fitted(["twice the same"] * 2).score(["twice the same"]).value.tolist() == [0.0]


def test_a_corpus_of_one_template() -> None:
    """Most distances are 0: the bandwidth must not shrink to the rounding of a product."""
    template = ["alpha beta gamma delta epsilon zeta eta theta" + "." * i for i in range(30)]
    corpus = [*template, "x y z", "u v w", "r s t"]
    value = fitted(corpus).score(corpus).value
    np.testing.assert_allclose(value[:30], np.log(29 / 32), atol=0.01)


def test_a_narrow_kernel_has_a_standard_error_too() -> None:
    corpus = documents(60, seed=13)
    for m in (20, 60):
        scored = fitted(corpus, n_reference=m, bandwidth=0.02).score(corpus)
        assert np.isfinite(scored.value).all()
        assert np.isfinite(scored.extra["stderr"]).all()


def test_nothing_to_compare_with() -> None:
    for corpus in ([], ["", " "], ["only one", ""]):
        with pytest.raises(ValueError, match="needs at least 2 documents that are not empty"):
            fitted(corpus)


@pytest.mark.parametrize(
    ("option", "value"),
    [("n_reference", 1), ("bandwidth", 0.0), ("bandwidth_ratio", -1.0), ("bandwidth", np.nan)],
)
def test_parameters_out_of_range(option: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{option!r} of ReferenceDensity must be"):
        ReferenceDensity(**{option: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("option", [{"seed": 1}, {"n_reference": 21}, {"bandwidth": 0.4}])
def test_what_changes_a_score_changes_the_fingerprint(option: dict[str, float]) -> None:
    corpus, plain = documents(200, seed=14), {"n_reference": 20, "bandwidth": 0.5}
    one, other = fitted(corpus, **plain), fitted(corpus, **{**plain, **option})
    assert one.score(corpus).value.tobytes() != other.score(corpus).value.tobytes()
    assert one.config() != other.config()


# The sample

texts_of_a_corpus = st.lists(st.sampled_from([f"text {i}" for i in range(25)]), max_size=80)


@given(texts=texts_of_a_corpus, size=st.integers(1, 30), seed=st.integers(0, 99), data=st.data())
@settings(max_examples=100, deadline=None)
def test_samples_are_a_function_of_the_set(
    texts: list[str], size: int, seed: int, data: st.DataObject
) -> None:
    whole = DistinctSample(size, seed)
    whole.add(texts)
    shuffled = data.draw(st.permutations(texts))
    cut, other_cut = sorted(data.draw(st.tuples(*[st.integers(0, len(texts))] * 2)))
    shares = [shuffled[:cut], shuffled[cut:other_cut], shuffled[other_cut:]]
    merged = DistinctSample(size, seed)
    for share in data.draw(st.permutations(shares)):
        part = DistinctSample(size, seed)
        part.add(share[: len(share) // 2])
        part.add(share[len(share) // 2 :])
        merged.union(part)
    assert merged.sorted() == whole.sorted()
    assert len(whole.copies) == min(size, len(set(texts)))
    for _, count, text in whole.sorted():
        assert count == texts.count(text)


def test_samples_nest_and_stay_exact_beyond_what_is_held() -> None:
    texts = [f"text {i}" for i in range(4_000)]  # more than a sample of 5 holds in passing
    texts += texts[:2_000] + texts[:1_000]
    small, large = DistinctSample(5, 0), DistinctSample(500, 0)
    small.add(np.random.default_rng(0).permutation(texts).tolist())
    large.add(texts)
    assert small.sorted() == large.sorted()[:5]
    assert all(
        count == 1 + (i < 2_000) + (i < 1_000)
        for _, count, text in large.sorted()
        for i in [int(text.split()[1])]
    )


def test_samples_are_uniform_over_distinct_texts() -> None:
    texts = [f"text {i}" for i in range(50)] + ["text 0"] * 500
    drawn = np.zeros(50)
    for seed in range(400):
        sample = DistinctSample(10, seed)
        sample.add(texts)
        for _, _, text in sample.sorted():
            drawn[int(text.split()[1])] += 1
    # 400 draws of 10 in 50: mean 80, standard deviation 8.
    assert abs(drawn - 80).max() < 4 * 8
    assert 4 < drawn.std() < 12


def test_a_sample_of_unreadable_text_is_a_function_of_the_set_too() -> None:
    one, other = DistinctSample(5, 0), DistinctSample(5, 0)
    one.add(["\ud800", "?"])
    other.add(["?", "\ud800"])
    assert one.sorted() == other.sorted()


# The vectors


def test_vectors_are_unit_rows_and_the_same_every_time() -> None:
    texts = [*documents(40, seed=15), "!!!"]
    embedder = HashedNGrams(n_features=2**12, dimension=64)
    counts = embedder.count(texts)
    vectors = embedder.embed(texts, counts, 41)
    assert vectors.dtype == np.float32
    assert vectors.shape == (41, 65)
    np.testing.assert_allclose(np.linalg.norm(vectors[:40], axis=1), 1, atol=1e-6)
    assert vectors[40].tolist() == [0.0] * 64 + [1.0]
    again = HashedNGrams(n_features=2**12, dimension=64)
    assert again.embed(texts, again.count(texts), 41).tobytes() == vectors.tobytes()
    one_by_one = [embedder.embed([text], counts, 41)[0] for text in texts]
    assert np.array(one_by_one).tobytes() == vectors.tobytes()
    other = HashedNGrams(n_features=2**12, dimension=64, seed=1).embed(texts, counts, 41)
    assert abs(other - vectors).max() > 0.1


def test_counts_add_up() -> None:
    texts = ["a b b", "b c", "b"]
    embedder = HashedNGrams(n_features=2**10)
    counts = embedder.count(texts)
    assert counts.shape == (2**10,)
    assert sorted(counts[counts > 0]) == [1, 1, 3]  # documents, not occurrences
    assert np.array_equal(counts, embedder.count(texts[:1]) + embedder.count(texts[1:]))


def test_similar_texts_are_closer() -> None:
    base, other = documents(2, seed=16)
    changed = base.replace(base.split()[0], "changed")
    corpus = [base, changed, other, *documents(200, seed=17)]
    embedder = EMBEDDER
    a, b, c = embedder.embed(corpus, embedder.count(corpus), len(corpus))[:3]
    assert a @ b > 0.5 > a @ c
    assert a @ b < 0.999


def test_longer_n_grams_see_the_order_of_words() -> None:
    texts = ["one two three four", "four three two one", "five six"]
    for n_max, alike in ((1, True), (2, False)):
        embedder = HashedNGrams(n_features=2**12, n_max=n_max)
        a, b, _ = embedder.embed(texts, embedder.count(texts), 3)
        assert np.allclose(a, b) == alike


def test_only_the_head_of_a_document_is_read() -> None:
    embedder = HashedNGrams(n_features=2**12, max_chars=9)
    counts = embedder.count(["head text", "other"])
    a, b = embedder.embed(["head text", "head text and much more"], counts, 2)
    assert np.array_equal(a, b)


def test_a_missing_package_comes_with_its_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    embedder = SentenceTransformerEmbedder(model="some/model")
    assert embedder.count(["text"]).sum() == 0
    with pytest.raises(ModuleNotFoundError, match="'some/model' needs the package") as caught:
        embedder.embed(["text"], np.zeros(0, np.int64), 1)
    assert "pip install sentence-transformers" in str(caught.value)
