"""Fail-over: a venue is out, its strategy reads and trades another one, nothing is doubled, and it comes back."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from domain import events as e
from domain.commands import Approve, Flatten, SetHold, UnloadStrategy
from domain.desired import Desired, Protection, Take
from domain.facts import Alerted, RequestChanged
from domain.market import FeedState, FeedStatus
from domain.order import Cancel, OrderKind
from domain.settings import (
    SECOND_NS,
    ApprovalSettings,
    FailoverSpec,
    Limits,
    RiskSettings,
    StrategySpec,
)
from engine.core.failover import objection
from tests.engine.core.rig import of, places
from tests.engine.core.two import AT_A, AT_B, BACKUP, PAIR, SPEC, A, B, Two, bid, target, where


@pytest.fixture
def rig() -> Two:
    return Two(PAIR).begin_pair()


def test_while_all_is_well_the_backup_is_not_touched(rig: Two) -> None:
    assert where(rig.aim(target(0.5))) == [(AT_A, 500, False)]


def test_an_open_breaker_moves_new_risk_to_the_backup_and_people_are_told(rig: Two) -> None:
    rig.die()
    assert rig.on_backup()
    (told,) = [alert for alert in rig.told(Alerted) if alert.kind == "failover"]
    for word in ("pair", B.id, AT_B, "instead of", "a breaker of ALPHA is open", "60 s"):
        assert word in told.text
    assert where(rig.aim(target(0.5), a=False)) == [(AT_B, 5_000, False)]


def test_nothing_moves_to_a_backup_that_is_out_itself(rig: Two) -> None:
    rig.ingest(FeedStatus(venue="BETA", state=FeedState.DOWN))
    rig.ingest(FeedStatus(venue="ALPHA", state=FeedState.DOWN))
    assert not rig.on_backup()
    rig.prices(a=False)
    assert rig.on_backup()


def test_an_order_that_was_never_answered_counts_as_filled(rig: Two) -> None:
    (lost,) = rig.aim(target(0.5))
    rig.die()
    assert rig.on_backup()
    assert where(rig.aim(target(0.5), a=False)) == []
    assert where(rig.aim(target(0.8), a=False)) == [(AT_B, 3_000, False)]
    rig.get(places(rig.sent)[0])
    rig.fill(lost)
    assert rig.net() == pytest.approx(0.8)
    assert where(places(rig.sent)[1:]) == []


def test_once_the_order_is_known_to_be_absent_the_backup_takes_over_what_is_missing(rig: Two) -> None:
    (lost,) = rig.aim(target(0.5))
    rig.die()
    rig.wait(6)
    rig.sent.clear()
    rig.ingest(e.OrderReport(cid=lost.cid, found=False))
    assert where(places(rig.sent)) == [(AT_B, 5_000, False)]


def test_what_is_held_at_the_venue_that_is_out_is_only_reduced_and_never_hedged(rig: Two) -> None:
    rig.get(rig.aim(target(0.5))[0])
    rig.die()
    sent = rig.aim(target(0.2), a=False)
    assert where(sent) == [(AT_A, -300, True)]
    sent = rig.aim(target(-0.2, "e2"), a=False)
    assert (AT_B, -2_000, False) in where(sent)
    assert all(place.reduce_only for place in sent if place.account == AT_A)
    rig.get(next(place for place in sent if place.account == AT_B))
    assert rig.net() == pytest.approx(0.3)


def test_the_backups_filled_quantity_is_protected_at_the_backup(rig: Two) -> None:
    stop = Protection(instrument=A.id, entry="e1", stop=59_000.0, take_profit=62_000.0)
    first = rig.aim(target(0.5), stop)
    rig.get(first[0])
    rested = [place for place in places(rig.sent) if place.trigger]
    for place in rested:
        rig.accept(place)
    rig.die()
    sent = rig.aim(target(0.8), stop, a=False)
    rig.sent.clear()
    rig.get(sent[0], 2_000)
    rested_b = [place for place in places(rig.sent) if place.trigger]
    assert [(p.account, p.kind, p.qty, p.trigger, p.reduce_only) for p in rested_b] == [
        (AT_B, OrderKind.STOP, 2_000, 5_900_000, True),
        (AT_B, OrderKind.TAKE_PROFIT, 2_000, 6_200_000, True),
    ]
    assert not of(rig.sent, Cancel)


def test_a_stop_that_fired_at_the_backup_is_bought_back_nowhere(rig: Two) -> None:
    stop = Protection(instrument=A.id, entry="e1", stop=59_000.0)
    rig.die()
    rig.get(rig.aim(target(0.5), stop, a=False)[0])
    (resting,) = [place for place in places(rig.sent) if place.trigger]
    rig.accept(resting)
    rig.fill(resting, price=5_900_000)
    assert rig.net() == 0
    rig.sent.clear()
    rig.prices(a=False, at=58_900)
    rig.recover()
    assert places(rig.sent) == []
    assert [place.account for place in rig.aim(target(0.2, "e2"))] == [AT_A]


def test_back_again_new_risk_goes_to_the_primary_and_the_backup_is_only_reduced(rig: Two) -> None:
    rig.die()
    rig.get(rig.aim(target(0.5), a=False)[0])
    rig.sent.clear()
    rig.recover()
    assert not rig.on_backup()
    assert places(rig.sent) == []
    more = rig.aim(target(0.8))
    assert [(place.account, place.reduce_only) for place in more] == [(AT_A, False)]
    rig.get(more[0])
    less = rig.aim(target(0.1))
    assert [(place.account, place.reduce_only) for place in less if place.account == AT_B] == [(AT_B, True)]
    assert all(place.reduce_only for place in less)


def test_a_turn_back_at_the_primary_closes_the_backup_and_opens_there_at_most_the_target(rig: Two) -> None:
    rig.die()
    rig.get(rig.aim(target(0.4), a=False)[0])
    rig.recover()
    sent = rig.aim(target(-0.2, "e2"))
    assert (AT_B, -4_000, True) in where(sent)
    assert sum(place.qty for place in sent if place.account == AT_A) <= 200


def test_quotes_move_and_none_is_left_at_the_primary(rig: Two) -> None:
    (resting,) = rig.aim(bid(59_900.0))
    rig.accept(resting)
    rig.sent.clear()
    rig.die()
    assert [cancel.cid for cancel in of(rig.sent, Cancel)] == [resting.cid]
    assert places(rig.sent) == []
    rig.cancelled(resting.cid)
    (moved,) = places(rig.sent)
    assert (moved.account, moved.qty, moved.price, moved.kind) == (AT_B, 1_000, 5_990_000, OrderKind.POST_ONLY)
    rig.accept(moved)
    rig.recover()
    assert moved.cid in [cancel.cid for cancel in of(rig.sent, Cancel)]
    rig.cancelled(moved.cid)
    assert [place.account for place in places(rig.sent)[1:]] == [AT_A]


def test_a_quotes_strategys_inventory_at_the_backup_is_worked_off_there(rig: Two) -> None:
    rig.die()
    (quote,) = rig.aim(bid(59_900.0), a=False)
    rig.get(quote)
    rig.recover()
    sent = rig.aim(bid(60_100.0, 0.3, side=-1))
    assert where(sent) == [(AT_B, -1_000, True), (AT_A, -50, False)], "ALPHA is half open: a quarter of 0.2"


def test_takes_do_not_move(rig: Two) -> None:
    rig.die()
    soon = rig.now_ns + 3_600 * SECOND_NS
    take = Take(instrument=A.id, id="t1", side=1, qty=0.1, limit=60_001.0, expires_ns=soon)
    assert rig.aim(take, a=False) == []
    assert rig.refusals()[-1] == "BREAKER_OPEN"
    rig.wait(61)
    rig.prices()
    assert rig.aim(replace(take, id="t2")) == []
    assert rig.refusals()[-1] == "FAILED_OVER"


def test_a_persons_hold_of_the_instrument_holds_the_backup_too(rig: Two) -> None:
    rig.command(SetHold(account=AT_A, instrument=A.id), "dot")
    rig.die()
    assert rig.aim(target(0.5), bid(59_900.0), a=False) == []


def test_flatten_closes_both_halves(rig: Two) -> None:
    rig.get(rig.aim(target(0.5))[0])
    rig.die()
    rig.get(rig.aim(target(0.8), a=False)[0])
    rig.sent.clear()
    rig.command(Flatten(), "dot")
    assert sorted(where(places(rig.sent))) == [(AT_A, -500, True), (AT_B, -3_000, True)]


def test_limits_hold_for_the_sum_of_both_halves() -> None:
    tight = replace(
        PAIR,
        risk=RiskSettings(
            default_limits=Limits(max_position_notional=Decimal(36_000), max_order_notional=Decimal(36_000))
        ),
    )
    rig = Two(tight).begin_pair()
    (lost,) = rig.aim(target(0.5))
    rig.die()
    sent = rig.aim(target(5.0), a=False)
    assert sum(place.qty for place in sent) / 10_000 + lost.qty / 1_000 <= 0.6
    soon = rig.now_ns + SECOND_NS
    take = Take(instrument=A.id, id="t1", side=1, qty=0.5, limit=60_001.0, expires_ns=soon)
    assert rig.aim(target(5.0), take, a=False) == []


def test_what_is_large_asks_at_the_backup_as_it_would_at_home() -> None:
    rig = Two(replace(PAIR, approvals=ApprovalSettings(large_fraction=Decimal("0.03")))).begin_pair()
    rig.die()
    assert rig.aim(target(0.8), a=False) == []
    (request,) = rig.told(RequestChanged)
    rig.sent.clear()
    assert rig.command(Approve(request=request.request), "bob").ok
    assert where(places(rig.sent)) == [(AT_B, 8_000, False)]


def test_the_envelope_of_quotes_is_one_for_both_halves() -> None:
    rig = Two(replace(PAIR, approvals=ApprovalSettings(large_fraction=Decimal("0.006")))).begin_pair()
    (quote,) = rig.aim(bid(59_900.0, 0.5))
    assert quote.qty <= 100
    rig.get(quote)
    rig.die()
    assert rig.aim(bid(59_900.0, 0.5), a=False) == []


def test_the_backup_slot_belongs_to_the_strategy_and_is_free_again_when_it_is_unloaded(rig: Two) -> None:
    other = StrategySpec(id="other", kind="script", account=AT_B, instruments=(B.id,))
    assert "NOT_OWNER" in rig.load(other).text
    assert rig.slot(B.id, AT_B).owner == "pair"
    assert rig.command(UnloadStrategy(strategy="pair"), "dot").ok
    assert rig.core.pairs == {}
    assert rig.load(other).ok


def test_a_fail_over_outlives_a_crash(rig: Two) -> None:
    rig.die()
    rig.get(rig.aim(target(0.5), a=False)[0])
    rig.crash()
    assert rig.on_backup()
    held = e.VenuePosition(instrument=B.id, qty=5_000, entry_value=Decimal(30_000))
    rig.snapshot(AT_B, positions=(held,))
    rig.snapshot(AT_A)
    rig.script_of("pair").wants = Desired(targets=(target(0.8),))
    rig.sent.clear()
    rig.prices(a=False)
    assert where(places(rig.sent)) == [(AT_B, 3_000, False)]


def test_settings_may_not_take_a_backup_away_that_holds_something(rig: Two) -> None:
    rig.die()
    rig.get(rig.aim(target(0.5), a=False)[0])
    without = replace(PAIR, failover=())
    veto = objection(rig.core, without)
    assert veto is not None
    assert "stands in for" in veto.detail
    assert objection(rig.core, PAIR) is None
    strange = replace(PAIR, failover=(BACKUP, FailoverSpec(instrument=B.id, backup=A.id, account=AT_B)))
    assert objection(rig.core, strange) is not None


def test_a_backup_slot_in_use_is_left_alone_and_people_are_told() -> None:
    rig = Two(PAIR).start(load=False)
    assert isinstance(rig, Two)
    rig.prices()
    other = StrategySpec(id="other", kind="script", account=AT_B, instruments=(B.id,))
    rig.load(other)
    rig.load(SPEC)
    assert rig.core.pairs == {}
    (told,) = [alert.text for alert in rig.told(Alerted) if alert.kind == "no_backup"]
    assert "belongs to other" in told
    rig.die()
    assert not rig.on_backup()
