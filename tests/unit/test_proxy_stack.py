"""Stacked proxies: what one member measures is what it would have measured alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mixing.proxies import SIZES, Member, MixtureStreams, ProxySpec, Stack, StackResult, stack_size
from mixing.proxies.stack import windows
from mixing.schedule import Schedule

SPEC = ProxySpec(n_vocabulary=50, hidden=32, heads=2, layers=2, length=16, batch=8, steps=50)
Tokens = NDArray[np.integer]


@pytest.fixture(autouse=True)
def _one_thread() -> object:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def domains() -> list[Tokens]:
    """Two patterns that repeat, and noise."""
    rng = np.random.default_rng(0)
    patterns = [np.tile(rng.integers(0, 50, n), 300) for n in (11, 13)]
    return [*patterns, rng.integers(0, 50, 3000)]


def members(n: int, rate: float | None = None) -> list[Member]:
    mixtures = np.random.default_rng(1).dirichlet(np.ones(3), n)
    return [
        Member(schedule=Schedule.constant(m), seed=i, learning_rate=rate)
        for i, m in enumerate(mixtures)
    ]


def trained(spec: ProxySpec, which: list[Member], domains: list[Tokens]) -> StackResult:
    stack = Stack(spec, which, domains, domains, measure=(0, 20, spec.steps))
    stack.advance(spec.steps)
    return stack.result()


@settings(deadline=None)
@given(
    shares=st.lists(st.integers(0, 20), min_size=1, max_size=5).filter(any), n=st.integers(1, 60)
)
def test_shares_are_kept_within_one_sequence(shares: list[int], n: int) -> None:
    mixture = np.array(shares) / sum(shares)
    schedule = Schedule.constant(mixture)
    uniform = Schedule.constant(np.full(len(shares), 1 / len(shares)))
    texts = [np.arange(50)] * len(shares)
    stream = MixtureStreams(texts, [uniform, schedule], 10, 60, [0.0, 0.0])
    stream.batch(n)
    assert abs(stream.n_sequences[1] - n * mixture).max() <= 1 + 1e-9
    assert not stream.n_sequences[1, mixture == 0].any()
    assert np.ptp(stream.n_sequences[0]) <= 1


@pytest.mark.parametrize("n", [1, 2, 9, 30, 97])
def test_all_of_a_domain_is_read_before_any_is_read_again(n: int) -> None:
    """3 n sequences: three times all of them, and neighbours of the text are not read together."""
    stream = MixtureStreams([np.arange(4 * n + 3)], [Schedule.constant([1.0])], 4, 3 * n, [0.5])
    (read,) = stream.batch(3 * n)
    assert (np.diff(read) == 1).all()
    places = (read[:, 0] // 4).reshape(3, n)
    assert np.sort(places).tolist() == [list(range(n))] * 3
    assert stream.epochs.tolist() == [[3.0]]
    if n >= 9:
        assert abs(np.diff(places[0])).min() > 1


def test_phases_are_read_one_after_the_other() -> None:
    schedule = Schedule(mixtures=((1.0, 0.0, 0.0), (0.0, 0.5, 0.5)), ends=(0.5, 1.0))
    texts = [np.full(20, number) for number in range(3)]
    constant = Schedule.constant([0.5, 0.5, 0.0])
    read, other = MixtureStreams(texts, [schedule, constant], 4, 40, [0.0, 0.0]).batch(40)[:, :, 0]
    assert not read[:20].any()
    assert np.bincount(read[20:], minlength=3).tolist() == [0, 10, 10]
    assert np.bincount(other).tolist() == [20, 20]


def test_a_domain_shorter_than_a_sequence() -> None:
    texts = [np.arange(50), np.arange(10)]
    with pytest.raises(ValueError, match="Domain 1 has 10 tokens; a sequence needs 11"):
        MixtureStreams(texts, [Schedule.constant([0.5, 0.5])], 10, 5, [0.0])
    MixtureStreams(texts, [Schedule.constant([1.0, 0.0])], 10, 5, [0.0])


def test_every_token_but_the_first_is_predicted_once() -> None:
    tokens = np.arange(100)
    for length in (1, 7, 33, 99, 200):
        predicted = [t for batch in windows(tokens, length) for row in batch for t in row[1:]]
        assert predicted == list(range(1, 100))


def test_a_stack_gives_the_losses_of_each_member_alone(domains: list[Tokens]) -> None:
    """The bound is the published promise: 1e-4 nats after 50 steps in float32."""
    every = members(5)
    together = trained(SPEC, every, domains)
    for place, member in enumerate(every):
        alone = trained(SPEC, [member], domains)
        assert together.losses[place] == pytest.approx(alone.losses[0], abs=1e-4)
        assert together.training_loss[place] == pytest.approx(alone.training_loss[0], abs=1e-4)


@pytest.mark.parametrize("heads", [1, 4])
def test_the_model_is_a_llama(domains: list[Tokens], heads: int) -> None:
    """Losses of two sequences agree with those of transformers' own model."""
    spec = ProxySpec(**{**SPEC.__dict__, "heads": heads, "steps": 20})
    held_out = domains[2][: 2 * spec.length + 1]
    stack = Stack(spec, members(3), domains, [held_out] * 3)
    stack.advance(20)
    (ids,) = (torch.from_numpy(batch) for batch in windows(held_out, spec.length))
    for place in range(3):
        with torch.no_grad():
            logits = stack.model(place)(input_ids=ids[:, :-1]).logits
        theirs = torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())
        assert stack.result().losses[place, -1, 0] == pytest.approx(float(theirs), abs=1e-5)


