"""Budgets, as people write them."""

from __future__ import annotations

import pytest

from curate.budget import Budget, parse_tokens
from curate.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("30%", Budget(0.3, "documents", True)),
        ("100%docs", Budget(1.0, "documents", True)),
        (" 0.5 % tok ", Budget(0.005, "tokens", True)),
        ("12.5%bytes", Budget(0.125, "bytes", True)),
        ("20000docs", Budget(20_000, "documents", False)),
        ("1doc", Budget(1, "documents", False)),
        ("5Mtok", Budget(5e6, "tokens", False)),
        ("2 K tokens", Budget(2_000, "tokens", False)),
        ("1.5Gbytes", Budget(1.5e9, "bytes", False)),
        ("3Bdocs", Budget(3e9, "documents", False)),
        ("1Ttok", Budget(1e12, "tokens", False)),
    ],
)
def test_budgets_as_people_write_them(text: str, budget: Budget) -> None:
    assert Budget.parse(text) == budget


@pytest.mark.parametrize("text", ["", "30", "%", "-5%", "1e6docs", "5mtok", "5MB", "all", "5%%"])
def test_what_is_no_budget(text: str) -> None:
    with pytest.raises(ConfigError, match=r"is not a budget\. Write a share") as caught:
        Budget.parse(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize("text", ["0%", "0docs", "0.0Gtok", "100.1%", "101%tok"])
def test_budgets_out_of_range(text: str) -> None:
    with pytest.raises(ConfigError, match=f"above 0, and a share at most 100%. Got '{text}'"):
        Budget.parse(text)


def test_numbers_of_tokens() -> None:
    written = (5_000_000, "5000000", " 5M ", "5 Mtok", "0.005B", "5000Ktokens")
    assert {parse_tokens(text) for text in written} == {5_000_000}


@pytest.mark.parametrize("text", ["30%", "5Mbytes", "5docs", "many", -5, 0, "0M", "0.4"])
def test_what_is_no_number_of_tokens(text: str | int) -> None:
    with pytest.raises(ConfigError):
        parse_tokens(text)
