"""Strategies come, warm up, pause, change and go while everything runs; fifty of them in one core."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec import Struct
from msgspec.structs import replace
from pydantic import Field

from domain import commands as c
from domain import events as e
from domain.commands import Door, LoadStrategy
from domain.desired import NOTHING, Desired, Qty, Target
from domain.facts import StrategyChanged, StrategyStatus
from domain.market import Bar, Feed, FeedKind
from domain.order import Cancel, Place
from domain.settings import SECOND_NS, AccountSpec, StrategySpec
from domain.strategy import Params, Strategy, View, Wake
from domain.verdict import Reason
from tests.engine.core.floor import Floor
from tests.engine.core.rig import ACCOUNT, BTC, ETH, SETTINGS, SUB, WIDE, Rig, of, places, quote, stop, target, wants

MINUTE_NS = 60 * SECOND_NS
RUNNING, WARMING, PAUSED = StrategyStatus.RUNNING, StrategyStatus.WARMING, StrategyStatus.PAUSED


class SeenParams(Params):
    """What it wants to hold."""

    qty: float = Field(0.1, gt=0)


class Seen(Struct):
    """Closes in the order in which they came, and which of them were warm-up."""

    closes: list[float] = []
    warm: list[float] = []


class BarReader(Strategy[Seen, SeenParams]):
    """Long once it has three bars; remembers everything it was shown."""

    kind = "bar_reader"
    params_type = SeenParams
    memory_type = Seen

    def feeds(self) -> tuple[Feed, ...]:
        return (Feed(kind=FeedKind.BAR, instrument=self.instruments[0], interval_ns=MINUTE_NS),)

    def warmup(self) -> int:
        return 3

    def start(self) -> Seen:
        return Seen([], [])

    def decide(self, memory: Seen, view: View) -> tuple[Seen, Desired]:
        if view.wake != Wake.BAR:
            return memory, view.desired
        (memory.warm if view.warming else memory.closes).append(view.close)
        if len(memory.warm) + len(memory.closes) < 3:
            return memory, NOTHING
        target_ = Target(instrument=self.instruments[0], want=Qty(self.params.qty), entry=f"b{view.ts_ns}")
        return memory, Desired(targets=(target_,))


READER = StrategySpec(id="reader", kind="bar_reader", account=ACCOUNT, instruments=(BTC.id,))


class Bars(Rig):
    """A rig with a bar reader that is not warm yet."""

    def make_code(self, spec: StrategySpec):
        return BarReader.build(spec.instruments, spec.params)

    def bar(self, n: int) -> Bar:
        """The n-th minute since the rig's beginning, closing at 60,000 + n."""
        price = (60_000 + n) * 10
        return Bar(
            instrument=BTC.id,
            interval_ns=MINUTE_NS,
            open_ts_ns=1_700_000_000 * SECOND_NS + n * MINUTE_NS,
            open=price,
            high=price,
            low=price,
            close=price,
            volume=1_000,
        )

    def restart(self) -> None:
        """`kill -9` and a new start, up to the venue's answer."""
        self.crash()
        for account in (ACCOUNT, SUB):
            self.snapshot(account=account)
        self.sent.clear()

    def history(self, *ns: int, complete: bool = True, problem: str = "") -> None:
        bars = tuple(self.bar(n) for n in ns)
        self.ingest(e.History(strategy="reader", bars=bars, complete=complete, problem=problem))

    @property
    def reader(self):
        return self.core.state.strategies["reader"]


def reading() -> Bars:
    rig = Bars(WIDE)
    rig.start(load=False)
    rig.touch()
    rig.command(LoadStrategy(spec=READER), door=Door.SYSTEM)
    rig.sent.clear()
    return rig


# warm-up


def test_no_order_before_the_history_is_complete() -> None:
    rig = reading()
    assert rig.reader.status is WARMING
    rig.history(0, 1, 2, 3, complete=False)
    rig.ingest(rig.bar(4))
    assert rig.sent == []
    rig.history(complete=True)
    assert rig.reader.status is RUNNING
    assert [place.qty for place in places(rig.sent)] == [100]


def test_live_bars_that_waited_are_played_after_the_history_and_each_bar_once() -> None:
    rig = reading()
    rig.ingest(rig.bar(4))
    rig.ingest(rig.bar(5))
    rig.history(1, 2, 3, 4)
    assert rig.reader.memory.warm == [60_001.0, 60_002.0, 60_003.0, 60_004.0]
    assert rig.reader.memory.closes == [60_005.0]
    rig.ingest(rig.bar(5))
    assert rig.reader.memory.closes == [60_005.0], "the feed delivered it twice"


