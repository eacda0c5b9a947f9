"""Fail-over: a venue is out, its strategy reads and trades another one, nothing is doubled, and it comes back."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from domain import events as e
from domain.account import VenueOperation
from domain.commands import Approve, Flatten, SetHold, UnloadStrategy
from domain.desired import NOTHING, Desired, Protection, Qty, Quote, Take, Target
from domain.facts import Alerted, RequestChanged
from domain.instrument import Instrument
from domain.market import Bar, Bbo, Feed, FeedKind, FeedState, FeedStatus
from domain.order import Cancel, OrderKind, Place
from domain.settings import (
    SECOND_NS,
    AccountSpec,
    ApprovalSettings,
    BreakerRule,
    BreakerSettings,
    ExecutionSettings,
    FailoverSpec,
    Limits,
    RiskSettings,
    StrategySpec,
)
from domain.strategy import Params, View
from engine.core.failover import objection, with_backups
from tests.engine.core.rig import SETTINGS, Rig, Script, of, places

A = Instrument(id="BTC-USDC-PERP.ALPHA", venue_symbol="BTC", price_decimals=1, qty_decimals=3)
B = Instrument(id="BTC-USDT-PERP.BETA", venue_symbol="BTCUSDT", price_decimals=2, qty_decimals=4, lot=10, tick=10)
AT_A, AT_B = "ALPHA:main", "BETA:main"
BACKUP = FailoverSpec(instrument=A.id, backup=B.id, account=AT_B)
PAIR = replace(
    SETTINGS,
    instruments=(A, B),
    accounts=tuple(AccountSpec(id=name, deposit=Decimal(1_000_000)) for name in (AT_A, AT_B)),
    breakers=BreakerSettings(exchange_failure=BreakerRule(cool_down_ns=60 * SECOND_NS)),
    execution=ExecutionSettings(reconcile_every_ns=0),
    failover=(BACKUP,),
)
SPEC = StrategySpec(id="pair", kind="script", account=AT_A, instruments=(A.id,))


class Two(Rig):
    """A rig with a strategy on ALPHA that has a backup on BETA; `prices` shows the market of both, or of one."""

    def begin_pair(self) -> Two:
        self.start(load=False)
        self.load(SPEC)
        self.script = self.script_of(SPEC.id)
        self.prices()
        self.sent.clear()
        return self

    def prices(self, *, a: bool = True, b: bool = True, at: int = 60_000) -> None:
        if a:
            self.ingest(Bbo(instrument=A.id, bid=at * 10, bid_qty=1_000, ask=at * 10 + 10, ask_qty=1_000))
        if b:
            self.ingest(Bbo(instrument=B.id, bid=at * 100 + 500, bid_qty=10_000, ask=at * 100 + 600, ask_qty=10_000))

    def aim(self, *parts: Target | Quote | Protection | Take, a: bool = True, b: bool = True) -> list[Place]:
        """The strategy wants these; what is placed because of it."""
        self.sent.clear()
        self.script.wants = Desired(
            targets=tuple(p for p in parts if isinstance(p, Target)),
            quotes=tuple(p for p in parts if isinstance(p, Quote)),
            protections=tuple(p for p in parts if isinstance(p, Protection)),
            takes=tuple(p for p in parts if isinstance(p, Take)),
        )
        self.prices(a=a, b=b)
        return places(self.sent)

    def get(self, place: Place, qty: int = 0) -> None:
        """The venue takes the order and fills it."""
        self.accept(place)
        self.fill(place, qty, 600_000 if place.instrument == A.id else 6_000_000)

    def die(self) -> None:
        """ALPHA fails three times: its breaker opens."""
        for _ in range(3):
            self.ingest(e.VenueTrouble(venue="ALPHA", operation=VenueOperation.ORDERS, text="503"))
            self.now_ns += SECOND_NS
            self.prices(a=False)

    def recover(self) -> None:
        """ALPHA's cool-down passes, and the minute in which it has to be well."""
        self.wait(61)
        self.prices()
        self.wait(61)
        self.prices()

    def on_backup(self) -> bool:
        stands = self.core.state.failovers.get(A.id)
        return stands is not None and stands.on_backup

    def net(self) -> float:
        return self.held(A.id, AT_A) / 1_000 + self.held(B.id, AT_B) / 10_000


