"""What trained mixtures say of a proposal, in figures and in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mixing.learning import steps_to_match
from mixing.verify import Estimate, Gain, Verification, verify

from .files import StoredLaw, finite, named

if TYPE_CHECKING:
    from ..proxies import ProxyRuns
    from .trial import Proposal, Trial

FloatArray = NDArray[np.float64]

_FEWEST_TO_FIT = 3  # measures, of a step law


def judge(
    stored: StoredLaw,
    trial: Trial,
    proposal: Proposal,
    runs: ProxyRuns,
    default: str,
    level: float,
) -> dict[str, Any]:
    """Predicted against observed for one proposal and its objective, as plain JSON values.

    Args:
        stored: the law, at the scale of the runs if it reads one.
        trial: the mixtures.
        proposal: one of the trial's.
        runs: of every mixture with every seed, in the order of the trial.
        default: name of the mixture that the proposal should replace.
        level: of the intervals.
    """
    weights = np.array(stored.weights(proposal.objective))
    curves = objective_curves(runs, proposal, len(trial.names))
    own, usual = trial.row(proposal.name), trial.row(default)
    predicted = stored.law.predict(trial.mixtures) @ weights
    around = np.stack(stored.law.interval(trial.mixtures, level, weights=weights))[:, :, 0].T
    intervals = [
        stored.law.difference_interval(shares, proposal.shares, weights, level)
        for shares in trial.mixtures
    ]
    found = verify(predicted, curves[:, :, -1], own, intervals, level=level)
    labels = trial.labels
    steps = None if own == usual else _match(runs, curves[own], curves[usual], level)
    said = [
        *_verdict(found, labels, own, usual),
        *_others(found, labels, own, usual),
        *_missed(found, own, usual),
        *_steps(steps, labels, own, usual),
        *_level(predicted, around, found, level),
        *_seen(stored, trial),
    ]
    if proposal.schedule is not None:
        said.append(
            f"{labels[own]} has phases; a law knows no order and speaks of its mean mixture."
        )
    return {
        "name": proposal.name,
        "file": proposal.file,
        "objective": proposal.objective,
        "mixture": named(stored.domains, proposal.shares),
        "label": labels[own],
        "default": None if own == usual else labels[usual],
        "losses": {
            label: {
                "predicted": float(predicted[row]),
                "predicted_interval": finite(around[row].tolist()),
                **_estimate(found.losses[row]),
                "observed_by_seed": finite(curves[row, :, -1].tolist()),
            }
            for row, label in enumerate(labels)
        },
        "gains": {
            label: _gain(gain)
            for label, gain in zip(labels, found.gains, strict=True)
            if gain is not None
        },
        "spearman": found.spearman,
        "rank": found.rank,
        "n_ranked": found.n_ranked,
        "steps_to_match": steps,
        "said": said,
    }


def objective_curves(runs: ProxyRuns, proposal: Proposal, n_mixtures: int) -> FloatArray:
    """The weighted mean loss as it fell, float64[mixtures, seeds, measures].

    NaN from where a run diverged; a run that diverged in the end has no last value.
    """
    places = [runs.targets.index(target) for target in proposal.objective]
    curves: FloatArray = runs.curves[:, :, places] @ np.array([*proposal.objective.values()])
    return curves.reshape(n_mixtures, -1, curves.shape[1])


def _match(
    runs: ProxyRuns, own: FloatArray, usual: FloatArray, level: float
) -> dict[str, Any] | None:
    """Steps to match, both ways; None where no seed has both runs."""
    if len(runs.steps) < 2:
        return None
    decay = runs.decays_from
    last = decay if decay and (runs.steps <= decay).sum() >= _FEWEST_TO_FIT else None
    found = steps_to_match(runs.steps, own, usual, level=level, last=last)
    if not found.share.n_seeds and not found.longer.n_seeds:
        return None
    return {
        "share": _number(found.share.value),
        "share_interval": finite([found.share.low, found.share.high]),
        "longer": _number(found.longer.value),
        "longer_interval": finite([found.longer.low, found.longer.high]),
        "n_seeds": found.share.n_seeds,
        "share_extrapolated": found.share.n_extrapolated > 0,
        "longer_extrapolated": found.longer.n_extrapolated > 0,
        "rate_decays": decay is not None,
        "fitted_until": last,
    }


def _steps(steps: dict[str, Any] | None, labels: list[str], own: int, usual: int) -> list[str]:
    """How much sooner the proposal is as good as the default, and how much later the default."""
    if steps is None:
        return []
    name, other = labels[own], labels[usual]
    return [
        f"{name} needs {_ratio(steps, 'share')} of the steps for the final loss of {other}; "
        f"{other} would need {_ratio(steps, 'longer')} of them for that of {name}."
        + " The learning rate decays, which takes the first nearer to 100%."
        * steps["rate_decays"]
    ]


def _ratio(steps: dict[str, Any], which: str) -> str:
    value, (low, high) = steps[which], steps[f"{which}_interval"]
    if value is None:
        return "an unknown multiple"
    ends = "" if high is None else f" ({low:.1%} to {high:.1%})"
    beyond = ", by a power law beyond the last step," if steps[f"{which}_extrapolated"] else ""
    return f"{value:.1%}{ends}{beyond}"


def _estimate(found: Estimate) -> dict[str, Any]:
    return {
        "observed": _number(found.mean),
        "standard_error": _number(found.standard_error),
        "observed_interval": finite([found.low, found.high]),
        "n_seeds": found.n_seeds,
    }


def _gain(gain: Gain) -> dict[str, Any]:
    return {
        "predicted": gain.predicted,
        "predicted_interval": finite(gain.predicted_interval),
        **_estimate(gain.observed),
        "verdict": gain.verdict,
        "against_prediction": gain.against_prediction,
    }


def _number(value: float) -> float | None:
    return finite([value])[0]


def _verdict(found: Verification, labels: list[str], own: int, usual: int) -> list[str]:
    """Whether the proposal is better than the default, without varnish."""
    gain, name, other = found.gains[usual], labels[own], labels[usual]
    lost = [labels[row] for row, loss in enumerate(found.losses) if not loss.n_seeds]
    said = [f"All runs of {label} diverged: it is compared with nothing." for label in lost]
    if gain is None:
        return [*said, f"{name} is the mixture it should replace: there is nothing to verify."]
    seen = gain.observed
    if gain.verdict == "not measured":
        return [*said, f"{name} and {other} have no seed in common: no gain was measured."]
    if seen.n_seeds == 1:
        why = f"one seed says nothing of the noise (observed gain {seen.mean:.4f})"
        return [*said, f"{name} is not shown to be better than {other}: {why}."]
    ends = f"{seen.low:.4f} to {seen.high:.4f} over {seen.n_seeds} seeds"
    measured = f"observed gain {seen.mean:.4f} ({found.level:.0%} interval {ends})"
    if gain.verdict == "better":
        said.append(f"{name} is better than {other}: {measured}.")
    elif gain.verdict == "worse":
        said.append(f"{name} is WORSE than {other}: {measured}.")
    else:
        said.append(f"{name} is not shown to be better than {other}: {measured} holds zero.")
    if seen.n_seeds == 2:
        said.append("Two seeds make wide intervals; a third narrows them about threefold.")
    return said


def _others(found: Verification, labels: list[str], own: int, usual: int) -> list[str]:
    """How the proposal ranks, and which mixtures beat it."""
    if found.rank is None:
        return []
    said = [f"{labels[own]} ranks {found.rank} of {found.n_ranked} by observed loss."]
    ahead = {
        labels[row]: gain.verdict == "worse"
        for row, gain in enumerate(found.gains)
        if gain is not None and row != usual and gain.observed.mean < 0
    }
    beyond = ", ".join(label for label, shown in ahead.items() if shown)
    within = ", ".join(label for label, shown in ahead.items() if not shown)
    if beyond:
        said.append(f"It is WORSE than {beyond}.")
    if within:
        one = all(gain is None or gain.observed.n_seeds < 2 for gain in found.gains)
        noise = "one seed cannot tell by how much" if one else "by no more than the seeds' noise"
        said.append(f"It lost to {within}, {noise}.")
    return said


def _missed(found: Verification, own: int, usual: int) -> list[str]:
    """Whether the predicted gain came about."""
    gain = found.gains[usual]
    if own == usual or gain is None or not gain.observed.n_seeds:
        return []
    low, high = gain.predicted_interval
    seen = f"{gain.observed.mean:.4f}"
    if not np.isfinite([low, high]).all():
        return [
            f"A gain of {gain.predicted:.4f} was predicted and {seen} observed; the law has too "
            "few runs for an interval that could be missed."
        ]
    of = f"{gain.predicted:.4f} ({low:.4f} to {high:.4f})"
    if gain.against_prediction == "inside":
        return [f"The observed gain, {seen}, is inside the interval predicted for one run, {of}."]
    short = "less" if gain.against_prediction == "below" else "more"
    return [f"The predicted gain, {of}, was missed: observed was {short}, {seen}."]


def _level(
    predicted: FloatArray, around: FloatArray, found: Verification, level: float
) -> list[str]:
    """That losses are off by more than law and seeds allow, as they are at another scale.

    A law does not know at which scale its runs were, unless it reads it; the losses tell.
    """
    seen = np.array([loss.mean for loss in found.losses])
    measured = np.isfinite(seen)
    ends = np.array([(loss.low, loss.high) for loss in found.losses])
    outside = measured & ((ends[:, 1] < around[:, 0]) | (ends[:, 0] > around[:, 1]))
    if 2 * outside.sum() <= measured.sum():
        return []
    off = float((seen - predicted)[measured].mean())
    way = "above" if off > 0 else "below"
    return [
        f"Observed losses are {abs(off):.4f} {way} the predicted ones on average, and "
        f"{outside.sum()} of {measured.sum()} have {level:.0%} intervals apart. At another scale "
        "than the law's runs that is to be expected: compare gains and ranks."
    ]


def _seen(stored: StoredLaw, trial: Trial) -> list[str]:
    """Which mixtures are those of runs that the law was fitted to."""
    known = {row.tobytes() for row in stored.law.runs.mixtures.round(6)}
    seen = [
        label
        for label, shares in zip(trial.labels, trial.mixtures, strict=True)
        if shares.round(6).tobytes() in known
    ]
    if not seen:
        return []
    return [f"The law was fitted to a run of {', '.join(seen)}: what it says of it is no test."]
