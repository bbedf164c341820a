"""``zigimport build --timings``: the page, in a real browser."""

import json
import re
import time

import pytest

from conftest import ADD
from test_plan_pages import browser, needs_browser, press  # noqa: F401

from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

PHASES = ["scan", "plan", "lock", "zig", "check", "store"]


@pytest.fixture
def built(project):
    """Modules that are built, cached and broken, and the page of that build."""
    project.write("cached.zig", ADD)
    assert project.cli("build", "cached.zig").returncode == 0
    project.write("first.zig", ADD.replace("a + b", "a * b"))
    project.write("second.zig", ADD.replace("a + b", "a - b"))
    project.write("broken.zig", "pub const x = nothing;\n")
    ran = project.cli("build", "--timings", "-j", "2")
    assert ran.returncode == 1 and "timings: zigimport-timings.html" in ran.stderr, ran
    return project.root / "zigimport-timings.html"


def data_of(page):
    """The measured data in a page."""
    return json.loads(re.search(r'<script type="application/json"[^>]*>(.*?)</script>', page.read_text(), re.DOTALL)[1])


def test_what_is_measured_is_what_happened(built):
    data = data_of(built)
    modules = {one["module"]: one for one in data["modules"]}
    assert {name: one["result"] for name, one in modules.items()} == {
        "broken": "failed", "cached": "cached", "first": "built", "second": "built",
    }
    for name in ("first", "second"):
        assert [one["phase"] for one in modules[name]["phases"]] == PHASES
    assert [one["phase"] for one in modules["cached"]["phases"]] == ["scan", "plan"]
    assert [one["phase"] for one in modules["broken"]["phases"]] == ["scan", "plan", "lock", "zig"]
    for one in modules.values():
        times = [time for phase in one["phases"] for time in (phase["start_seconds"], phase["end_seconds"])]
        # One after the other, and none before the start or after the end.
        assert times == sorted(times) and times[0] >= 0 and times[-1] <= data["elapsed_seconds"]
    compilers = sum(
        phase["end_seconds"] - phase["start_seconds"]
        for one in modules.values() for phase in one["phases"] if phase["phase"] == "zig"
    )
    assert data["cpu_seconds"] > 0 and compilers > 0 and data["cores"] >= 1


def test_a_wait_for_another_process_is_told_from_the_compiler(project, wrapped_zig, tmp_path):
    project.write("m.zig", ADD)
    started, go = tmp_path / "started", tmp_path / "go"
    wrapped_zig.first(f"if [ \"$1\" = build-lib ]; then : > '{started}'; while [ ! -e '{go}' ]; do sleep 0.02; done; fi")
    first = project.start("-m", "zigimport", "build", "m.zig")
    while not started.exists():
        assert first.poll() is None
        time.sleep(0.02)
    second = project.start("-m", "zigimport", "build", "m.zig", "--timings=waited.html")
    assert b"waiting for process" in second.stderr.readline()
    go.touch()
    for process in (first, second):
        process.communicate()
        assert process.returncode == 0
    (module,) = data_of(project.root / "waited.html")["modules"]
    phases = [one["phase"] for one in module["phases"]]
    assert module["result"] == "cached" and "lock" in phases and "zig" not in phases


def test_the_file_may_be_named_and_json_is_left_alone(project):
    project.write("m.zig", ADD)
    ran = project.cli("build", "m.zig", "--timings=out.html", "--format", "json")
    assert ran.json["artifacts"][0]["module"] == "m" and data_of(project.root / "out.html")["modules"], ran
    missing = project.cli("build", "m.zig", "--timings=no/such/folder.html")
    assert missing.returncode == 3 and "no/such/folder.html" in missing.stderr, missing


def test_without_the_option_nothing_is_written(project):
    project.write("m.zig", ADD)
    assert project.cli("build", "m.zig").returncode == 0
    assert sorted(path.name for path in project.root.iterdir()) == ["m.zig"]


