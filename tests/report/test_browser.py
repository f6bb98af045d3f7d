"""The page in headless Chromium; skipped, with the reason, where there is none."""

from __future__ import annotations

import shutil

import pytest

from counterpoise.report import page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
OPEN = ("pr", "calibration")
FIGURES = (*OPEN, "gain", "roc", "decision", "folds", "training", "learning")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="page tests need Chromium (Debian: apt-get install chromium)"),
]


@pytest.fixture(scope="module", name="browser")
def _browser():
    sync_api = pytest.importorskip("playwright.sync_api")  # here, so that each test is counted as skipped by name
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


def opened(browser, record, path, drawn="html[data-drawn=yes]", script="", **context):
    page.write(record, path)
    tab = browser.new_context(**context).new_page()
    tab.add_init_script(script)
    tab.messages = []
    tab.on("console", lambda m: tab.messages.append(m.text) if m.type in ("error", "warning") else None)
    tab.on("pageerror", lambda e: tab.messages.append(str(e)))
    tab.on("dialog", lambda d: (tab.messages.append("a dialog opened"), d.dismiss()))
    tab.goto(path.as_uri())
    tab.wait_for_selector(drawn)
    return tab


@pytest.fixture(name="open_page")
def _open_page(browser, tmp_path):
    tabs = []

    def open_page(record, *given, **how):
        tabs.append(opened(browser, record, tmp_path / "report.html", *given, **how))
        return tabs[-1]

    yield open_page
    for tab in tabs:
        tab.context.close()


@pytest.fixture(scope="module", name="kept")
def _kept(browser):
    return []


@pytest.fixture(name="drawn")
def _drawn(kept, browser, binary_record, tmp_path):
    """A page that was drawn once, for tests that use one part of it each."""
    if not kept:
        kept.append(opened(browser, binary_record, tmp_path / "report.html"))
    kept[0].messages.clear()
    return kept[0]


def open_all(tab):
    tab.evaluate("document.querySelectorAll('details.more').forEach(d => (d.open = true))")


@pytest.mark.parametrize("width", [390, 1280])
def test_figures_are_drawn_without_a_word_on_the_console(open_page, binary_record, width):
    tab = open_page(binary_record, viewport={"width": width, "height": 900})
    assert tab.locator("[data-chart] svg:visible").count() == len(OPEN), "the others are collapsed"
    open_all(tab)
    for name in FIGURES:
        tab.locator(f"[data-chart={name}]").scroll_into_view_if_needed()
        tab.wait_for_selector(f"[data-chart={name}] svg")
        box = tab.locator(f"[data-chart={name}] svg").bounding_box()
        assert box["width"] > 200, name
        assert box["height"] > 100, name
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert tab.messages == []


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1280, 800)])
def test_the_answer_with_certainty_and_next_step_fits_the_first_screen(open_page, binary_record, width, height):
    verdict = binary_record["verdict"] | {
        "recommendation": "Class weights is not significantly better than the baseline (0.647 vs. 0.641, difference "
        "+0.006, 95% CI -0.026 to +0.038). The top-ranked strategy, Undersampling (0.657), beats the baseline by more "
        "than 0.010 with 77% probability, so the baseline is likely worse.",
        "evidence": "Class weights is the simplest strategy that is not likely worse. The probability that "
        "Undersampling beats Class weights by more than 0.010 is 52% (limit 67%).",
        "next_step": "Collect more data or use more folds (`--folds`). Even 100 repeats of these folds would probably "
        "not settle the question.",
    }
    tab = open_page(binary_record | {"verdict": verdict}, viewport={"width": width, "height": height})
    bottom = "document.querySelector('.answers .next').getBoundingClientRect().bottom"
    assert tab.evaluate(bottom) <= height
    assert tab.evaluate("document.querySelector('nav ol').scrollWidth") <= width


def test_the_leaderboard_fits_a_small_screen_and_its_bars_a_phone(open_page, binary_record):
    tab = open_page(binary_record, viewport={"width": 1000, "height": 900})
    spare = "(box => box.clientWidth - box.scrollWidth)(document.querySelector('#leaderboard .scroll'))"
    assert tab.evaluate(spare) == 0
    tab.set_viewport_size({"width": 390, "height": 900})
    assert tab.evaluate("document.querySelector('.board .bar').getBoundingClientRect().right") < 390


def test_the_slider_moves_the_counts(drawn, binary_record):
    tab = drawn
    before = int(tab.inner_text("#tp").replace(",", ""))
    tab.evaluate("{ const s = document.getElementById('slider'); s.value = 0; s.dispatchEvent(new Event('input')); }")
    after = int(tab.inner_text("#tp").replace(",", ""))
    assert after > before
    alerts, flagged = tab.inner_text("#alerts"), after + int(tab.inner_text("#fp").replace(",", ""))
    assert float(alerts.replace(",", "")) == pytest.approx(1000 * flagged / binary_record["data"]["rows"], abs=0.6)
    tab.fill("#per-day", "2000")
    assert float(tab.inner_text("#alerts").replace(",", "")) == pytest.approx(2 * float(alerts.replace(",", "")), abs=1)
    cost = tab.inner_text("#cost")
    tab.fill("#cost-fn", "500")
    assert tab.inner_text("#cost") != cost or tab.inner_text("#fn") == "0"
    total = sum(int(tab.inner_text(f"#{c}").replace(",", "")) for c in ("tp", "fp", "fn", "tn"))
    assert total == binary_record["data"]["rows"]


