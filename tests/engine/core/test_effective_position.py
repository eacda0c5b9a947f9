"""Rule 1: effective position = filled + working + in flight, an UNKNOWN order at its worst side."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain import events as e
from domain.order import Cancel, OrderStatus, Query
from engine.core.executor import targets
from tests.engine.core.rig import Rig, of, places, target, wants


def test_what_is_in_flight_is_not_ordered_again() -> None:
    rig = Rig().start()
    (place,) = places(rig.want(wants(target(0.5))))
    assert place.qty == 500
    assert places(rig.want(wants(target(0.5)), bid=600_005)) == []
    (more,) = places(rig.want(wants(target(0.7))))
    assert more.qty == 200


def test_without_counting_what_is_in_flight_the_target_would_be_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mutation: with the rule switched off, the same wishes order twice."""
    monkeypatch.setattr(targets, "in_flight", lambda order: 0)
    rig = Rig().start()
    rig.touch()
    rig.want(wants(target(0.5)))
    assert [place.qty for place in places(rig.want(wants(target(0.7))))] == [700]


def test_a_partly_filled_order_counts_with_what_is_left_of_it() -> None:
    rig = Rig().start()
    (place,) = places(rig.want(wants(target(0.5))))
    rig.accept(place)
    rig.fill(place, 200)
    assert places(rig.want(wants(target(0.6)))) != []
    assert places(rig.sent)[0].qty == 100


def test_an_order_without_an_answer_becomes_unknown_and_is_asked_about_not_sent_again() -> None:
    rig = Rig().start()
    (place,) = places(rig.want(wants(target(0.5))))
    rig.sent.clear()
    rig.wait(2)
    assert rig.order(place.cid).status is OrderStatus.UNKNOWN
    assert of(rig.sent, Query)
    assert places(rig.sent) == []
    assert places(rig.want(wants(target(0.5)), bid=600_002)) == []


def test_an_unknown_order_counts_as_filled_when_more_is_wanted() -> None:
    rig = Rig().start()
    rig.want(wants(target(0.5)))
    rig.wait(2)
    (more,) = places(rig.want(wants(target(0.6))))
    assert more.qty == 100


def test_an_unknown_order_is_no_help_when_the_other_side_is_wanted() -> None:
    """It is cancelled, nothing is sent that could trade with it, and then the whole way is ordered."""
    rig = Rig().start()
    (place,) = places(rig.want(wants(target(0.5))))
    rig.wait(2)
    sent = rig.want(wants(target(-0.3)))
    assert [c.cid for c in of(sent, Cancel)] == [place.cid]
    assert places(sent) == []
    rig.cancelled(place.cid)
    rig.wait(1)
    assert [(p.side, p.qty) for p in places(rig.sent)] == [(-1, 300)]


def test_absence_frees_the_quantity_only_after_the_validity_window() -> None:
    rig = Rig().start()
    (place,) = places(rig.want(wants(target(0.5))))
    rig.wait(2)
    rig.ingest(e.OrderReport(cid=place.cid, found=False))
    assert rig.order(place.cid).status is OrderStatus.UNKNOWN
    rig.sent.clear()
    rig.wait(4)
    rig.ingest(e.OrderReport(cid=place.cid, found=False))
    assert rig.order(place.cid).status is OrderStatus.ABSENT
    assert [p.qty for p in places(rig.sent)] == [500]


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.integers(-8, 8), st.sampled_from(["none", "accept", "part", "all", "unknown"])), max_size=12)
)
def test_whatever_is_answered_the_worst_case_never_passes_the_largest_target(steps: list[tuple[int, str]]) -> None:
    """All open orders of one side filling at once lead no further than the targets that were wanted."""
    rig = Rig().start()
    reach = {1: 0, -1: 0}
    for lots, answer in steps:
        reach[1], reach[-1] = max(reach[1], lots * 100), min(reach[-1], lots * 100)
        for place in places(rig.want(wants(target(lots / 10)), bid=600_000 + rig.fills % 7)):
            if answer not in {"none", "unknown"}:
                rig.accept(place)
            if answer in {"part", "all"}:
                rig.fill(place, place.qty // 2 or 1 if answer == "part" else 0)
        if answer == "unknown":
            rig.wait(2)
        working = rig.slot().orders.values()
        assert rig.held() == rig.position
        assert rig.position + sum(o.leaves for o in working if o.side > 0) <= reach[1]
        assert rig.position - sum(o.leaves for o in working if o.side < 0) >= reach[-1]
