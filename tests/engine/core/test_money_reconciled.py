"""Money compared with the venue: another order of fills is no difference, a real difference is told."""

from __future__ import annotations

from decimal import Decimal

from msgspec.structs import replace

from domain import events as e
from domain.commands import ManualTarget
from domain.facts import StrategyStatus
from domain.market import Feed, FeedKind
from domain.settings import SECOND_NS
from engine.core.manual import manual_id
from engine.core.recovery import recover
from tests.engine.core.rig import ACCOUNT, BTC, SPEC, WIDE, Rig, places

CASH = Decimal(1_000_000)


def snapshot(rig: Rig, cash: Decimal, qty: int, entry_value: str) -> None:
    rig.now_ns += 10 * SECOND_NS
    position = e.VenuePosition(instrument=BTC.id, qty=qty, entry_value=Decimal(entry_value))
    rig.ingest(e.VenueSnapshot(account=ACCOUNT, cash=cash, positions=(position,), venue_ts_ns=rig.now_ns))


def test_fills_in_another_order_only_split_money_otherwise() -> None:
    rig = Rig().start()
    rig.hold_position(0.002)
    account = rig.core.state.accounts[ACCOUNT]
    before = account.cash - account.positions[BTC.id].entry_value
    snapshot(rig, account.cash + 5, 2, str(account.positions[BTC.id].entry_value + 5))
    assert account.cash - account.positions[BTC.id].entry_value == before
    assert account.cash == CASH + 5
    assert "cash_mismatch" not in rig.alerts()


def test_money_that_is_not_there_is_told_at_any_time() -> None:
    rig = Rig().start()
    rig.hold_position(0.002)
    account = rig.core.state.accounts[ACCOUNT]
    snapshot(rig, account.cash - 7, 2, str(account.positions[BTC.id].entry_value))
    assert rig.alerts().count("cash_mismatch") == 1
    assert account.cash == CASH - 7
    snapshot(rig, account.cash, 2, str(account.positions[BTC.id].entry_value))
    assert rig.alerts().count("cash_mismatch") == 1


def test_a_manual_order_that_fills_after_a_restart_quarantines_nobody() -> None:
    rig = Rig().start(load=False)
    rig.touch()
    rig.command(ManualTarget(account=ACCOUNT, instrument=BTC.id, qty=Decimal("0.5")), person="dot")
    (place,) = places(rig.sent)
    rig.crash()
    rig.accept(place)
    rig.fill(place)
    assert rig.core.state.strategies[manual_id(ACCOUNT, BTC.id)].status is StrategyStatus.RUNNING


def test_strategies_are_woken_in_order_of_loading_also_after_a_snapshot() -> None:
    rig = Rig(WIDE).start()
    other = replace(SPEC, id="other", account="PAPER:sub")
    rig.load(other)
    rig.kernel.snapshot()
    feed = Feed(kind=FeedKind.BBO, instrument=BTC.id)
    order = [view.id for view in rig.core.readers(feed)]
    core, _ = recover(rig.journal, rig.make_core, "b")
    assert [view.id for view in core.readers(feed)] == order == ["script", "other"]
