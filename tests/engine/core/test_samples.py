"""Samples: prices, equity and profit over time, and the losses measured on them."""

from __future__ import annotations

from decimal import Decimal

import msgspec
from msgspec.structs import replace

from domain import events as e
from domain.breakers import Watch
from domain.commands import Door, UnloadStrategy
from domain.facts import Alerted
from domain.settings import SECOND_NS, Limits
from engine.core import samples
from engine.core.matrix import money
from engine.core.matrix.table import key_of
from engine.core.recovery import recover, state_hash
from engine.core.state import State, decode_state, encode_state
from risk.breaker import Breaker
from tests.engine.core.rig import ACCOUNT, BTC, SETTINGS, SPEC, SUB, WIDE, Rig

MINUTE = 60
HOUR = 3_600
DAY_NS = 86_400 * SECOND_NS
MILLION = Decimal(1_000_000)
QUIET = replace(SETTINGS, execution=replace(SETTINGS.execution, reconcile_every_ns=0))


def show(rig: Rig, price: float) -> None:
    """The touch is around a price."""
    rig.touch(round(price * 10) - 5, round(price * 10) + 5)


def at(rig: Rig, price: float, minutes: int = 1) -> None:
    """Let the touch be around a price for so many samples."""
    show(rig, price)
    rig.wait(minutes * MINUTE)


def trading() -> Rig:
    """The script is long ten at 60,000 on an account of a million."""
    limits = Limits(max_position_notional=10 * MILLION, max_order_notional=10 * MILLION)
    rig = Rig(replace(QUIET, risk=replace(QUIET.risk, default_limits=limits, max_exposure=10 * MILLION))).start()
    rig.hold_position(10)
    return rig


def pay(rig: Rig, cash: Decimal) -> None:
    """The venue's cash is so much more (or less) than in our books."""
    held = rig.core.state.accounts[ACCOUNT]
    rig.now_ns += 10 * SECOND_NS
    positions = tuple(
        e.VenuePosition(instrument=p.instrument, qty=p.qty, entry_value=p.entry_value) for p in held.positions.values()
    )
    rig.ingest(e.VenueSnapshot(account=ACCOUNT, cash=held.cash + cash, positions=positions, venue_ts_ns=rig.now_ns))


def test_a_minute_is_one_point_of_prices_equity_and_profit() -> None:
    rig = trading()
    at(rig, 60_000)
    at(rig, 60_600)
    kept = rig.core.state.samples
    assert kept.prices[BTC.id] == [600_000, 606_000]
    assert kept.equity == [MILLION, MILLION + 6_000]
    assert kept.pnl[SPEC.id] == [0, 6_000]
    assert kept.peaks[SPEC.id] == 6_000
    assert kept.times_ns[1] - kept.times_ns[0] == MINUTE * SECOND_NS


def test_a_faster_timer_keeps_no_more_points_but_sees_every_high() -> None:
    rig = Rig(replace(QUIET, execution=replace(QUIET.execution, equity_sample_ns=10 * SECOND_NS))).start()
    rig.touch()
    rig.wait(180)
    assert len(rig.core.state.samples.times_ns) == 3


