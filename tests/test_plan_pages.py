"""The pictures of a plan: the page in a real browser, and DOT in Graphviz."""

import json
import re
import shutil
import subprocess

import pytest

from conftest import ADD

selenium = pytest.importorskip("selenium", reason="selenium is not installed")
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

CHROMIUM = shutil.which("chromium")
DRIVER = shutil.which("chromedriver")
DOT = shutil.which("dot")
needs_browser = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="chromium and chromedriver are not installed")
needs_dot = pytest.mark.skipif(not DOT, reason="Graphviz is not installed")

#: Names that would end a string, an element or a script where they are not escaped.
HOSTILE = [
    "a</script><script>document.title='broken'</script>.txt",
    'quote"\'onload=alert(1) x=".txt',
    "back\\slash.txt",
    "new\nline.txt",
    "größe-数-😀.txt",
    "<!-- {{data}} & &amp; -->.txt",
    "-->\\N\\G\\l",
]


@pytest.fixture(scope="module")
def browser():
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", "window-size=1280,800"):
        options.add_argument("--" + argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def shown(project, browser):
    """Opens the page of a plan in the browser; fails if it says an error or loads anything."""

    def show(*arguments):
        made = project.cli("plan", "--format", "html", *arguments)
        assert made.returncode == 0, made
        page = project.root.parent / "plan.html"
        page.write_text(made.stdout)
        browser.get_log("performance")
        browser.get(page.as_uri())
        requests = [json.loads(line["message"])["message"] for line in browser.get_log("performance")]
        urls = {one["params"]["request"]["url"] for one in requests if one["method"] == "Network.requestWillBeSent"}
        assert urls == {page.as_uri()}
        assert browser.get_log("browser") == []
        return browser

    return show


def write_tree(project):
    """A module whose files have every state that one plan can have."""
    text = '@embedFile("parts/text.txt")'
    project.write("m.zig", f'const p = @import("parts/part.zig");\nconst t = {text};\n' + ADD)
    project.write("parts/part.zig", "pub const x = 1;\n")
    project.write("parts/text.txt", "text")
    project.write("other.zig", ADD)
    assert project.cli("build", "m.zig").returncode == 0
    project.write("parts/part.zig", 'const g = @import("gone.zig");\nconst h = @import("fresh.zig");\n')
    project.write("parts/fresh.zig", 'const named = @import("named");\n')
    project.write("skipped.zig", ADD)
    project.write("skipped.py", "")


def labels(browser):
    """The whole label of each node."""
    return [one.get_attribute("textContent") for one in browser.find_elements(By.CSS_SELECTOR, "#graph .node title")]


def node(browser, label):
    """The node with a label."""
    return browser.find_element(By.ID, f"n{labels(browser).index(label)}")


def focused(browser):
    """The label of the node that has the focus, or ``None``."""
    return browser.execute_script(
        "const node = document.activeElement.closest('.node'); return node && node.querySelector('title').textContent"
    )


def press(browser, *keys):
    """Presses keys where the focus is."""
    webdriver.ActionChains(browser).send_keys(*keys).perform()


def tab_to_graph(browser):
    """Presses Tab until a node has the focus."""
    for _ in range(10):
        press(browser, Keys.TAB)
        if focused(browser) is not None:
            return
    pytest.fail("no node gets the focus")


def write_many(project, modules, parts):
    """Modules with parts of their own."""
    for number in range(modules):
        names = [f"parts{number}/p{part}.zig" for part in range(parts)]
        imports = "".join(f'const p{part} = @import("{name}");\n' for part, name in enumerate(names))
        project.write(f"m{number}.zig", imports + ADD)
        for name in names:
            project.write(name, "")


# The page.


@needs_browser
def test_every_node_is_there_with_its_state_as_colour_and_shape(project, shown):
    write_tree(project)
    browser = shown()
    states = {
        one.get_attribute("aria-label").split(", ")[0]: one.get_attribute("aria-label").split(", ")[-1]
        for one in browser.find_elements(By.CSS_SELECTOR, "#graph .node")
    }
    assert states == {
        "m": "build",
        "other": "build",
        "skipped": "skip",
        "parts/part.zig": "changed",
        "parts/text.txt": "unchanged",
        "parts/fresh.zig": "new",
        "parts/gone.zig": "absent",
        "named": "external",
    }
    looks = browser.execute_script(
        """return [...document.querySelectorAll("#graph .node")].map((node) => [
             node.getAttribute("aria-label").split(", ").pop(),
             document.querySelector(node.querySelector("use").getAttribute("href") + " path").getAttribute("d"),
             getComputedStyle(node.querySelector("use")).fill])"""
    )
    shapes = {state: shape for state, shape, _ in looks}
    assert len(set(shapes.values())) == len(shapes) == 7
    colours = {state: colour for state, _, colour in looks}
    # What is no business of an import is grey, whether it is a module or a package.
    assert len(set(colours.values())) == len(colours) - 1 and colours["skip"] == colours["external"]
    legend = browser.find_elements(By.CSS_SELECTOR, "#legend li b")
    assert sorted(one.text for one in legend) == sorted(shapes)


@needs_browser
def test_the_signs_of_all_states_differ(project, shown):
    project.write("m.zig", ADD)
    shapes = [
        one.get_attribute("d") for one in shown().find_elements(By.CSS_SELECTOR, ".symbols symbol path")
    ]
    assert len(shapes) == len(set(shapes)) == 12


@needs_browser
def test_a_click_shows_details_and_the_neighbours(project, shown):
    write_tree(project)
    browser = shown()
    node(browser, "parts/part.zig").click()
    details = browser.find_element(By.ID, "details")
    assert details.is_displayed()
    for text in ("parts/part.zig", "Zig source", "changed since the last build", "parts/gone.zig", "parts/fresh.zig"):
        assert text in details.text
    details.find_element(By.XPATH, ".//button[text()='m']").click()
    assert focused(browser) == "m" and "build for x86_64-linux-gnu: parts/part.zig" in details.text
    assert node(browser, "m").get_attribute("aria-pressed") == "true"


@needs_browser
def test_the_keyboard_does_it_all(project, shown):
    write_tree(project)
    browser = shown()
    tab_to_graph(browser)
    assert focused(browser) == "m"
    ring = "return getComputedStyle(document.activeElement.querySelector('.ring')).stroke"
    assert browser.execute_script(ring) != "none"
    press(browser, Keys.ARROW_RIGHT)
    first = focused(browser)
    assert first in ("parts/part.zig", "parts/text.txt")
    press(browser, Keys.ARROW_DOWN if first == "parts/part.zig" else Keys.ARROW_UP)
    assert {first, focused(browser)} == {"parts/part.zig", "parts/text.txt"}
    press(browser, Keys.ENTER)
    details = browser.find_element(By.ID, "details")
    here = focused(browser)
    assert details.is_displayed() and here in details.text
    press(browser, Keys.ESCAPE)
    assert not details.is_displayed() and focused(browser) == here
    press(browser, Keys.ARROW_LEFT)
    assert focused(browser) == "m"
    # One stop in the order of Tab, so that the rest of the page is near.
    assert len(browser.find_elements(By.CSS_SELECTOR, "#graph .node[tabindex='0']")) == 1
    press(browser, Keys.TAB)
    assert focused(browser) is None


@needs_browser
def test_the_filter_finds_by_name_kind_and_state(project, shown):
    write_tree(project)
    browser = shown()
    browser.find_element(By.TAG_NAME, "body").click()
    press(browser, "/", "text.txt")
    assert browser.find_element(By.ID, "found").text == "1 of 8"
    lit = browser.find_elements(By.CSS_SELECTOR, "#graph .node.lit title")
    assert [one.get_attribute("textContent") for one in lit] == ["parts/text.txt"]
    press(browser, Keys.ENTER)
    assert focused(browser) == "parts/text.txt"
    box = browser.find_element(By.ID, "filter")
    box.clear()
    box.send_keys("build module")
    assert browser.find_element(By.ID, "found").text == "2 of 8"
    press(browser, Keys.ESCAPE)
    assert box.get_attribute("value") == "" and not browser.find_elements(By.CSS_SELECTOR, "#graph.dimmed")


@needs_browser
def test_a_screen_reader_gets_names_and_roles(project, shown):
    write_tree(project)
    browser = shown()
    graph = browser.find_element(By.ID, "graph")
    assert graph.accessible_name == "Dependency graph"
    first = node(browser, "parts/part.zig")
    assert (first.aria_role, first.accessible_name) == ("button", "parts/part.zig, Zig source, changed")
    for control in browser.find_elements(By.CSS_SELECTOR, "header button, header input"):
        assert control.accessible_name
    browser.find_element(By.TAG_NAME, "summary").click()
    assert len(browser.find_elements(By.CSS_SELECTOR, "tbody tr")) == 3


@needs_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_readable_in_both_schemes(project, shown, scheme):
    write_tree(project)
    browser = shown()
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    pairs = browser.execute_script(
        """const colour = (one, name) => getComputedStyle(one)[name].match(/[\\d.]+/g).slice(0, 3).map(Number);
           return [...document.querySelectorAll("#graph .node")].flatMap((node) => {
             const ground = colour(node.querySelector(".box"), "fill");
             return [[4.5, colour(node.querySelector("text"), "fill"), ground],
                     [3, colour(node.querySelector("use"), "fill"), ground]];
           }).concat([[4.5, colour(document.body, "color"), colour(document.body, "backgroundColor")],
                      [4.5, colour(document.querySelector("#legend span"), "color"),
                       colour(document.querySelector("aside"), "backgroundColor")]])"""
    )
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert (luminance(pairs[-1][2]) < 0.2) == (scheme == "dark")
    for wanted, colour, ground in pairs:
        light, dark = sorted([luminance(colour), luminance(ground)], reverse=True)
        # WCAG 2.2, success criteria 1.4.3 and 1.4.11.
        assert (light + 0.05) / (dark + 0.05) >= wanted, (colour, ground)


def luminance(colour):
    """The relative luminance of WCAG."""
    linear = [part / 255 / 12.92 if part <= 10 else ((part / 255 + 0.055) / 1.055) ** 2.4 for part in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@needs_browser
@pytest.mark.parametrize("modules, parts", [(1, 0), (10, 4), (1, 60), (100, 9), (1, 999)])
def test_no_node_covers_another_one_and_labels_fit(project, shown, modules, parts):
    write_many(project, modules, parts)
    browser = shown(*(["m0.zig"] if modules == 1 else []))
    boxes = browser.execute_script(
        """return [...document.querySelectorAll("#graph .node")].map((node) => {
             const box = node.querySelector(".box").getBoundingClientRect();
             const text = node.querySelector("text").getBoundingClientRect();
             return [box.left, box.top, box.right, box.bottom, text.right, text.height];
           })"""
    )
    assert len(boxes) == modules * (1 + parts)
    for left, top, right, bottom, text_right, text_height in boxes:
        assert text_right <= right and text_height >= 9
    boxes.sort()
    for index, (left, top, right, bottom, _, _) in enumerate(boxes):
        for other in boxes[index + 1 :]:
            if other[0] >= right:
                break
            assert other[1] >= bottom or other[3] <= top, (boxes[index], other)


# Names that try to break out.


@pytest.fixture
def hostile(project):
    """A module that embeds files with hostile names."""
    lines = []
    for index, name in enumerate(HOSTILE):
        literal = name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        lines.append(f'pub const t{index} = @embedFile("{literal}");\n')
        project.write(name, "text")
    project.write("m.zig", "".join(lines) + ADD)
    return project


@needs_browser
def test_hostile_names_do_not_break_the_page(hostile, shown):
    browser = shown("m.zig")
    # A title element has a space for a line feed; the data below has the name itself.
    assert set(labels(browser)) == {"m", *(name.replace("\n", " ") for name in HOSTILE)}
    assert browser.title == "zigimport plan"
    assert len(browser.find_elements(By.TAG_NAME, "script")) == 2
    data = json.loads(browser.find_element(By.ID, "data").get_attribute("textContent"))
    assert {one["label"] for one in data["nodes"]} == {"m", *HOSTILE}
    for name in HOSTILE:
        browser.execute_script("choose(arguments[0])", [one["label"] for one in data["nodes"]].index(name))
        heading = browser.find_element(By.CSS_SELECTOR, "#details h2")
        assert heading.get_attribute("textContent") == name
    assert len(browser.find_elements(By.TAG_NAME, "script")) == 2 and browser.title == "zigimport plan"


@needs_dot
def test_hostile_names_do_not_break_the_dot(hostile):
    written = hostile.cli("plan", "m.zig", "--format", "dot")
    assert drawn(written.stdout) == (1 + len(HOSTILE), len(HOSTILE))
    found = set(re.findall(r'(?m)^  n\d+ \[label="((?:[^"\\]|\\.)*)\\n[^"\\]*", shape', written.stdout))
    escaped = {name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") for name in HOSTILE}
    assert found == escaped | {"m"}


# DOT.


def drawn(text):
    """Draws with Graphviz; returns how many nodes and edges it drew."""
    ran = subprocess.run([DOT, "-Tsvg"], input=text.encode(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert (ran.returncode, ran.stderr) == (0, b""), ran
    picture = ran.stdout.decode()
    return picture.count('class="node"'), picture.count('class="edge"')


@needs_dot
def test_graphviz_draws_every_node_and_edge(project):
    write_tree(project)
    written = project.cli("plan", "--format", "dot")
    assert drawn(written.stdout) == (8, 5)
    for state in ("build", "skip", "changed", "unchanged", "new", "absent", "external"):
        assert f", {state}\"" in written.stdout


@needs_dot
def test_graphviz_draws_a_thousand_nodes(project):
    write_many(project, 100, 9)
    written = project.cli("plan", "--format", "dot")
    assert drawn(written.stdout) == (1000, 900)


def test_pictures_are_the_same_every_time(project):
    write_many(project, 20, 3)
    for form in ("dot", "html"):
        first, second = (project.cli("plan", "--format", form).stdout for _ in range(2))
        assert first == second and str(project.root) not in first
