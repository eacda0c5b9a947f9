"""Rule 13: who raises, hangs or overruns is quarantined: quotes go, stops stay, the other strategies trade."""

from __future__ import annotations

from typing import cast

import pytest

from domain import commands as c
from domain import events as e
from domain.codec import encode
from domain.desired import Desired, Qty, Quote, Target
from domain.facts import Alerted, StrategyStatus
from domain.order import Cancel, Role
from domain.settings import StrategySpec
from domain.strategy import Params, View
from engine.core import wake
from engine.core.state import StrategyState
from tests.domain.test_text import Unspeakable
from tests.engine.core.rig import BTC, SUB, WIDE, NoMemory, Rig, Script, of, places, quote, stop, take, target, wants


def quarantined(rig: Rig, strategy: str = "script") -> bool:
    return rig.core.state.strategies[strategy].status is StrategyStatus.QUARANTINED


def working(rig: Rig) -> None:
    """A position with its stop, and a quote, all accepted."""
    rig.hold_position(0.5)
    for place in places(rig.want(wants(target(0.5, "start"), stop(59_000.0, "start"), quote(1, 59_990.0)))):
        rig.accept(place)
    rig.sent.clear()


def test_one_that_raises_loses_its_quotes_and_keeps_its_stop() -> None:
    rig = Rig().start()
    working(rig)
    sent = rig.want(ValueError("a bug"))
    assert quarantined(rig)
    assert [rig.order(x.cid).role for x in of(sent, Cancel)] == [Role.QUOTE]
    kept = [order.role for order in rig.slot().orders.values() if not order.cancel_ns]
    assert kept == [Role.STOP]
    (alert,) = rig.told(Alerted)
    assert "ValueError: a bug" in alert.text
    assert "/strategies start script" in alert.text


@pytest.mark.parametrize("error", [Unspeakable(), ValueError("x\ud800y"), ValueError("x" * 3_000_000)])
def test_an_error_without_a_usable_text_is_no_worse_than_another(error: Exception) -> None:
    rig = Rig().start()
    working(rig)
    rig.want(error)
    assert quarantined(rig)
    detail = rig.core.state.strategies["script"].detail
    assert type(error).__name__ in detail
    assert len(encode(detail)) < 1_000
    encode(rig.told(Alerted))


@pytest.mark.parametrize("name", ["x\ud800y", "x" * 3_000_000])
def test_a_name_that_cannot_be_recorded_quarantines(name: str) -> None:
    for named in (lambda _: target(0.5, name), lambda rig: take(rig, name)):
        rig = Rig().start()
        working(rig)
        rig.want(wants(named(rig)))
        assert quarantined(rig)
        encode(rig.told(Alerted))


def test_without_containment_one_bug_would_stop_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wake, "quarantine", lambda core, strategy, fault: (_ for _ in ()).throw(RuntimeError(fault)))
    rig = Rig().start()
    with pytest.raises(RuntimeError, match="a bug"):
        rig.want(ValueError("a bug"))


def test_the_others_trade_on() -> None:
    rig = Rig(WIDE).start()
    rig.load(StrategySpec(id="other", kind="script", account=SUB, instruments=(BTC.id,)))
    rig.script_of("other").wants = wants(target(0.2))
    rig.want(ValueError("a bug"))
    assert quarantined(rig)
    assert [(p.account, p.qty) for p in places(rig.sent)] == [(SUB, 200)]


def test_a_quarantined_strategy_is_not_called_again_until_it_is_started() -> None:
    rig = Rig().start()
    rig.want(ValueError("a bug"))
    alerts = len(rig.told(Alerted))
    for bid in (600_001, 600_002):
        rig.touch(bid)
    assert len(rig.told(Alerted)) == alerts
    rig.script.wants = wants(target(0.3))
    assert rig.command(c.StartStrategy(strategy="script"), "dot").ok
    rig.ingest(e.History(strategy="script", complete=True))
    rig.sent.clear()
    rig.touch()
    assert [p.qty for p in places(rig.sent)] == [300]