@pytest.fixture
def shown(built, browser):
    """The page in the browser; fails if it says an error or loads anything."""
    browser.get_log("performance")
    browser.get(built.as_uri())
    requests = [json.loads(line["message"])["message"] for line in browser.get_log("performance")]
    urls = {one["params"]["request"]["url"] for one in requests if one["method"] == "Network.requestWillBeSent"}
    assert urls == {built.as_uri()} and browser.get_log("browser") == []
    yield browser
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def rows(browser):
    """The module of each row."""
    return [one.text for one in browser.find_elements(By.CSS_SELECTOR, "tbody th")]


@needs_browser
def test_bars_stand_on_one_axis(shown, built):
    axis = shown.find_element(By.CSS_SELECTOR, "svg.axis").rect
    elapsed = data_of(built)["elapsed_seconds"]
    for row, one in zip(shown.find_elements(By.CSS_SELECTOR, "tbody tr"), sorted_by_start(built)):
        assert row.find_element(By.TAG_NAME, "th").text == one["module"]
        bars = row.find_elements(By.CSS_SELECTOR, "svg.bars rect")
        assert [bar.get_attribute("class") for bar in bars] == [phase["phase"] for phase in one["phases"]]
        for bar, phase in zip(bars, one["phases"]):
            expected = axis["x"] + axis["width"] * phase["start_seconds"] / elapsed
            assert abs(bar.rect["x"] - expected) < 2, (bar.rect, expected)
            length = axis["width"] * (phase["end_seconds"] - phase["start_seconds"]) / elapsed
            assert bar.rect["width"] >= length - 2
        label = row.find_element(By.CSS_SELECTOR, "svg.bars").get_attribute("aria-label")
        assert label.startswith(one["module"] + ": scan from ")


def sorted_by_start(page):
    """The modules of a page in the order of their starts."""
    return sorted(data_of(page)["modules"], key=lambda one: one["phases"][0]["start_seconds"])


@needs_browser
def test_the_table_is_sorted_by_keyboard(shown):
    by_start = rows(shown)
    for _ in range(10):
        press(shown, Keys.TAB)
        if shown.switch_to.active_element.text == "module":
            break
    press(shown, Keys.ENTER)
    assert rows(shown) == ["broken", "cached", "first", "second"]
    press(shown, Keys.ENTER)
    assert rows(shown) == ["second", "first", "cached", "broken"]
    head = shown.find_element(By.CSS_SELECTOR, "th[aria-sort=descending]")
    assert head.text.startswith("module") and len(shown.find_elements(By.CSS_SELECTOR, "th[aria-sort=none]")) == 9
    press(shown, Keys.TAB, Keys.TAB, " ")
    # The largest first.
    assert rows(shown) == by_start[::-1]
    zig = [one for one in shown.find_elements(By.CSS_SELECTOR, "thead button") if one.text == "zig"][0]
    zig.click()
    values = [float(one.get_attribute("data-value")) for one in shown.find_elements(By.CSS_SELECTOR, "tbody td:nth-child(8)")]
    assert values == sorted(values, reverse=True) and values[0] > 0 == values[-1]


@needs_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_bars_stand_out_in_both_schemes(shown, scheme):
    shown.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
    ratios = shown.execute_script("""
        const parts = (colour) => colour.match(/[\\d.]+/g).slice(0, 3).map(Number);
        const light = (colour) => parts(colour).map((one) => one / 255)
            .map((one) => one <= 0.03928 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4)
            .reduce((sum, one, index) => sum + one * [0.2126, 0.7152, 0.0722][index], 0);
        const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05); };
        const ground = getComputedStyle(document.body).backgroundColor;
        return [
            ["tbody th", "color", 4.5], ["#summary", "color", 4.5], [".failed", "color", 4.5],
            ...["scan", "plan", "lock", "zig", "check", "store"].map((name) => ["rect." + name, "fill", 3]),
        ].map(([where, what, least]) => [where, ratio(getComputedStyle(document.querySelector(where))[what], ground), least]);
    """)
    assert all(ratio >= least for _, ratio, least in ratios), ratios


@needs_browser
def test_it_says_all_without_scripts(built, browser):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get(built.as_uri())
        assert len(browser.find_elements(By.CSS_SELECTOR, "tbody tr")) == 4
        assert "2 built, 1 cached, 1 failed in " in browser.find_element(By.ID, "summary").text
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
