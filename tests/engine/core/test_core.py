"""What `Core` keeps beside the state is what the state says, whatever happened."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from domain.facts import TradingState
from engine.core import breakers
from engine.core.core import Core
from engine.core.state import State
from tests.engine.core.rig import WIDE, Rig

TIMER = st.tuples(st.sampled_from(("set", "once", "drop")), st.sampled_from("abc"), st.integers(1, 5))


@given(st.lists(TIMER, max_size=30))
def test_the_next_wake_is_that_of_the_first_timer(calls: list[tuple[str, str, int]]) -> None:
    core = Core(State())
    for what, name, at_ns in calls:
        if what == "drop":
            core.drop_timer(name)
        else:
            (core.set_timer if what == "set" else core.set_timer_once)(name, at_ns)
        assert core.wake_ns == min(core.state.timers.values(), default=0)


def test_whether_anything_may_be_barred_is_known_anew_with_every_breaker_and_after_a_restart() -> None:
    rig = Rig(WIDE).start()
    slot = rig.slot()
    assert not rig.core.has_bars
    assert isinstance(breakers.force(rig.core, "dot", "PAPER"), str)
    assert rig.core.has_bars
    assert rig.core.trading_of(slot) is TradingState.REDUCING
    rig.kernel.snapshot()
    rig.crash()
    rig.snapshot()
    rig.wait(1)
    assert rig.core.has_bars
    assert rig.core.bar_of(rig.slot()) is not None