def test_what_is_wanted_in_the_past_is_not_acted_on() -> None:
    rig = reading()
    rig.history(0, 1, 2, 3)
    assert rig.sent == []
    assert rig.reader.desired == NOTHING


def test_a_history_with_holes_is_told_and_it_goes_on_waiting() -> None:
    rig = reading()
    rig.history(problem="2 bars are missing between 10:02 and 10:05")
    assert rig.reader.status is WARMING
    assert rig.alerts() == ["warmup"]
    rig.history(0, 1, 2)
    assert rig.reader.status is RUNNING


def test_one_that_is_not_to_start_by_itself_waits_for_a_person() -> None:
    rig = Bars(WIDE)
    rig.start(load=False)
    rig.command(LoadStrategy(spec=replace(READER, autostart=False)), door=Door.SYSTEM)
    rig.history(0, 1, 2)
    assert rig.reader.status is PAUSED
    rig.touch()
    rig.ingest(rig.bar(3))
    assert rig.sent == []
    assert rig.command(c.StartStrategy(strategy="reader"), "dot").ok
    assert [place.qty for place in places(rig.sent)] == [100]


def test_warm_up_survives_a_crash() -> None:
    rig = reading()
    rig.history(0, 1, complete=False)
    rig.crash()
    assert rig.reader.status is WARMING
    for account in (ACCOUNT, SUB):
        rig.snapshot(account=account)
    rig.history(0, 1, 2, 3)
    assert rig.reader.memory.warm == [60_000.0, 60_001.0, 60_002.0, 60_003.0]
    assert rig.reader.status is RUNNING


def test_after_a_pause_of_the_engine_the_missed_bars_are_caught_up_without_trading_on_them() -> None:
    rig = reading()
    rig.history(0, 1, 2)
    rig.crash()
    for account in (ACCOUNT, SUB):
        rig.snapshot(account=account)
    rig.sent.clear()
    rig.history(1, 2, 3, 4)
    assert rig.reader.memory.warm == [60_000.0, 60_001.0, 60_002.0, 60_003.0, 60_004.0]
    assert rig.sent == []


def test_only_the_bars_it_reads_wake_it() -> None:
    rig = reading()
    rig.history(0, 1, 2)
    five = rig.bar(3)
    five.interval_ns = 5 * MINUTE_NS
    rig.ingest(five)
    assert rig.reader.memory.closes == []
    rig.ingest(rig.bar(3))
    assert rig.reader.memory.closes == [60_003.0]


# changing


def test_new_parameters_warm_up_anew_and_trade_then() -> None:
    rig = reading()
    rig.history(0, 1, 2)
    rig.ingest(rig.bar(3))
    done = rig.command(c.SetParams(strategy="reader", params={"qty": 0.3}), "dot")
    assert done.ok
    assert rig.reader.status is WARMING
    assert rig.reader.memory == Seen([], [])
    rig.history(1, 2, 3)
    rig.sent.clear()
    rig.ingest(rig.bar(4))
    assert rig.slot().target == 300


def test_parameters_that_do_not_fit_are_refused_and_the_old_ones_stay() -> None:
    rig = reading()
    rig.history(0, 1, 2)
    done = rig.command(c.SetParams(strategy="reader", params={"qty": -1}), "dot")
    assert done.reason is Reason.BAD_VALUE
    assert "qty" in done.text
    assert rig.reader.status is RUNNING
    rig.ingest(rig.bar(3))
    assert rig.slot().target == 100


def test_an_unknown_parameter_is_refused() -> None:
    done = reading().command(c.SetParams(strategy="reader", params={"qyt": 1}), "dot")
    assert done.reason is Reason.BAD_VALUE
    assert "qyt" in done.text


def test_pausing_pulls_quotes_and_keeps_the_stop_and_starting_brings_them_back() -> None:
    rig = Rig(WIDE).start()
    rig.hold_position(0.5)
    for place in places(rig.want(wants(target(0.5, "start"), stop(59_000.0, "start"), quote(-1, 60_011.0)))):
        rig.accept(place)
    rig.sent.clear()
    assert rig.command(c.PauseStrategy(strategy="script"), "dot").ok
    (pulled,) = of(rig.sent, Cancel)
    rig.cancelled(pulled.cid)
    assert [o.role.name for o in rig.slot().orders.values()] == ["STOP"]
    assert rig.want(wants(target(0.9, "start"), stop(59_000.0, "start"), quote(-1, 60_011.0))) == []
    rig.sent.clear()
    assert rig.command(c.StartStrategy(strategy="script"), "dot").ok
    assert len(places(rig.sent)) >= 1