def test_it_stays_quarantined_after_a_crash() -> None:
    rig = Rig().start()
    working(rig)
    rig.want(ValueError("a bug"))
    rig.crash()
    assert quarantined(rig)
    assert [o.role for o in rig.slot().orders.values() if o.role is Role.STOP] == [Role.STOP]


class Odd(Script):
    """Returns what a careless author might."""

    returns: object = None

    def decide(self, memory: NoMemory, view: View) -> tuple[NoMemory, Desired]:
        return cast("tuple[NoMemory, Desired]", self.returns)


@pytest.mark.parametrize(
    "returns",
    [
        None,
        (NoMemory(),),
        (NoMemory(), None),
        (NoMemory(), "buy!"),
        (NoMemory(), wants(target(0.1)).targets),
        (NoMemory(), Desired(targets=(Target(instrument=BTC.id, want=Qty("1.0")),))),  # type: ignore[arg-type]
        (NoMemory(), Desired(quotes=[quote(1, 59_990.0)])),  # type: ignore[arg-type]
        (NoMemory(), Desired(quotes=(Quote(instrument=BTC.id, side="buy", price=1.0, qty=1.0),))),  # type: ignore[arg-type]
        (NoMemory(), Desired(targets=("long",))),  # type: ignore[arg-type]
        (NoMemory(), Desired(targets=(Target(instrument=7, want=Qty(1.0)),))),  # type: ignore[arg-type]
        (NoMemory(), Desired(targets=(Target(instrument=BTC.id, want=object()),))),  # type: ignore[arg-type]
    ],
)
def test_one_that_breaks_its_contract_costs_itself_and_not_the_engine(returns: object) -> None:
    rig = Rig()
    odd = Odd((BTC.id,), Params())
    odd.returns = returns
    rig.scripts["script"] = odd
    rig.start()
    rig.touch()
    rig.kernel.snapshot()
    rig.crash()
    rig.snapshot()
    assert quarantined(rig) or rig.core.state.strategies["script"].desired != Desired()
    assert all(order.qty > 0 for order in rig.slot().orders.values())


def test_overruns_are_told_and_the_fourth_in_a_minute_quarantines() -> None:
    rig = Rig().start()
    for n in range(3):
        rig.wait(1)
        rig.ingest(e.StrategyFault(strategy="script", problem=f"decide took {60 + n} ms", quarantine=False))
    assert not quarantined(rig)
    assert rig.alerts() == ["overrun"] * 3
    rig.ingest(e.StrategyFault(strategy="script", problem="decide took 70 ms", quarantine=False))
    assert quarantined(rig)


def test_overruns_far_apart_are_a_slow_machine_and_not_a_slow_strategy() -> None:
    rig = Rig().start()
    for _ in range(10):
        rig.wait(30)
        rig.ingest(e.StrategyFault(strategy="script", problem="decide took 60 ms", quarantine=False))
    assert not quarantined(rig)


def test_a_fault_of_one_that_is_not_loaded_is_nothing() -> None:
    rig = Rig().start()
    rig.ingest(e.StrategyFault(strategy="nobody", problem="hm"))
    assert rig.alerts() == []


def test_the_state_of_a_quarantined_strategy_can_be_saved() -> None:
    rig = Rig().start()
    rig.want(ValueError("a bug"))
    strategy: StrategyState = rig.core.state.strategies["script"]
    assert strategy.memory is None
    rig.kernel.snapshot()


def test_a_decision_of_thousands_of_parts_is_a_failure_and_not_a_flood() -> None:
    rig = Rig().start()
    rig.want(Desired(takes=tuple([take(rig, f"t{n}") for n in range(5_000)])))
    strategy = rig.core.state.strategies["script"]
    assert strategy.status is StrategyStatus.QUARANTINED
    assert "5000 parts" in strategy.detail
