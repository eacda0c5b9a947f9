"""Counting what a venue counts."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.order import Amend, ArmDeadMan, Cancel, OrderKind, Place, Query
from exchanges.shared.meters import KEPT, NEVER, SLOTS, Allowance, Priority, Steps, Window, priority_of

MINUTE = 60_000_000_000
SECOND = 1_000_000_000


def fill(meter: Window | Allowance, priority: Priority, now_ns: int) -> int:
    """Take as many single requests as go at once."""
    count = 0
    while meter.fits(1, priority, now_ns):
        meter.take(1, priority, now_ns)
        count += 1
    return count


def test_each_priority_goes_as_far_as_its_share():
    window = Window("orders", 100, SECOND)
    assert fill(window, Priority.READ, 0) == 90
    assert fill(window, Priority.ADD, 0) == 0
    assert fill(window, Priority.REDUCE, 0) == 5
    assert fill(window, Priority.CANCEL, 0) == 5
    assert window.reserve == 10


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 10, 600])
def test_a_small_limit_still_keeps_something_for_cancels(limit):
    window = Window("orders", limit, SECOND)
    ordinary = fill(window, Priority.ADD, 0)
    assert ordinary >= 1
    assert ordinary + fill(window, Priority.CANCEL, 0) == limit
    assert limit == 1 or ordinary < limit


def test_what_is_out_of_the_window_is_forgotten_and_the_wait_says_when():
    window = Window("orders", 10, SECOND)
    fill(window, Priority.CANCEL, 0)
    wait_ns = window.wait_ns(10, Priority.CANCEL, 0)
    assert SECOND < wait_ns <= SECOND * KEPT // SLOTS
    assert not window.fits(10, Priority.CANCEL, wait_ns - 1)
    assert window.fits(10, Priority.CANCEL, wait_ns)
    assert window.wait_ns(11, Priority.CANCEL, 0) == NEVER


def test_a_clock_that_goes_back_gives_nothing_away():
    window = Window("orders", 10, SECOND)
    window.take(10, Priority.CANCEL, 100 * SECOND)
    assert not window.fits(1, Priority.CANCEL, 50 * SECOND)
    assert window.fits(10, Priority.CANCEL, 102 * SECOND)


def test_the_venues_own_count_adds_what_others_have_sent_and_takes_nothing_back():
    window = Window("weight", 100, MINUTE)
    window.take(20, Priority.READ, 0)
    window.seen(50, 1)
    assert window.used(1) == 50
    window.seen(10, 2)
    assert window.used(2) == 50


def test_a_stop_of_the_venue_holds_for_everybody():
    window = Window("weight", 100, MINUTE)
    window.hold(5 * SECOND)
    window.hold(3 * SECOND)
    assert not window.fits(1, Priority.CANCEL, 5 * SECOND - 1)
    assert window.wait_ns(1, Priority.CANCEL, 0) == 5 * SECOND
    assert window.fits(1, Priority.READ, 5 * SECOND)


def test_a_limit_that_allows_nothing_is_refused():
    with pytest.raises(ValueError, match="orders: a limit of 0"):
        Window("orders", 0, SECOND)


@given(
    st.integers(1, 50),
    st.lists(st.tuples(st.integers(0, SECOND // 3), st.integers(1, 5), st.sampled_from(Priority)), max_size=300),
)
def test_no_window_ever_holds_more_than_the_limit(limit, asked):
    window, now_ns, sent = Window("orders", limit, SECOND), 0, list[tuple[int, int, Priority]]()
    for pause_ns, cost, priority in asked:
        now_ns += pause_ns
        if window.fits(cost, priority, now_ns):
            assert window.wait_ns(cost, priority, now_ns) == 0
            window.take(cost, priority, now_ns)
            sent.append((now_ns, cost, priority))
        elif (wait_ns := window.wait_ns(cost, priority, now_ns)) != NEVER:
            assert 0 < wait_ns <= SECOND * KEPT // SLOTS
    for start_ns, _, _ in sent:
        inside = [(cost, who) for at_ns, cost, who in sent if start_ns <= at_ns <= start_ns + SECOND]
        assert sum(cost for cost, _ in inside) <= limit
        assert sum(cost for cost, who in inside if who is not Priority.CANCEL) <= window.tops[Priority.REDUCE]


def test_an_allowance_is_for_life_and_then_drips():
    allowance = Allowance("address", 100, 200, 10 * SECOND)
    assert allowance.left(Priority.ADD) == 90
    assert fill(allowance, Priority.ADD, 0) == 91, "the last one is the first of those every ten seconds"
    assert not allowance.fits(1, Priority.ADD, 10 * SECOND - 1)
    assert allowance.wait_ns(1, Priority.ADD, 4 * SECOND) == 6 * SECOND
    assert allowance.fits(1, Priority.ADD, 10 * SECOND)
    assert allowance.wait_ns(2, Priority.ADD, 10 * SECOND) == NEVER
    assert fill(allowance, Priority.REDUCE, 0) == 9
    assert fill(allowance, Priority.CANCEL, 0) == 100, "cancels have more than the others"


def test_an_allowance_grows_by_the_venues_word():
    allowance = Allowance("address", 100, 200, 10 * SECOND)
    fill(allowance, Priority.ADD, 0)
    allowance.told(91, 1_000, 2_000)
    assert allowance.left(Priority.ADD) == 809
    assert allowance.used(0) == 91


def test_intents_have_their_priority():
    ids: dict[str, Any] = {"cid": "a", "account": "X:main", "instrument": "BTC-USDC-PERP.X"}
    place: dict[str, Any] = {**ids, "side": 1, "kind": OrderKind.LIMIT, "qty": 1, "price": 1}
    assert priority_of(Cancel(**ids)) is Priority.CANCEL
    assert priority_of(ArmDeadMan(account="X:main", deadline_ns=0)) is Priority.CANCEL
    assert priority_of(Place(**place, reduce_only=True)) is Priority.REDUCE
    assert priority_of(Place(**place, adds_risk=False)) is Priority.REDUCE
    assert priority_of(Amend(**ids, price=1, qty=1, adds_risk=False)) is Priority.REDUCE
    assert priority_of(Amend(**ids, price=1, qty=1)) is Priority.AMEND
    assert priority_of(Place(**place)) is Priority.ADD
    assert priority_of(Query(**ids)) is Priority.READ


def test_each_step_of_an_allowance_is_crossed_once_and_not_again_and_again():
    steps = Steps()
    seen = [(left, steps.step) for left in range(1_000, -1, -1) if steps.crossed(left, 1_000)]
    assert seen == [(1_000, 0), (500, 1), (250, 2), (100, 3), (50, 4)]
    assert not any(steps.crossed(left, 1_000) for left in (60, 40, 62, 0, 55))
    assert [(left, steps.step) for left in range(1_001) if steps.crossed(left, 1_000)] == [
        (63, 3), (126, 2), (313, 1), (626, 0),
    ]  # fmt: skip
    assert steps.crossed(0, 1_000)
    assert steps.step == 4, "it may fall and rise through several at once"
    assert steps.crossed(400, 1_000)
    assert steps.step == 1
