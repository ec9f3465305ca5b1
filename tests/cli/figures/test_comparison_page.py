"""The page of `lerf compare`, in a browser: divider, zoom, keys, pointers and fingers."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from PIL import Image
from support.browser import dom_of
from support.cli import run_lerf
from support.files import smooth_rgb

# What a script does to the page, and what it then says of it.
PROBE = """
<script>
addEventListener("load", async () => {
  const log = [], byId = (id) => document.getElementById(id);
  const stage = byId("stage"), box = stage.getBoundingClientRect();
  await Promise.all([...document.images].map((image) => image.decode()));
  const say = (what) => log.push([what, byId("rightSide").style.clipPath, byId("left").alt,
    byId("right").alt, byId("zoom").textContent, byId("left").style.transform]);
  const key = (name, more = {}) => stage.dispatchEvent(
    new KeyboardEvent("keydown", { key: name, bubbles: true, cancelable: true, ...more }));
  const pointer = (kind, target, x, y, id = 1) => target.dispatchEvent(new PointerEvent(kind, {
    pointerId: id, button: 0, bubbles: true, clientX: box.left + x, clientY: box.top + y }));
  say("start");
  byId("split").value = 250;
  byId("split").dispatchEvent(new Event("input", { bubbles: true }));
  say("slider");
  key("ArrowRight");
  say("arrow");
  pointer("pointerdown", byId("divider"), 300, 90);
  pointer("pointermove", stage, box.width * 0.75, 90);
  pointer("pointerup", stage, box.width * 0.75, 90);
  say("divider");
  key("x");
  say("swap");
  key("]");
  say("next");
  key("1");
  say("one");
  byId("in").click();
  say("in");
  pointer("pointerdown", stage, 50, 90);
  pointer("pointermove", stage, 60, 95);
  pointer("pointerup", stage, 60, 95);
  say("pan");
  pointer("pointerdown", stage, 100, 100, 1);
  pointer("pointerdown", stage, 200, 100, 2);
  pointer("pointermove", stage, 300, 100, 2);
  pointer("pointerup", stage, 300, 100, 2);
  pointer("pointerup", stage, 100, 100, 1);
  say("pinch");
  stage.dispatchEvent(new WheelEvent("wheel", { deltaY: 400, bubbles: true, cancelable: true,
    clientX: box.left + 90, clientY: box.top + 60 }));
  say("wheel");
  key("0");
  say("fit");
  byId("leftName").value = 2;
  byId("leftName").dispatchEvent(new Event("change", { bubbles: true }));
  say("chosen");
  const sizes = [...document.images].map((image) => [image.naturalWidth, image.naturalHeight]);
  const answer = { log, sizes, width: box.width, loaded: performance.getEntriesByType("resource")
    .filter((entry) => !entry.name.startsWith("data:")).map((entry) => entry.name) };
  document.body.dataset.answer = JSON.stringify(answer);
});
</script>
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    source = folder / "a <i>&\"'.png"
    Image.fromarray(smooth_rgb(30, 40)).save(source)
    path = folder / "page.html"
    run_lerf("compare", source, "-o", path, "--scale", 4, "--bank", "lerf-p", "--bank", "lerf-l",
             "--kernel", "lanczos3", "-q")  # fmt: skip
    return path


def seconds_of(dom):
    answer = json.loads(
        re.search(r'data-answer="([^"]*)"', dom)[1].replace("&quot;", '"').replace("&amp;", "&")
    )
    return answer, {what: rest for what, *rest in answer["log"]}


def right_from(state):
    """Return where the right result begins, in percent."""
    return float(re.search(r"([\d.]+)%\)", state[0])[1])


@pytest.mark.slow
def test_divider_zoom_and_names_in_a_browser(page, tmp_path):
    made = tmp_path / "probe.html"
    made.write_text(page.read_text("utf-8").replace("</body>", PROBE + "</body>"), "utf-8")
    answer, state = seconds_of(dom_of(made, tmp_path))
    assert answer["sizes"] == [[160, 120]] * 2
    assert answer["loaded"] == []
    assert right_from(state["start"]) == 50
    assert state["start"][1:3] == ["lerf-p", "lerf-l"]
    assert right_from(state["slider"]) == 25
    assert right_from(state["arrow"]) == pytest.approx(26)
    assert right_from(state["divider"]) == pytest.approx(75, abs=0.3)
    assert state["swap"][1:3] == ["lerf-l", "lerf-p"]
    assert state["next"][1:3] == ["lerf-l", "lerf-l"]
    assert state["one"][3] == "100%"
    assert state["in"][3] == "125%"
    places = [
        np.array(re.findall(r"-?[\d.]+(?=px)", state[name][4]), float) for name in ("in", "pan")
    ]
    assert np.allclose(places[1] - places[0], (10, 5))
    assert state["pinch"][3] == "250%"
    assert state["wheel"][3] == "92.0%"
    assert state["fit"][3] == state["start"][3]
    assert state["chosen"][1] == "lanczos3"


@pytest.mark.slow
def test_an_address_opens_a_view(page, tmp_path):
    dom = dom_of(page, tmp_path, hash_text="left=2&right=0&split=0.3&zoom=2")
    assert re.search(r'id="rightSide" style="clip-path: inset\(0px 0px 0px 30%\)', dom)
    assert '<output id="zoom" aria-live="polite">200%</output>' in dom
    assert re.search(r'id="leftTag">lanczos3<', dom)


def test_names_are_escaped_and_nothing_is_loaded(page):
    text = page.read_text("utf-8")
    assert "a &lt;i&gt;&amp;&quot;&#x27;.png, x4</title>" in text
    assert "<i>" not in text
    assert (
        re.search(r"https?:|//[a-z]+\.", re.sub(r"data:image/png;base64,[\w+/=]+", "", text))
        is None
    )
    assert "default-src 'none'; img-src data:" in text
