"""The pictures that a reader can move draw what theory and record say, with and without scripts."""

import json
import re
import shutil
from collections.abc import Iterator

import numpy as np
import pytest
from helpers import ROOT
from playwright.sync_api import Page, sync_playwright

from bioprop import studies
from bioprop.book import interactive
from bioprop.book.records import RECORDED
from bioprop.studies.study import curve

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.mark.parametrize("start", [(-0.3, -0.6), (0.1, 0.0), (1.5, 1.5)])
@pytest.mark.parametrize("B", [1.0, -0.7])
def test_a_path_keeps_the_conserved_quantity_and_ends_where_the_task_is_solved(
    start: tuple[float, float], B: float
) -> None:
    w0, w = interactive.path(*start, B).T
    kept = w0**2 - 2 * B * w
    assert np.ptp(kept) < 1e-6
    if max(abs(w0[-1]), abs(w[-1])) < 2 * interactive.REACH:
        assert w0[-1] * w[-1] == pytest.approx(1, abs=1e-3)


def test_the_scrubber_holds_the_record_at_every_mark() -> None:
    [held] = re.findall(r"data-rows='([^']*)'", interactive.scrubber())
    run = RECORDED.runs(studies.get("linear-task"), "paper")["fa"]
    angles = curve(run, "angle").mean(axis=1)
    rows = json.loads(held)
    assert [row[0] for row in rows] == list(angles.index)
    assert [row[1] for row in rows] == pytest.approx(angles.tolist(), abs=0.005)


@pytest.fixture(scope="module", params=[True, False], ids=["scripts", "no-scripts"])
def page(request: pytest.FixtureRequest) -> Iterator[tuple[Page, bool]]:
    """A page with both pictures, with scripts or without, on a phone that is touched."""
    if CHROMIUM is None:
        pytest.skip("no Chromium is on PATH")
    styles = (ROOT / "_static" / "custom.css").read_text()
    script = (ROOT / "_static" / "interactive.js").read_text()
    body = f"<body>{interactive.plane()}{interactive.scrubber()}<script>{script}</script>"
    with sync_playwright() as driver:
        flags = ["--no-sandbox", "--disable-gpu", "--no-first-run"]
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=flags)
        context = browser.new_context(
            java_script_enabled=request.param,
            viewport={"width": 390, "height": 844},
            has_touch=True,
        )
        opened = context.new_page()
        opened.set_content(f"<!doctype html><style>{styles}</style>{body}")
        yield opened, request.param
        browser.close()


def told(page: Page, kind: str) -> str:
    return page.locator(f"[data-kind={kind}] .told").inner_text()


@pytest.mark.browser
def test_a_picture_stays_and_its_controls_are_away_where_scripts_are_off(
    page: tuple[Page, bool],
) -> None:
    opened, scripts = page
    for kind in ("plane", "scrubber"):
        box = opened.locator(f"[data-kind={kind}]")
        assert box.locator("svg").is_visible() and len(told(opened, kind)) > 40
        assert box.locator(".controls").is_visible() == scripts


@pytest.mark.browser
def test_the_plane_is_moved_by_mouse_finger_and_keys(page: tuple[Page, bool]) -> None:
    opened, scripts = page
    if not scripts:
        pytest.skip("nothing moves without scripts")
    svg = opened.locator("[data-kind=plane] svg")
    svg.scroll_into_view_if_needed()
    seen = svg.bounding_box()
    assert seen is not None
    said = [told(opened, "plane")]
    x, y = seen["x"], seen["y"]
    opened.mouse.move(x + 0.5 * seen["width"], y + 0.5 * seen["height"])
    opened.mouse.down()
    opened.mouse.move(x + 0.6 * seen["width"], y + 0.4 * seen["height"], steps=3)
    opened.mouse.up()
    said.append(told(opened, "plane"))
    opened.touchscreen.tap(x + 0.3 * seen["width"], y + 0.3 * seen["height"])
    said.append(told(opened, "plane"))
    opened.locator("[data-kind=plane] .start").focus()
    opened.keyboard.press("ArrowRight")
    said.append(told(opened, "plane"))
    opened.locator("[data-kind=plane] [name=B]").focus()
    opened.keyboard.press("ArrowLeft")
    said.append(told(opened, "plane"))
    assert len(set(said)) == len(said), said
    assert "w₀ = 0.40, w = 0.40" in said[1]


@pytest.mark.browser
def test_the_script_and_the_still_picture_tell_the_same(page: tuple[Page, bool]) -> None:
    opened, scripts = page
    if not scripts:
        pytest.skip("the script is off")
    opened.evaluate(
        """() => {
            const box = document.querySelector("[data-kind=plane]");
            for (const [name, value] of [["w0", 0.5], ["w", -0.5], ["B", 1.5]])
                box.querySelector(`[name=${name}]`).value = value;
            box.dispatchEvent(new Event("input"));
        }"""
    )
    [still] = re.findall(r'aria-live="polite">(.*?)</p>', interactive.plane(0.5, -0.5, 1.5))
    assert told(opened, "plane") == still


@pytest.mark.browser
def test_the_signals_turn_as_the_scrubber_is_moved_by_keys(page: tuple[Page, bool]) -> None:
    opened, scripts = page
    if not scripts:
        pytest.skip("nothing moves without scripts")
    slider = opened.locator("[data-kind=scrubber] input")
    slider.focus()
    opened.keyboard.press("Home")
    rows = json.loads(opened.locator("[data-kind=scrubber]").get_attribute("data-rows") or "")
    assert f"{rows[0][1]:.0f} degrees" in told(opened, "scrubber")
    turned = opened.locator("[data-kind=scrubber] .fa").get_attribute("transform")
    assert turned == f"rotate({-rows[0][1]} 160 150)"
