"""Rule 3: a fired stop consumes its entry; the executor does not buy back what the stop has sold."""

from __future__ import annotations

import pytest

from domain.order import OrderKind, Place
from engine.core import orders
from tests.engine.core.rig import Rig, places, stop, target, wants


def with_stop(rig: Rig, entry: str = "e1") -> Place:
    """Long 0.5 with its stop resting at the venue."""
    wanted = wants(target(0.5, entry), stop(59_000.0, entry))
    for place in places(rig.want(wanted)):
        rig.accept(place)
        if place.kind is OrderKind.IOC:
            rig.fill(place)
    (resting,) = [place for place in places(rig.sent) if place.kind is OrderKind.STOP]
    rig.accept(resting)
    rig.sent.clear()
    return resting


def test_after_the_stop_has_fired_the_same_target_buys_nothing() -> None:
    rig = Rig().start()
    resting = with_stop(rig)
    rig.fill(resting, price=590_000)
    assert rig.held() == 0
    assert places(rig.sent) == []
    for bid in (590_000, 600_000, 610_000):
        assert places(rig.want(wants(target(0.5), stop(59_000.0)), bid=bid, ask=bid + 10)) == []


def test_without_the_rule_the_executor_buys_back_what_the_stop_sold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders, "PROTECTIVE", frozenset())
    rig = Rig().start()
    resting = with_stop(rig)
    rig.fill(resting, price=590_000)
    assert [place.side for place in places(rig.sent)] == [1]


def test_a_new_entry_id_may_trade_again() -> None:
    rig = Rig().start()
    rig.fill(with_stop(rig), price=590_000)
    (again,) = places(rig.want(wants(target(0.5, "e2"))))
    assert (again.side, again.qty) == (1, 500)


def test_a_consumed_entry_may_still_reduce() -> None:
    rig = Rig().start()
    resting = with_stop(rig)
    rig.fill(resting, 200, price=590_000)
    assert rig.held() == 300
    (less,) = places(rig.want(wants(target(0.1), stop(59_000.0))))[-1:]
    assert (less.side, less.qty, less.reduce_only) == (-1, 200, True)
    assert places(rig.want(wants(target(0.9), stop(59_000.0)))) == []


def test_the_entry_stays_consumed_after_a_crash() -> None:
    rig = Rig().start()
    rig.fill(with_stop(rig), price=590_000)
    rig.crash()
    rig.snapshot()
    assert places(rig.sent) == []
    assert places(rig.want(wants(target(0.5), stop(59_000.0)))) == []


def test_an_entry_without_a_name_is_consumed_too() -> None:
    rig = Rig().start()
    rig.fill(with_stop(rig, entry=""), price=590_000)
    assert places(rig.sent) == []
    assert places(rig.want(wants(target(0.5, ""), stop(59_000.0, "")))) == []
