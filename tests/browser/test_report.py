"""The report in a real browser: it draws, it filters, it runs nothing that a document says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.select import make
from curate.report import report
from tests.browser.conftest import ATTACKS, DOMAINS, Opened

_MARKS = "path.js-line, path.point, .point path, .heatmaplayer image, .bars path"


@pytest.fixture
def opened(browser: Any, html: Path) -> Any:
    made = Opened(browser, html, 1600, "light")
    yield made
    made.page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1600])
def test_every_chart_draws_and_nothing_complains(
    browser: Any, html: Path, width: int, scheme: str
) -> None:
    made = Opened(browser, html, width, scheme)
    made.draw_all()
    charts = made.page.locator(".chart")
    assert charts.count() > 15
    for chart in charts.all():
        marks = chart.locator(_MARKS)
        assert marks.count() > 0, chart.locator("xpath=..").inner_text()
    assert made.complaints == []
    assert [url for url in made.requests if not url.startswith(("file:", "data:", "blob:"))] == []
    assert made.page.evaluate("window.ran") is None
    assert made.page.evaluate("document.documentElement.scrollWidth") <= width
    made.page.close()


def test_light_and_dark_are_readable(browser: Any, html: Path) -> None:
    grounds = set()
    for scheme in ("light", "dark"):
        made = Opened(browser, html, 1600, scheme)
        made.draw_all()
        ground, text = made.page.evaluate(
            "Object.values((({backgroundColor, color}) => ({backgroundColor, color}))"
            "(getComputedStyle(document.body)))"
        )
        assert contrast(ground, text) > 7
        tick = made.page.locator(".xtick text").first.evaluate("e => getComputedStyle(e).fill")
        assert contrast(ground, tick) > 7
        grounds.add(ground)
        made.page.close()
    assert len(grounds) == 2


def contrast(one: str, other: str) -> float:
    """Ratio of luminances, as the WCAG define it."""

    def luminance(colour: str) -> float:
        channels = [int(float(c)) / 255 for c in colour[colour.index("(") + 1 : -1].split(",")[:3]]
        linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def count(opened: Opened) -> int:
    return int(opened.page.locator(".documents [role=status]").inner_text().split()[0])


def everything(opened: Opened) -> list[str]:
    more = opened.page.get_by_role("button", name="Show more")
    while more.is_visible():
        more.click()
    return list(opened.page.locator("article").all_inner_texts())


def test_filters_filter(opened: Opened) -> None:
    page = opened.page
    n_all = count(opened)
    assert len(everything(opened)) == n_all > 60
    page.locator("select[name=domain]").select_option(DOMAINS[2])
    of_domain = everything(opened)
    assert 0 < len(of_domain) == count(opened) < n_all
    assert all(DOMAINS[2] in text for text in of_domain)
    page.locator("select[name=kept]").select_option("true")
    kept = everything(opened)
    assert 0 < len(kept) < len(of_domain)
    assert not any("not kept" in text for text in kept)
    page.locator("select[name=domain]").select_option("")
    page.locator("select[name=kept]").select_option("")
    assert count(opened) == n_all
    page.locator("input[name=low]").fill("95")
    high = count(opened)
    assert 0 < high < n_all
    for text in everything(opened):
        name = page.locator("select[name=scorer] option").first.inner_text()
        assert float(text.split(name)[-1].split()[0]) >= 95 or name in text.split("\n")[0]
    page.locator("input[name=low]").fill("0")
    page.locator("input[name=words]").fill("constructor.constructor")
    assert 0 < count(opened) < n_all
    page.locator("input[name=words]").fill("no such words")
    assert count(opened) == 0
    page.locator("input[name=words]").fill("")
    page.locator("select[name=why]").select_option(index=1)
    assert 0 < count(opened) <= 3


def test_hostile_text_is_shown_as_text(opened: Opened) -> None:
    shown = "\n".join(everything(opened))
    for attack in ATTACKS:
        told = attack.translate({0x1B: "\u241b", 0x2028: "\u2028"})
        assert any(told in text for text in (shown, shown.replace("\n", "\u2028"))), attack
    for element in opened.page.locator("article").all()[:40]:
        element.hover()
    assert opened.page.evaluate("window.ran") is None
    active = "script, img, iframe, a, svg, b"
    assert opened.page.locator("article").locator(active).count() == 0
    assert opened.page.locator("main b, main iframe, main img:not([src^='data:'])").count() == 0
    opened.draw_all()
    assert opened.page.locator(".chart a[href]:not(.modebar-btn)").count() == 0
    assert opened.complaints == []


def test_warnings_come_first_with_links(opened: Opened) -> None:
    links = opened.page.locator("#warnings a")
    assert links.count() > 0
    for link in links.all():
        assert opened.page.locator(str(link.get_attribute("href"))).count() == 1


def test_a_million_documents(browser: Any, tmp_path: Path) -> None:
    make(tmp_path / "scores/made", 1_000_000)
    written = report([tmp_path], tmp_path / "r.html")
    assert written.n_bytes < 15e6
    made = Opened(browser, written.path, 1600, "light")
    made.draw_all()
    assert "A uniform sample of 50,000 of 1,000,000 documents." in made.page.inner_text("main")
    assert made.complaints == []
    made.page.close()
