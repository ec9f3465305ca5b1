"""The states of a preview, on a screen without napari."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from lerf_plugins.napari.preview.machine import PreviewMachine, PreviewState, Request

SOURCES = ("a", "b")


class FakeScreen:
    """Computes when it is told to, and writes down what happens."""

    def __init__(self):
        self.layer = None
        self.source = None
        self.block = None
        self.running = None
        self.words = []
        self.is_on = False
        self.takes_results = True

    def compute(self, request, arrived):
        assert self.running is None, "one block at a time"
        self.running = (request, arrived)

    def finish(self, outcome):
        (request, arrived), self.running = self.running, None
        arrived(outcome)
        return request

    def show(self, request, block):
        self.layer, self.source, self.block = "preview", request.source, block
        return f"shows {block}"

    def show_nothing(self):
        self.block = None

    def take_away(self):
        self.layer = self.source = self.block = None

    forget = take_away

    def adopt(self, source, pixels, state):
        if self.layer is None or not self.takes_results:
            return None
        self.layer = self.source = self.block = None
        return ("result", source, pixels, state)

    def switched(self, on):
        self.is_on = on

    def tell(self, words):
        self.words.append(words)


@pytest.fixture
def screen():
    return FakeScreen()


@pytest.fixture
def machine(screen):
    machine = PreviewMachine(screen)
    machine.switch(True)
    return machine


def request(name, source="a"):
    return Request(source, name, None)


def test_from_asking_to_showing(machine, screen):
    assert machine.state == "idle"
    machine.ask(request("x2"))
    assert machine.state == "computing"
    screen.finish(1)
    assert machine.state == "shown"
    machine.switch(False)
    assert machine.state == "idle"
    assert screen.layer is None


def test_off_nothing_happens(screen):
    machine = PreviewMachine(screen)
    machine.ask(request("x2"))
    machine.refuse("a", "no")
    machine.leave("3-D")
    assert (machine.state, screen.running, screen.words) == ("idle", None, [])


def test_the_last_good_preview_stays(machine, screen):
    machine.ask(request("good"))
    screen.finish(1)
    machine.refuse("a", "The corners cross")
    assert machine.state == "failed"
    assert screen.block == 1
    assert screen.words[-1] == "The corners cross"
    assert machine.is_on
    assert screen.is_on
    machine.ask(request("good again"))
    assert machine.state == "computing"
    assert screen.block == 1
    screen.finish(2)
    assert (machine.state, screen.block) == ("shown", 2)


def test_what_was_being_computed_is_the_last_good_one(machine, screen):
    machine.ask(request("good"))
    machine.refuse("a", "no")
    screen.finish(1)
    assert (machine.state, screen.block, screen.words[-1]) == ("failed", 1, "no")


def test_a_block_that_fails(machine, screen):
    machine.ask(request("good"))
    screen.finish(1)
    machine.ask(request("bad"))
    screen.finish("no memory")
    assert (machine.state, screen.block, screen.words[-1]) == ("failed", 1, "no memory")
    # And what waits is computed still.
    machine.ask(request("bad"))
    machine.ask(request("good"))
    screen.finish("no memory")
    assert machine.state == "computing"
    screen.finish(2)
    assert (machine.state, screen.block, screen.words[-1]) == ("shown", 2, "shows 2")


def test_of_many_the_last_is_computed(machine, screen):
    for name in "abcde":
        machine.ask(request(name))
    assert screen.finish(1).operation == "a"
    assert screen.finish(2).operation == "e"
    assert screen.running is None


def test_nothing_visible_is_no_failure(machine, screen):
    machine.ask(request("good"))
    screen.finish(1)
    machine.ask(request("far away"))
    screen.finish(None)
    assert (machine.state, screen.block) == ("shown", None)
    assert "nothing" in screen.words[-1]


def test_what_is_asked_for_while_a_block_is_shown(machine, screen):
    """To show a layer may move the view."""

    def show(asked, block):
        screen.layer, screen.block = "preview", block
        if block == 1:
            machine.ask(request("moved"))
        return "shown"

    screen.show = show
    machine.ask(request("first"))
    screen.finish(1)
    assert machine.state == "computing"
    assert screen.running[0].operation == "moved"
    screen.finish(2)
    assert (machine.state, screen.block) == ("shown", 2)


def test_3d_takes_it_away_and_2d_brings_it_back(machine, screen):
    machine.ask(request("good"))
    screen.finish(1)
    machine.ask(request("better"))
    machine.leave("in 2-D")
    assert (machine.state, screen.layer, screen.words[-1]) == ("failed", None, "in 2-D")
    screen.finish(2)
    assert (machine.state, screen.layer, screen.words[-1]) == ("failed", None, "in 2-D")
    machine.ask(request("good"))
    screen.finish(3)
    assert (machine.state, screen.block) == ("shown", 3)


def test_another_source(machine, screen):
    machine.ask(request("x2"))
    screen.finish(1)
    machine.ask(request("x2", "b"))
    assert (machine.state, screen.layer) == ("computing", None)
    screen.finish(2)
    assert screen.source == "b"


def test_a_source_that_is_removed(machine, screen):
    machine.ask(request("x2"))
    screen.finish(1)
    machine.ask(request("x3"))
    machine.removed("a")
    assert (machine.state, screen.layer, machine.is_on) == ("idle", None, True)
    screen.finish(2)
    assert (machine.state, screen.layer) == ("idle", None)


def test_a_preview_that_the_user_removes(machine, screen):
    machine.ask(request("x2"))
    screen.finish(1)
    machine.removed("preview")
    assert (machine.state, screen.layer, machine.is_on, screen.is_on) == (
        "idle",
        None,
        False,
        False,
    )


def test_results(machine, screen):
    machine.ask(request("x2"))
    screen.finish(1)
    assert machine.become("b", "pixels", {}) is None
    assert machine.is_on
    assert machine.become("a", "pixels", {}) == ("result", "a", "pixels", {})
    assert (machine.state, screen.layer, machine.is_on) == ("idle", None, False)


def test_results_that_do_not_fit(machine, screen):
    screen.takes_results = False
    machine.ask(request("x2"))
    screen.finish(1)
    assert machine.become("a", "levels", {}) is None
    assert (machine.state, screen.layer, machine.is_on) == ("idle", None, False)


class Preview(RuleBasedStateMachine):
    """Any order of events."""

    def __init__(self):
        super().__init__()
        self.screen = FakeScreen()
        self.machine = PreviewMachine(self.screen)
        self.asked = 0

    @rule(on=st.booleans())
    def switch(self, on):
        self.machine.switch(on)

    @rule(source=st.sampled_from(SOURCES))
    def ask(self, source):
        self.asked += 1
        self.last = request(self.asked, source)
        self.machine.ask(self.last)
        assert (self.machine.state == "computing") == self.machine.is_on

    @rule(source=st.sampled_from(SOURCES))
    def refuse(self, source):
        before = (self.screen.source, self.screen.block)
        self.machine.refuse(source, "no")
        if self.machine.is_on and before[0] == source:
            assert (self.screen.source, self.screen.block) == before

    @rule()
    def leave(self):
        self.machine.leave("3-D")
        assert self.screen.layer is None

    @rule()
    def rest(self):
        self.machine.rest()
        assert self.machine.state == "idle"

    @rule(layer=st.sampled_from((*SOURCES, "preview", "other")))
    def remove(self, layer):
        if layer != "preview" or self.screen.layer is not None:
            self.machine.removed(layer)

    @rule(source=st.sampled_from(SOURCES), fits=st.booleans())
    def become(self, source, fits):
        self.screen.takes_results = fits
        self.machine.become(source, "pixels", {})

    @precondition(lambda self: self.screen.running is not None)
    @rule(kind=st.sampled_from(("block", "nothing", "words")))
    def finish(self, kind):
        operation = self.screen.running[0].operation
        self.screen.finish({"block": operation, "nothing": None, "words": "why"}[kind])
        if self.machine.state == "shown":
            assert operation == self.asked
            assert self.screen.block == (operation if kind == "block" else None)

    @invariant()
    def what_holds(self):
        machine, screen = self.machine, self.screen
        assert screen.is_on == machine.is_on
        if not machine.is_on:
            assert machine.state == "idle"
        if machine.state == "idle":
            assert screen.layer is None
        if machine.state == "computing":
            assert screen.running is not None
        assert isinstance(machine.state, PreviewState)


Preview.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestAnyOrder = Preview.TestCase