def test_a_step_is_that_of_torch(domains: list[Tokens]) -> None:
    """Three steps of the Llama of transformers under `torch.optim.AdamW`, gradients clipped."""
    spec = ProxySpec(**{**SPEC.__dict__, "steps": 3, "schedule": "constant", "warm_up": 0.0})
    member = members(1)[0]
    stack = Stack(spec, [member], domains, domains, measure=(0, 3))
    model = stack.model(0).train()
    groups = [
        {"params": [p for p in model.parameters() if p.ndim == n], "weight_decay": decay}
        for n, decay in ((2, spec.weight_decay), (1, 0.0))
    ]
    optimizer = torch.optim.AdamW(groups, lr=spec.peak, betas=(0.9, 0.95))
    stream = MixtureStreams(domains, [member.schedule], spec.length, 3 * spec.batch, [0.0])
    for _ in range(3):
        ids = torch.from_numpy(stream.batch(spec.batch)[0])
        logits = model(input_ids=ids[:, :-1]).logits
        torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    stack.advance(3)
    ours = dict(stack.model(0).named_parameters())
    for name, theirs in model.named_parameters():
        torch.testing.assert_close(ours[name], theirs, atol=2e-4, rtol=1e-3)


def test_what_is_trained_on_is_learned(domains: list[Tokens]) -> None:
    pure = [Member(schedule=Schedule.constant(np.eye(3)[d])) for d in range(3)]
    losses = trained(SPEC, pure, domains).losses[:, -1]
    assert (np.diag(losses)[:2] < 0.5).all()
    assert losses[0, 1] > 3
    assert losses[1, 0] > 3
    assert abs(losses[2, 2] - np.log(50)) < 0.3


@pytest.mark.parametrize("cut", [1, 20, 33])
def test_going_on_from_a_state_is_as_if_nothing_had_happened(
    domains: list[Tokens], cut: int
) -> None:
    whole = trained(SPEC, members(3), domains)
    first, second = (
        Stack(SPEC, members(3), domains, domains, measure=(0, 20, 50)) for _ in range(2)
    )
    first.advance(cut)
    state = first.state()
    first.advance(5)
    second.restore(state)
    second.advance(1000)
    assert second.finished
    assert second.result().losses.tobytes() == whole.losses.tobytes()
    assert second.result().epochs.tobytes() == whole.epochs.tobytes()
    with pytest.raises(ValueError, match="state is of another stack"):
        Stack(SPEC, members(2), domains, domains, measure=(0, 20, 50)).restore(state)


def test_a_diverged_member_is_named_and_harms_no_other(domains: list[Tokens]) -> None:
    sound = members(3)
    broken = Member(schedule=sound[0].schedule, learning_rate=1e6)
    result = trained(SPEC, [sound[0], broken, *sound[1:]], domains)
    alone = trained(SPEC, sound, domains)
    assert result.diverged[1] is not None
    assert "lower its learning rate" in result.diverged[1]
    assert [reason for i, reason in enumerate(result.diverged) if i != 1] == [None] * 3
    assert result.losses[[0, 2, 3]] == pytest.approx(alone.losses, abs=1e-4)


def test_what_breaks_in_the_last_step_has_diverged(domains: list[Tokens]) -> None:
    """Training losses are taken before each update, and do not show it."""
    spec = ProxySpec(**{**SPEC.__dict__, "steps": 2, "schedule": "constant", "warm_up": 0.0})
    result = Stack(spec, members(1, rate=1e30), domains, domains)
    result.advance(2)
    (reason,) = result.result().diverged
    assert reason is not None
    assert "not finite" in reason