def test_unloading_is_refused_while_it_holds_a_position() -> None:
    rig = Rig(WIDE).start()
    rig.hold_position(0.5)
    done = rig.command(c.UnloadStrategy(strategy="script"), "dot")
    assert done.reason is Reason.WRONG_STATE
    assert BTC.id in done.text


def test_unloading_pulls_its_orders_and_it_is_not_called_again() -> None:
    rig = Rig(WIDE).start()
    (place,) = places(rig.want(wants(quote(1, 59_990.0))))
    rig.accept(place)
    rig.sent.clear()
    assert rig.command(c.UnloadStrategy(strategy="script"), "dot").ok
    assert [cancel.cid for cancel in of(rig.sent, Cancel)] == [place.cid]
    rig.sent.clear()
    rig.touch()
    assert rig.sent == []
    assert rig.told(StrategyChanged)[-1].status is StrategyStatus.UNLOADED


def test_loading_it_again_starts_it_afresh() -> None:
    rig = Rig(WIDE).start()
    rig.hold_position(0.5)
    (close,) = places(rig.want(wants(target(0.0, "out"))))
    rig.accept(close)
    rig.fill(close)
    assert rig.command(c.UnloadStrategy(strategy="script"), "dot").ok
    rig.load(StrategySpec(id="script", kind="script", account=ACCOUNT, instruments=(BTC.id,)))
    rig.sent.clear()
    rig.touch()
    assert places(rig.want(wants(target(0.2, "again"))))[0].qty == 200


def test_one_kept_with_its_position_can_be_loaded_again_and_owns_it() -> None:
    rig = Rig(WIDE).start()
    rig.hold_position(0.5)
    rig.command(c.UnloadStrategy(strategy="script", keep_position=True), "dot")
    assert rig.held() == 500
    rig.load(StrategySpec(id="script", kind="script", account=ACCOUNT, instruments=(BTC.id,)))
    rig.sent.clear()
    assert [place.qty for place in places(rig.want(wants(target(0.0, "out"))))] == [500]


@pytest.mark.parametrize("command", [c.StartStrategy, c.PauseStrategy, c.UnloadStrategy, c.SetParams, c.ReloadStrategy])
def test_a_strategy_that_is_not_there_is_said_not_to_be(command) -> None:
    done = Rig(WIDE).start().command(command(strategy="nobody"), "dot")
    assert done.reason is Reason.NO_SUCH
    assert "nobody" in done.text


# fifty at once

FIFTY = 50


def test_fifty_strategies_trade_at_once_each_on_its_own_account() -> None:
    accounts = tuple(AccountSpec(id=f"PAPER:a{n}", deposit=Decimal(100_000)) for n in range(FIFTY))
    risk = replace(SETTINGS.risk, messages_per_window=500, portfolio={"open_positions": Decimal(FIFTY)})
    floor = Floor(replace(SETTINGS, accounts=accounts, instruments=(BTC, ETH), risk=risk))
    for n, account in enumerate(accounts):
        kind, params = [
            ("bench_quoter", {"every": 3 + n % 5, "ticks_away": 0, "qty": 0.01, "cap": 0.1}),
            ("ema_cross", {"interval_s": 5, "fast": 1, "slow": 2 + n % 3, "qty": 0.05}),
        ][n % 2]
        instrument = BTC if n % 2 == 0 else ETH  # who takes must not meet who quotes: they are all ours
        spec = StrategySpec(id=f"s{n}", kind=kind, account=account.id, instruments=(instrument.id,), params=params)
        floor.put_to_work(spec)
    floor.run(30)
    state = floor.core.state
    assert [s.status for s in state.strategies.values()] == [RUNNING] * FIFTY
    traded = [name for name, strategy in state.strategies.items() if strategy.fills]
    assert len(traded) >= FIFTY * 0.8, traded
    floor.exchange.check()
    for account in accounts:
        venue = {p.instrument: p.qty for p in floor.exchange.snapshot(account.id, floor.now_ns).positions if p.qty}
        ours = {i: p.qty for i, p in state.accounts[account.id].positions.items() if p.qty}
        in_flight = [o for s in state.slots.values() if s.account == account.id for o in s.orders.values()]
        assert ours == venue or in_flight
    owners: dict[str, set[str]] = {place.account: set() for place in floor.sent if isinstance(place, Place)}
    for place in floor.sent:
        if isinstance(place, Place):
            order = floor.order(place.cid) if place.cid in state.where or place.cid in state.closed else None
            if order is not None:
                owners[place.account].add(order.owner)
    assert all(len(names) <= 1 for names in owners.values())
