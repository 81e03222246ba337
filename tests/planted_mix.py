"""What the verbs of `mix` leave behind, of planted losses: nothing is trained for it."""

from __future__ import annotations

import json
from pathlib import Path

from curate.stages.mix import optimize
from curate.stages.mix.verifying import report
from tests.planted_trial import DOMAINS, GOOD, SUPPLY, planted_law, runs_of, trial_of

TOKENS = 6_000_000


def planted_mix(room: Path) -> None:
    """Write law.json, mixture.json, available.json and verify/ to a new directory."""
    room.mkdir(parents=True)
    planted_law().write(room / "law.json")
    available = dict(zip(DOMAINS, SUPPLY.available.astype(int).tolist(), strict=True))
    (room / "available.json").write_text(json.dumps(available))
    optimize(
        room / "law.json", None, room / "mixture.json", available=room / "available.json",
        tokens=TOKENS, objective={"code": 1.0, "web": 1.0},
    )  # fmt: skip
    trial = trial_of(GOOD)
    (room / "verify").mkdir()
    report(planted_law(), trial, runs_of(trial), room / "verify", limits=(TOKENS, 4.0))