def target(qty: float, entry: str = "e1") -> Target:
    return Target(instrument=A.id, want=Qty(qty), entry=entry)


def bid(price: float, qty: float = 0.1, side: int = 1) -> Quote:
    return Quote(instrument=A.id, side=side, price=price, qty=qty)


def where(sent: list[Place]) -> list[tuple[str, int, bool]]:
    return [(place.account, place.side * place.qty, place.reduce_only) for place in sent]


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


def test_silent_market_data_moves_it_too_and_prices_alone_bring_it_back_after_a_while(rig: Two) -> None:
    rig.ingest(FeedStatus(venue="ALPHA", state=FeedState.STALE, instrument=A.id))
    assert rig.on_backup()
    rig.now_ns += 5 * SECOND_NS
    rig.prices()
    assert rig.on_backup()
    rig.wait(59)
    assert rig.on_backup()
    rig.wait(2)
    assert not rig.on_backup()
    assert rig.alerts().count("failback") == 1


def test_a_feed_that_has_not_begun_yet_is_no_reason(rig: Two) -> None:
    fresh = Two(PAIR).start(load=False)
    assert isinstance(fresh, Two)
    fresh.load(SPEC)
    fresh.prices(a=False)
    assert not fresh.on_backup()


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


def test_the_strategy_sees_the_backups_market_and_its_whole_position(rig: Two) -> None:
    seen: list[tuple[str, float, float]] = []

    def look(view: View) -> Desired:
        bbo = view.bbo(A.id)
        assert bbo is not None
        seen.append((view.instrument, bbo.bid, view.position(A.id)))
        return Desired(targets=(target(0.5),))

    rig.die()
    rig.get(rig.aim(target(0.5), a=False)[0])
    rig.script.wants = look
    rig.prices(at=61_000)
    assert seen[-1] == (A.id, 61_005.0, 0.5)
    assert len(seen) == 1


def test_bars_of_the_backup_come_as_bars_of_the_instrument_and_none_comes_twice() -> None:
    class Bars(Script):
        def feeds(self) -> tuple[Feed, ...]:
            return (Feed(kind=FeedKind.BAR, instrument=A.id, interval_ns=60 * SECOND_NS),)

    closes: list[tuple[str, int, float]] = []

    def look(view: View) -> Desired:
        closes.append((view.bar.instrument, view.bar.ts_ns // (60 * SECOND_NS), view.close))
        return NOTHING

    rig = Two(PAIR).start(load=False)
    assert isinstance(rig, Two)
    script = Bars((A.id,), Params())
    script.wants = look
    rig.load(SPEC, script)

    def bar(instrument: Instrument, minute: int, close: int) -> Bar:
        return Bar(
            instrument=instrument.id,
            interval_ns=60 * SECOND_NS,
            open_ts_ns=(minute - 1) * 60 * SECOND_NS,
            open=close,
            high=close,
            low=close,
            close=close,
            volume=10,
        )

    rig.prices()
    rig.ingest(bar(A, 1, 600_000))
    rig.ingest(bar(B, 1, 6_000_500))
    rig.die()
    assert rig.on_backup()
    rig.ingest(bar(B, 1, 6_000_500))
    rig.ingest(bar(B, 2, 6_001_500))
    rig.ingest(bar(A, 2, 600_100))
    rig.recover()
    rig.ingest(bar(A, 2, 600_100))
    rig.ingest(bar(A, 3, 600_200))
    assert closes == [(A.id, 1, 60_000.0), (A.id, 2, 60_015.0), (A.id, 3, 60_020.0)]
    assert [feed.instrument for feed in with_backups(rig.core, rig.core.views["pair"])] == [A.id, B.id]


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