def test_a_day_of_minutes_and_a_month_of_hours_is_all_that_is_kept() -> None:
    rig = trading()
    at(rig, 60_000, minutes=26 * 60)
    kept = rig.core.state.samples
    lengths = {len(kept.times_ns), len(kept.equity), len(kept.prices[BTC.id]), len(kept.pnl[SPEC.id])}
    assert len(lengths) == 1
    assert samples.MOST_MINUTES <= lengths.pop() <= samples.MOST_MINUTES + 60
    hours = kept.hours
    assert {len(hours.times_ns), len(hours.equity), len(hours.highs), len(hours.prices[BTC.id])} == {26}
    assert len({at_ns // (HOUR * SECOND_NS) for at_ns in hours.times_ns}) == 26
    for _ in range(samples.MOST_HOURS + 10):
        rig.core.state.ts_ns += HOUR * SECOND_NS
        samples.take(rig.core, MILLION)
    assert {len(hours.times_ns), len(hours.highs), len(hours.pnl[SPEC.id])} == {samples.MOST_HOURS}


def test_drawdown_is_from_the_highest_equity_of_the_window() -> None:
    rig = trading()
    at(rig, 60_000)
    at(rig, 70_000)  # 1,100,000
    at(rig, 59_000)  # 990,000
    assert samples.drawdown(rig.core) == Decimal("0.1")
    at(rig, 59_000, minutes=90)
    assert samples.drawdown(rig.core, HOUR * SECOND_NS) == 0
    assert samples.drawdown(rig.core, 2 * HOUR * SECOND_NS) == Decimal("0.1")
    at(rig, 59_000, minutes=30 * 60)
    assert samples.drawdown(rig.core, 28 * HOUR * SECOND_NS) == 0, "the high is 31 hours ago"
    assert samples.drawdown(rig.core, 33 * HOUR * SECOND_NS) == Decimal("0.1"), "it is known by the hour"
    assert samples.drawdown(rig.core) == Decimal("0.1")


def test_people_are_told_when_the_level_rises_and_when_it_has_calmed() -> None:
    rig = trading()
    levels = []
    for price in (60_000, 49_900, 50_100, 49_900, 45_000, 52_500, 59_000):
        at(rig, price)
        levels.append(rig.core.state.samples.level.value)
    assert levels == ["low", "medium", "medium", "medium", "high", "low", "low"]
    told = [(alert.severity.value, alert.text) for alert in rig.told(Alerted) if alert.kind == "risk_level"]
    assert [severity for severity, _ in told] == ["warning", "error", "info"]
    assert told[1][1] == "Risk is HIGH, before MEDIUM: 15.0% under the highest equity of 1,000,000.00. See /risk."


def test_a_loss_between_two_samples_counts_at_once() -> None:
    rig = trading()
    at(rig, 60_000)
    show(rig, 54_000)
    assert samples.drawdown(rig.core) == Decimal("0.06")
    assert samples.day_loss(rig.core) == Decimal("0.06")
    assert samples.strategy_drawdown(rig.core, SPEC.id) == Decimal("0.06")


def test_the_day_begins_at_midnight_utc() -> None:
    rig = trading()
    at(rig, 55_000)  # 950,000 of 1,000,000
    assert samples.day_loss(rig.core) == Decimal("0.05")
    to_midnight = (DAY_NS - rig.now_ns % DAY_NS) / SECOND_NS
    rig.wait(to_midnight)
    show(rig, 54_905)  # the first price of the new day, before its first sample: 949,050
    assert samples.day_loss(rig.core) == Decimal("0.001")
    rig.wait(MINUTE)
    assert rig.core.state.samples.day_open == Decimal(949_050)
    assert samples.day_loss(rig.core) == 0


def test_a_profit_is_no_loss() -> None:
    rig = trading()
    at(rig, 66_000)
    assert samples.day_loss(rig.core) == samples.drawdown(rig.core) == 0


def test_money_paid_out_is_no_loss_and_money_paid_in_covers_none() -> None:
    rig = trading()
    at(rig, 60_000)
    at(rig, 55_000)
    before = samples.day_loss(rig.core), samples.drawdown(rig.core), samples.drawdown(rig.core, DAY_NS)
    assert before == (Decimal("0.05"),) * 3
    for paid in (Decimal(-475_000), Decimal(9_000_000)):
        pay(rig, paid)
        assert "cash_mismatch" in rig.alerts()
        after = samples.day_loss(rig.core), samples.drawdown(rig.core), samples.drawdown(rig.core, DAY_NS)
        assert [round(loss, 15) for loss in after] == [round(loss, 15) for loss in before]
    account = rig.core.state.accounts[ACCOUNT]
    earned = rig.core.equity(ACCOUNT) - rig.core.state.day_equity[ACCOUNT]
    assert earned == -50_000, "in money the day has lost what it has lost"
    assert rig.core.equity(ACCOUNT) - account.deposits == Decimal(-50_000)


def test_what_a_breaker_measures_from_since_people_let_it_go_is_restated_too() -> None:
    rig = trading()
    at(rig, 60_000)
    breaker = Breaker(fresh_ns=rig.now_ns, peak=MILLION)
    rig.core.state.matrix[key_of(Watch.DRAWDOWN)] = breaker
    at(rig, 55_000)
    pay(rig, Decimal(-475_000))
    assert round(money.drawdown(rig.core, DAY_NS), 12) == Decimal("0.05")
    pay(rig, -rig.core.equity(ACCOUNT))
    assert breaker.peak == 0


def test_everything_paid_out_begins_anew() -> None:
    rig = Rig(QUIET).start()
    rig.touch()
    rig.wait(MINUTE)
    pay(rig, -MILLION)
    assert samples.drawdown(rig.core) == samples.day_loss(rig.core) == 0
    pay(rig, Decimal(500))
    rig.wait(MINUTE)
    assert rig.core.state.samples.peak_equity == 500
    assert rig.core.state.samples.day_open == 500


def test_a_second_account_that_is_heard_of_later_is_no_profit() -> None:
    rig = Rig(WIDE).begin()
    rig.snapshot(account=ACCOUNT)
    rig.wait(3 * MINUTE)
    rig.snapshot(account=SUB)
    rig.touch()
    rig.wait(MINUTE)
    kept = rig.core.state.samples
    assert kept.equity == [2 * MILLION] * 4
    assert kept.day_open == kept.peak_equity == 2 * MILLION


def test_strategies_earn_with_what_their_slots_hold_pay_and_are_paid() -> None:
    rig = trading()
    rig.ingest(
        e.FundingPaid(account=ACCOUNT, instrument=BTC.id, funding_id="1", amount=Decimal(-120), venue_ts_ns=rig.now_ns)
    )
    at(rig, 60_012)
    assert samples.profit_of(rig.core, SPEC.id) == 0
    kept = rig.core.state.samples
    assert kept.pnl[SPEC.id] == [0]
    account = rig.core.state.accounts[ACCOUNT]
    assert rig.core.equity(ACCOUNT) - account.deposits == sum(samples.profits_now(rig.core).values())


def test_a_strategy_alone_on_its_account_draws_down_as_the_account_does() -> None:
    rig = trading()
    at(rig, 70_000)
    at(rig, 59_000)
    assert samples.strategy_drawdown(rig.core, SPEC.id) == samples.drawdown(rig.core) == Decimal("0.1")
    rig.core.state.shares[SPEC.id] = Decimal("0.5")
    of_half = Decimal(110_000) / (990_000 // 2 + 110_000)
    assert samples.strategy_drawdown(rig.core, SPEC.id) == of_half, "half of the equity is its own"
    assert samples.strategy_drawdown(rig.core, "nobody") == 0


def test_a_new_strategy_of_an_old_name_inherits_no_loss() -> None:
    rig = trading()
    at(rig, 70_000)
    done = rig.command(UnloadStrategy(strategy=SPEC.id, keep_position=True), door=Door.SYSTEM)
    assert done.ok, done.text
    assert SPEC.id not in rig.core.state.samples.pnl
    rig.load(SPEC)
    at(rig, 70_000)
    assert len(rig.core.state.samples.pnl[SPEC.id]) == 1


def test_returns_leave_out_gaps_in_time_and_in_price() -> None:
    rig = Rig(QUIET).start()
    rig.wait(MINUTE)  # no price yet
    for price in (60_000, 66_000, 59_400):
        at(rig, price)
    rig.now_ns += HOUR * SECOND_NS
    at(rig, 65_340)  # sampled at once, and after a minute
    at(rig, 71_874)
    assert [round(r, 12) for r in samples.returns(rig.core, BTC.id)] == [0.1, -0.1, 0.0, 0.1]
    assert samples.returns(rig.core, "ETH") == []


def test_a_crash_and_a_snapshot_lose_no_sample() -> None:
    rig = trading()
    at(rig, 60_000, minutes=70)
    rig.kernel.snapshot()
    at(rig, 66_000, minutes=70)
    core, _ = recover(rig.journal.reopened(), rig.make_core, "b")
    assert core.state.samples == rig.core.state.samples
    assert state_hash(core.state) == state_hash(rig.core.state)


def test_a_snapshot_from_before_there_were_samples_is_read() -> None:
    old = msgspec.msgpack.decode(encode_state(State()))
    del old["samples"], old["shares"]
    state = decode_state(msgspec.msgpack.encode(old))
    assert state.samples.times_ns == []