def test_the_leaderboard_sorts_by_keyboard(drawn):
    tab = drawn
    names = "[...document.querySelectorAll('#leaderboard table.sortable tbody tr')].map(r => r.dataset.name)"
    first = tab.evaluate(names)
    assert len(tab.query_selector_all("#leaderboard thead th")) == 6
    button = tab.locator("#leaderboard thead button[data-key=name]")
    button.focus()
    tab.keyboard.press("Enter")
    assert tab.evaluate(names) == sorted(first, key=str.lower)
    assert button.locator("xpath=..").get_attribute("aria-sort") == "ascending"


def test_strategies_can_be_switched_off(open_page, binary_record):
    tab = open_page(binary_record)
    lines = "document.querySelectorAll('[data-chart=pr] .mark-line path').length"
    before = tab.evaluate(lines)
    tab.locator("input[name=shown]").first.uncheck()
    tab.wait_for_function(f"{lines} === {before - 1}")
    tab.click("[data-show=all]")
    tab.wait_for_function(f"{lines} === {len(binary_record['rows'])}")


def test_figures_are_drawn_when_they_come_near_or_are_opened_and_the_open_ones_for_paper(open_page, binary_record):
    tab = open_page(binary_record, "#theme", "window.requestIdleCallback = () => 0")
    figures = "[...document.querySelectorAll('[data-chart]')].filter(box => box.querySelector('svg')).length"
    assert tab.evaluate(figures) == 0
    tab.locator("input[name=shown]").first.uncheck()
    tab.get_by_text("Decision curve", exact=True).first.click()
    tab.locator("[data-chart=decision]").scroll_into_view_if_needed()
    tab.wait_for_selector("[data-chart=decision] svg")
    lines = tab.evaluate("document.querySelectorAll('[data-chart=decision] .mark-line path').length")
    assert lines == tab.locator("input[name=shown]:checked").count() + 1, "the dashed one is acting on all"
    assert 0 < tab.evaluate(figures) < len(FIGURES)
    tab.pdf()
    assert tab.evaluate(figures) == len(OPEN) + 1


def test_figures_have_no_axes_of_panels_that_are_not_there_and_are_as_high_as_what_they_show(open_page, binary_record):
    tab = open_page(binary_record)
    open_all(tab)
    tab.wait_for_selector("[data-chart=folds] svg")
    axes = "document.querySelectorAll('[data-chart=calibration] .role-axis-title text').length"
    height = "document.querySelector('[data-chart=folds] svg').getBoundingClientRect().height"
    shown = tab.locator("input[name=shown]:checked").count()
    columns = 2  # half of the page
    assert tab.evaluate(axes) - -(-shown // columns) == shown, "one x axis per panel, one y axis per line"
    before = tab.evaluate(height)
    tab.locator("input[name=shown]:checked").first.uncheck()
    tab.wait_for_function(f"{height} < {before} - 20")


def test_bands_can_be_switched(drawn):
    tab = drawn
    areas = "[...document.querySelectorAll('[data-chart=pr] .mark-area path')].filter(p => p.getAttribute('d')).length"
    assert tab.evaluate(areas) == 1
    tab.select_option("#banded", "shown")
    tab.wait_for_function(f"{areas} === 4")
    tab.select_option("#banded", label="Oversampling")
    tab.wait_for_function(f"{areas} === 1")
    tab.select_option("#banded", label="none")
    tab.wait_for_function(f"{areas} === 0")


def test_dark_follows_the_system_and_the_button(open_page, binary_record):
    tab = open_page(binary_record, color_scheme="dark")
    background = "getComputedStyle(document.body).backgroundColor"
    dark = tab.evaluate(background)
    tab.click("#theme")
    assert tab.evaluate(background) != dark


def test_paper_is_white_and_wide_enough(open_page, binary_record):
    tab = open_page(binary_record, color_scheme="dark")
    tab.emulate_media(media="print", color_scheme="dark")
    tab.set_viewport_size({"width": 718, "height": 1000})
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert tab.evaluate("document.querySelector('.board').getBoundingClientRect().right") <= 718


def test_a_class_called_script_does_not_run(open_page, binary_record):
    import json

    nasty = json.loads(json.dumps(binary_record).replace('"1"', json.dumps("<script>alert(1)</script>")))
    tab = open_page(nasty)
    assert tab.messages == []
    assert "<script>alert(1)</script>" in tab.inner_text("#data")


def test_seven_classes(open_page, seven_record):
    tab = open_page(seven_record)
    assert tab.messages == []
    assert tab.locator("[data-chart=pr] svg").bounding_box()["height"] > 100


def test_figures_and_numbers_can_be_saved(drawn):
    tab = drawn
    with tab.expect_download() as svg:
        tab.click("[data-svg=pr]")
    assert svg.value.suggested_filename == "pr.svg"
    with open(svg.value.path(), encoding="utf-8") as file:
        assert file.read().startswith("<svg")
    with tab.expect_download() as csv:
        tab.click("[data-csv=pr]")
    with open(csv.value.path(), encoding="utf-8") as file:
        assert file.readline().strip() == "strategy,recall,precision,low,high"
    assert tab.messages == []


def test_the_page_asks_no_network_for_anything(drawn):
    tab = drawn
    assert tab.evaluate("performance.getEntriesByType('resource').length") == 0
    refused = tab.evaluate("fetch('https://example.invalid/').then(() => false, () => true)")
    assert refused
