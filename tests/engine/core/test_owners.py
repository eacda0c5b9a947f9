"""Rule 7: one owner per account and instrument, every order carries its owner, nobody trades with himself."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from domain import commands as c
from domain.commands import Door, LoadStrategy
from domain.facts import FillBooked, OrderChanged
from domain.settings import StrategySpec
from domain.verdict import Reason
from engine.core import owners
from engine.core.executor import place as placing
from tests.engine.core.rig import ACCOUNT, BTC, SUB, WIDE, Rig, places, quote, take, target, wants

RIVAL = StrategySpec(id="rival", kind="script", account=ACCOUNT, instruments=(BTC.id,))


def test_a_second_strategy_on_the_same_slot_is_refused_and_told_what_to_do() -> None:
    rig = Rig(WIDE).start()
    done = rig.load(RIVAL)
    assert not done.ok
    assert done.reason is Reason.NOT_OWNER
    assert "sub-account" in done.text
    assert "script" in done.text
    assert "rival" not in rig.core.state.strategies


def test_without_the_rule_two_strategies_would_fight_over_one_position(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owners, "owner_is_alive", lambda core, owner, key: False)
    rig = Rig(WIDE).start()
    assert rig.load(RIVAL).ok


def test_on_a_sub_account_it_is_welcome() -> None:
    rig = Rig(WIDE).start()
    spec = StrategySpec(id="rival", kind="script", account=SUB, instruments=(BTC.id,))
    assert rig.load(spec).ok
    rig.sent.clear()
    rig.script_of("rival").wants = wants(target(0.2))
    rig.script.wants = wants(target(-0.1))
    rig.touch()
    assert sorted((p.account, p.side, p.qty) for p in places(rig.sent)) == [(ACCOUNT, -1, 100), (SUB, 1, 200)]


def test_an_owner_that_left_orders_or_a_position_behind_still_owns_them() -> None:
    rig = Rig(WIDE).start()
    rig.hold_position(0.5)
    assert rig.command(c.UnloadStrategy(strategy="script", keep_position=True), "dot").ok
    assert rig.load(RIVAL).reason is Reason.NOT_OWNER


def test_what_a_person_opens_after_a_strategy_is_gone_is_the_persons() -> None:
    rig = Rig(WIDE).start()
    rig.hold_position(0.5)
    (close,) = places(rig.want(wants(target(0.0, "out"))))
    rig.accept(close)
    rig.fill(close)
    assert rig.command(c.UnloadStrategy(strategy="script"), "dot").ok
    assert rig.command(c.ManualTarget(account=ACCOUNT, instrument=BTC.id, qty=Decimal("0.1")), "dot").ok
    assert rig.core.state.accounts[ACCOUNT].positions[BTC.id].owner.startswith("manual:")


def test_what_a_person_has_closed_is_free_for_a_strategy_and_what_is_open_is_not() -> None:
    rig = Rig(WIDE).start(load=False)
    rig.touch()
    rig.sent.clear()
    order = c.ManualTarget(account=ACCOUNT, instrument=BTC.id, qty=Decimal("0.1"))
    assert rig.command(order, "dot").ok
    assert rig.load(RIVAL).reason is Reason.NOT_OWNER
    (bought,) = places(rig.sent)
    rig.accept(bought)
    rig.fill(bought)
    assert rig.load(RIVAL).reason is Reason.NOT_OWNER
    rig.sent.clear()
    assert rig.command(replace(order, qty=Decimal("-0.1")), "dot").ok
    (sold,) = places(rig.sent)
    rig.accept(sold)
    rig.fill(sold)
    assert rig.load(RIVAL).ok
    assert list(rig.core.state.strategies) == ["rival"]


def test_a_slot_is_free_again_after_a_clean_unload() -> None:
    rig = Rig(WIDE).start()
    assert rig.command(c.UnloadStrategy(strategy="script"), "dot").ok
    assert rig.load(RIVAL).ok


def test_a_strategy_that_comes_back_on_another_account_trades_there() -> None:
    rig = Rig(WIDE).start()
    rig.want(wants(target(0.0)))
    rig.command(c.UnloadStrategy(strategy="script"), "dot")
    assert rig.load(StrategySpec(id="script", kind="script", account=SUB, instruments=(BTC.id,))).ok
    assert [place.account for place in places(rig.want(wants(target(0.2, "there"))))] == [SUB]


def test_a_name_can_be_had_once() -> None:
    rig = Rig(WIDE).start()
    twin = StrategySpec(id="script", kind="script", account=SUB, instruments=(BTC.id,))
    assert rig.load(twin).reason is Reason.WRONG_STATE


@pytest.mark.parametrize(("account", "instrument"), [("PAPER:none", BTC.id), (ACCOUNT, "XRP-USDC-PERP.PAPER")])
def test_a_strategy_for_what_is_not_configured_is_refused(account: str, instrument: str) -> None:
    rig = Rig(WIDE).start()
    done = rig.load(StrategySpec(id="lost", kind="script", account=account, instruments=(instrument,)))
    assert done.reason is Reason.NO_SUCH
    assert account in done.text or instrument in done.text


def test_a_manual_order_in_a_strategys_slot_is_refused() -> None:
    rig = Rig(WIDE).start()
    rig.touch()
    done = rig.command(c.ManualTarget(account=ACCOUNT, instrument=BTC.id, qty=Decimal("0.1")), "dot")
    assert done.reason is Reason.NOT_OWNER
    assert rig.command(c.ManualTarget(account=SUB, instrument=BTC.id, qty=Decimal("0.1")), "dot").ok


def test_what_a_strategy_wants_of_a_foreign_instrument_is_refused() -> None:
    rig = Rig(WIDE).start()
    assert places(rig.want(wants(target(0.5, instrument="ETH-USDC-PERP.PAPER")))) == []
    assert rig.refusals() == ["NOT_OWNER"]


def test_what_a_strategy_wants_of_an_unknown_instrument_leaves_no_trace() -> None:
    rig = Rig(WIDE).start()
    before = list(rig.core.state.slots)
    assert places(rig.want(wants(target(0.5, instrument="XRP-USDC-PERP.PAPER")))) == []
    assert list(rig.core.state.slots) == before
    assert [place.qty for place in places(rig.want(wants(target(0.5))))] == [500]


def test_every_order_and_fill_carries_its_owner() -> None:
    rig = Rig().start()
    rig.hold_position(0.5)
    assert {order.owner for order in rig.told(OrderChanged)} == {"script"}
    assert [fill.owner for fill in rig.told(FillBooked)] == ["script"]


def test_an_order_that_would_meet_our_own_is_refused() -> None:
    rig = Rig().start()
    for resting in places(rig.want(wants(quote(-1, 60_001.0)))):
        rig.accept(resting)
    assert places(rig.want(wants(quote(-1, 60_001.0), take(rig)))) == []
    assert rig.refusals() == ["SELF_MATCH"]


def test_without_the_check_it_would_trade_with_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placing, "check_self_match", lambda side, price, now: None)
    rig = Rig().start()
    for resting in places(rig.want(wants(quote(-1, 60_001.0)))):
        rig.accept(resting)
    assert [p.side for p in places(rig.want(wants(quote(-1, 60_001.0), take(rig))))] == [1]


def test_an_amendment_across_our_own_other_side_is_refused() -> None:
    rig = Rig().start()
    for resting in places(rig.want(wants(quote(-1, 60_010.0), quote(1, 59_990.0)))):
        rig.accept(resting)
    sent = rig.want(wants(quote(-1, 60_010.0), quote(1, 60_010.0)))
    assert "SELF_MATCH" in rig.refusals()
    assert [type(intent).__name__ for intent in sent] == ["Cancel"]


def test_loading_asks_for_the_traders_role() -> None:
    rig = Rig(WIDE).start()
    done = rig.command(LoadStrategy(spec=RIVAL), "eve", Door.DISCORD)
    assert done.reason is Reason.ROLE


def test_a_slot_that_an_unloaded_strategy_left_a_position_in_says_how_to_free_it() -> None:
    rig = Rig(WIDE).start()
    rig.hold_position(0.5)
    rig.command(c.UnloadStrategy(strategy="script", keep_position=True), "dot")
    done = rig.load(RIVAL)
    assert done.reason is Reason.NOT_OWNER
    assert f"/flatten {BTC.id}" in done.text
    assert "load under the id script" in done.text