def test_noise_that_cannot_be_learned_has_not_diverged(domains: list[Tokens]) -> None:
    noise = Member(schedule=Schedule.constant([0.0, 0.0, 1.0]))
    hot = Member(schedule=noise.schedule, learning_rate=10.0)
    result = trained(SPEC, [noise, hot], domains)
    assert result.diverged[0] is None
    assert result.diverged[1] is not None
    assert "above that of a guess at random" in result.diverged[1]


def test_each_member_has_its_own_rate(domains: list[Tokens]) -> None:
    spec = ProxySpec(**{**SPEC.__dict__, "learning_rate": 1e-3})
    own = trained(spec, members(2, rate=SPEC.peak), domains)
    assert own.losses.tobytes() == trained(SPEC, members(2), domains).losses.tobytes()


def test_bfloat16_is_near_float32(domains: list[Tokens]) -> None:
    rough = ProxySpec(**{**SPEC.__dict__, "precision": "bfloat16"})
    near, exact = (trained(spec, members(3), domains).losses for spec in (rough, SPEC))
    assert near == pytest.approx(exact, abs=0.1)
    assert near[:, 0] == pytest.approx(exact[:, 0], abs=5e-3)
    assert not np.array_equal(near, exact)


def test_the_learning_rate_warms_up_and_falls() -> None:
    def rates(schedule: str) -> NDArray[np.float64]:
        spec = ProxySpec(n_vocabulary=2, steps=100, schedule=schedule)
        return np.array([spec.rate(step) for step in range(100)])

    cosine, wsd, constant = map(rates, ("cosine", "wsd", "constant"))
    for rate in (cosine, wsd, constant):
        assert rate[:9] == pytest.approx(np.arange(1, 10) / 10)
    assert constant[10:].tolist() == [1.0] * 90
    assert wsd[10:81].tolist() == [1.0] * 71
    assert wsd[80:] == pytest.approx(np.arange(20, 0, -1) / 20)
    assert cosine[50] == pytest.approx(0.5)
    assert (np.diff(cosine[10:]) < 0).all()


@pytest.mark.parametrize("name", SIZES)
def test_a_size_is_what_it_says(name: str) -> None:
    hidden, layers, heads = SIZES[name]
    spec = ProxySpec(n_vocabulary=5, hidden=hidden, layers=layers, heads=heads)
    assert spec.n_parameters == pytest.approx(float(name[:-1]) * 1e6, rel=0.07)


def test_parameters_are_counted_as_transformers_does(domains: list[Tokens]) -> None:
    model = Stack(SPEC, members(1), domains, domains).model(0)
    table = model.get_input_embeddings().weight.numel()
    assert SPEC.n_parameters == sum(p.numel() for p in model.parameters()) - table


def test_how_many_are_stacked() -> None:
    small, large = (
        ProxySpec(n_vocabulary=2048, hidden=h, layers=n, heads=k)
        for h, n, k in (SIZES["1M"], SIZES["30M"])
    )
    assert stack_size(small) > 1 == stack_size(large)
    assert stack_size(small, "cuda") >= 64 > stack_size(large, "cuda") >= 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden": 10, "heads": 3}, "'hidden' of ProxySpec must be an even multiple of 'heads'"),
        ({"steps": 0}, "'steps' of ProxySpec must be at least 1"),
        ({"learning_rate": 0.0}, "'learning_rate' of ProxySpec must be > 0"),
        ({"schedule": "step"}, "'schedule' of ProxySpec must be one of cosine, wsd, constant"),
        ({"precision": "int8"}, "'precision' of ProxySpec must be one of float32, bfloat16"),
        ({"warm_up": 1.0}, r"'warm_up' of ProxySpec must be in \[0, 1\)"),
    ],
)
def test_bad_specs(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ProxySpec(**{**SPEC.__dict__, **change})


def test_bad_requests(domains: list[Tokens]) -> None:
    with pytest.raises(ValueError, match=r"must increase within \[0, 50\]"):
        Stack(SPEC, members(1), domains, domains, measure=(20, 60))
    with pytest.raises(ValueError, match="training text of domain 2 has the token 77"):
        Stack(SPEC, members(1), [*domains[:2], np.array([3, 77])], domains)
    with pytest.raises(ValueError, match="Domain 1 has no validation text"):
        Stack(SPEC, members(1), domains, [domains[0], np.array([3]), domains[2]])
