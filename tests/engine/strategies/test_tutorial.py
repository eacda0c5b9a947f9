"""The tutorial's strategy is the one that is run here, read from the page."""

import math
import re
from pathlib import Path

import pytest

from domain.desired import NOTHING, Qty, Strength
from engine.strategies import registry
from tests.engine.strategies.harness import BTC, Bench

PAGE = Path(__file__).parents[3] / "docs" / "tutorial-strategy-author.md"


@pytest.fixture
def code(tmp_path):
    """The page's strategy file in a folder of its own."""
    example, *_ = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "reversal.py").write_text(example)
    return registry.load("reversal", tmp_path).strategy


@pytest.fixture
def bench(code):
    bench = Bench(code.build([BTC], {"k": 2.5}))
    bench.view.warming = True
    bench.closes(*[100.0, 101.0] * 15)
    bench.view.warming = False
    return bench


def test_it_fades_what_is_far_and_leaves_at_the_mean(bench):
    assert bench.closes(100.0) is NOTHING
    desired = bench.closes(90.0)
    want = desired.targets[0].want
    assert isinstance(want, Strength)
    assert want.value == 1.0
    assert want.stop_distance == pytest.approx(0.9)
    assert desired.protections[0].stop == pytest.approx(89.1)
    bench.fill(1, 90.0, 0.5, desired.targets[0].entry)
    assert bench.closes(91.0) is desired
    assert bench.closes(100.5).targets[0].want == Qty(0.0)


def test_a_fired_stop_ends_the_entry(bench):
    entry = bench.closes(90.0).targets[0].entry
    bench.fill(1, 90.0, 0.5, entry)
    assert bench.fill(-1, 89.0, 0.5, entry, protective=True) is NOTHING
    assert bench.closes(98.0) is NOTHING


def test_a_restart_in_the_middle_changes_nothing(code):
    plain, restarted = Bench(code.build([BTC], {"bars": 5, "k": 1.0})), Bench(code.build([BTC], {"bars": 5, "k": 1.0}))
    wanted = 0
    for i in range(300):
        close = 100 + 3 * math.sin(i) + 5 * math.sin(i / 9)
        assert plain.closes(close) == restarted.closes(close)
        restarted.save_and_restore()
        wanted += bool(plain.desired.targets)
    assert wanted


def test_the_page_names_only_indicators_that_exist():
    from engine import indicators

    for name in indicators.__all__:
        assert f"`{name}`" in PAGE.read_text(), name
