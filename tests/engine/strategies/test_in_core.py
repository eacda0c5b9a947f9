"""The product's strategies inside the real core: what they want becomes orders, also the second time."""

from __future__ import annotations

from decimal import Decimal

from msgspec.structs import replace

from domain.account import Account
from domain.events import Accepted, Amended, Cancelled, EngineStarted, Filled, History, VenueSnapshot
from domain.instrument import Instrument
from domain.market import Bar, Bbo
from domain.order import Amend, Cancel, Liquidity, Order, Place, Role
from domain.settings import (
    AccountSpec,
    ApprovalSettings,
    Limits,
    Person,
    RiskSettings,
    RoleName,
    Settings,
    StrategySpec,
)
from engine.core import parked, strategies
from engine.core.core import Core
from engine.core.kernel import Kernel
from engine.core.state import State
from engine.desk_views import wants
from engine.strategies import registry
from tests.engine.strategies.harness import BTC, MINUTE_NS, SECOND_NS, START_NS

PAPER = "PAPER:main"
INSTRUMENT = Instrument(id=BTC, venue_symbol="BTC", price_decimals=1, qty_decimals=3)
LIMITS = Limits(max_position_notional=Decimal(1_000_000), max_order_notional=Decimal(1_000_000))
SETTINGS = Settings(
    instruments=(INSTRUMENT,),
    accounts=(AccountSpec(id=PAPER, deposit=Decimal(100_000)),),
    risk=RiskSettings(default_limits=LIMITS),
    approvals=ApprovalSettings(enabled=False),
    persons=(Person(id="ann", name="Ann", role=RoleName.RISK),),
)


class Engine:
    """One core with one strategy; the test plays the venue."""

    def __init__(self, kind: str, params: dict):
        self.core = Core(State(settings=SETTINGS))
        self.core.make_code = lambda spec: registry.load(spec.kind).strategy.build(spec.instruments, spec.params)
        self.kernel = Kernel(self.core, None, send=self.answer)
        self.inbox: list = []
        self.now = START_NS
        self.fills = 0
        self.core.state.accounts[PAPER] = Account(id=PAPER)
        started = EngineStarted(
            installation="test", epoch=1, build="", lock_hash="", settings_hash="x", settings=SETTINGS, ts_ns=self.now
        )
        self.kernel.ingest(started)
        self.kernel.ingest(VenueSnapshot(ts_ns=self.now, account=PAPER, cash=Decimal(100_000)))
        spec = StrategySpec(id="it", kind=kind, account=PAPER, instruments=(BTC,), params=params)
        assert strategies.load(self.core, spec, "") is None
        self.drain()

    def answer(self, intents):
        """The venue accepts at once what it is asked."""
        for intent in intents:
            if isinstance(intent, Place):
                self.inbox.append(Accepted(ts_ns=self.now, venue_ts_ns=self.now, cid=intent.cid))
            elif isinstance(intent, Amend):
                self.inbox.append(
                    Amended(
                        ts_ns=self.now, cid=intent.cid, price=intent.price, qty=intent.qty,
                        trigger=intent.trigger, amend_no=intent.amend_no,
                    )
                )  # fmt: skip
            elif isinstance(intent, Cancel):
                self.inbox.append(Cancelled(ts_ns=self.now, venue_ts_ns=self.now, cid=intent.cid, text="asked"))

    def drain(self):
        while self.inbox:
            self.kernel.ingest(self.inbox.pop(0))

    def history(self, closes):
        bars = tuple(self.make_bar(close, self.now - (len(closes) - i) * MINUTE_NS) for i, close in enumerate(closes))
        self.kernel.ingest(History(ts_ns=self.now, strategy="it", bars=bars, complete=True))
        self.drain()

    def make_bar(self, close: float, opened_ns: int) -> Bar:
        price = round(close * 10)
        return Bar(
            instrument=BTC,
            interval_ns=MINUTE_NS,
            open_ts_ns=opened_ns,
            open=price,
            high=price + 10,
            low=price - 10,
            close=price,
            volume=1000,
        )

    def touch(self, bid: float, ask: float, after_s: float = 1.0):
        self.now += round(after_s * SECOND_NS)
        self.kernel.ingest(
            Bbo(ts_ns=self.now, instrument=BTC, bid=round(bid * 10), bid_qty=1000, ask=round(ask * 10), ask_qty=1000)
        )
        self.drain()

    def bar(self, close: float):
        """The touch, then the bar that closed there."""
        self.touch(close - 0.1, close + 0.1, 60.0)
        bar = self.make_bar(close, self.now - MINUTE_NS)
        bar.ts_ns = self.now
        self.kernel.ingest(bar)
        self.drain()

    def orders(self, *roles: Role) -> list[Order]:
        return [o for slot in self.core.state.slots.values() for o in slot.orders.values() if o.role in roles]

    def fill(self, order: Order, price: float, qty: int = 0):
        self.fills += 1
        qty = qty or order.qty - order.filled
        self.kernel.ingest(
            Filled(
                ts_ns=self.now,
                account=PAPER,
                instrument=BTC,
                cid=order.cid,
                fill_id=str(self.fills),
                side=order.side,
                price=round(price * 10),
                qty=qty,
                fee=Decimal(0),
                liquidity=Liquidity.TAKER,
            )
        )
        self.drain()

    @property
    def position(self) -> int:
        return self.core.position(PAPER, BTC)


def turtle_engine(**params) -> Engine:
    base = {"interval_s": 60, "entry_bars": 5, "atr_bars": 3, "take_profit_pct": 0, "style": "take"}
    engine = Engine("turtle", base | params)
    engine.history([100.0] * 15)
    return engine


def enter(engine: Engine, close: float, price: float) -> Order:
    """A bar that breaks out, and its entry filled at `price`; returns the stop."""
    engine.bar(close)
    (entry,) = engine.orders(Role.TARGET)
    engine.fill(entry, price)
    (stop,) = engine.orders(Role.STOP)
    return stop


def test_a_turtle_entry_is_protected_from_its_fill_on():
    engine = turtle_engine()
    stop = enter(engine, 102.0, 101.5)
    assert engine.position > 0
    assert stop.qty == engine.position
    assert stop.reduce_only
    assert stop.trigger < 1015


def test_an_entry_after_a_fired_stop_is_protected_too():
    engine = turtle_engine()
    stop = enter(engine, 102.0, 101.5)
    engine.fill(stop, 97.0)
    assert engine.position == 0
    assert not engine.orders(Role.TARGET), "no buying back"
    again = enter(engine, 110.0, 109.0)
    assert again.entry != stop.entry
    assert again.qty == engine.position


def test_new_parameters_adopt_the_position_and_keep_it_protected():
    engine = turtle_engine()
    enter(engine, 102.0, 101.5)
    held = engine.position
    strategy = engine.core.state.strategies["it"]
    assert strategies.set_params(engine.core, strategy, {"stop_atr": 1.0}) is None
    assert engine.orders(Role.STOP)
    engine.history([100.0] * 15)
    engine.bar(101.5)
    (stop,) = engine.orders(Role.STOP)
    assert stop.entry.endswith(":adopted")
    assert engine.position == held
    assert not engine.orders(Role.TARGET)


def test_a_bracket_is_adopted_as_it_is_and_what_is_not_filled_in_time_is_not_bought_later():
    params = {"interval_s": 60, "window": 4, "tight_pct": 5, "edge": 0.4, "stop_pct": 3, "take_profit_pct": 9}
    engine = Engine("consolidation", params)
    engine.history([100.0] * 8)
    engine.bar(99.5)
    (entry,) = engine.orders(Role.TARGET)
    engine.fill(entry, 99.6, entry.qty // 3)
    held = engine.position
    for _ in range(3):
        engine.bar(99.5)
    assert not engine.orders(Role.TARGET), "its patience is over"
    (stop,) = engine.orders(Role.STOP)
    assert (engine.position, stop.qty) == (held, held)
    strategy = engine.core.state.strategies["it"]
    assert strategies.set_params(engine.core, strategy, {"stop_pct": 2}) is None
    assert engine.orders(Role.STOP), "guarded meanwhile"
    engine.history([99.5] * 8)
    engine.bar(99.5)
    (tighter,) = engine.orders(Role.STOP)
    assert tighter.trigger == 976, "99.6 less 2 %"
    assert (engine.position, tighter.qty) == (held, held)
    assert not engine.orders(Role.TARGET)
    engine.fill(tighter, 97.0)
    engine.bar(99.5)
    assert engine.position == 0


def test_a_market_maker_rests_two_post_only_quotes_and_pulls_the_side_at_its_cap():
    engine = Engine("market_maker", {"qty": 0.1, "max_position": 0.1, "settle_s": 2, "stop_pct": 5})
    for _ in range(4):
        engine.touch(49_999.0, 50_001.0)
    quotes = engine.orders(Role.QUOTE)
    assert sorted(q.side for q in quotes) == [-1, 1]
    bid = next(q for q in quotes if q.side > 0)
    engine.fill(bid, bid.price / 10)
    assert engine.position == 100
    assert {q.side for q in engine.orders(Role.QUOTE)} == {-1}
    (stop,) = engine.orders(Role.STOP)
    assert stop.qty == 100


def test_people_read_why_a_strategy_wants_nothing():
    engine = Engine("market_maker", {"qty": 0.1, "max_position": 0.1, "settle_s": 2, "max_range_bps": 10})
    said = []
    for mid in (50_000.0, 50_000.0, 50_000.0, 50_000.0, 50_200.0):
        engine.touch(mid - 1, mid + 1)
        said.append(wants(engine.core, engine.core.state.strategies["it"]))
    assert said[0] == "nothing: volatility is not known yet"
    assert said[3] == "BTC-USDC-PERP 2 quotes"
    assert said[4] == "nothing: the price moved over 40 bp, max_range_bps is 10"


def test_an_entry_that_waited_for_approval_is_protected_when_it_fills():
    engine = turtle_engine(patience_bars=0)
    engine.core.state.settings = replace(SETTINGS, approvals=ApprovalSettings(large_fraction=Decimal("0.0001")))
    engine.bar(102.0)
    assert not engine.orders(Role.TARGET)
    (request,) = engine.core.state.requests.values()
    assert request.parked is not None
    parked.release_parked(engine.core, request.parked)
    engine.touch(101.9, 102.1)
    (entry,) = engine.orders(Role.TARGET)
    engine.fill(entry, 101.0)
    (stop,) = engine.orders(Role.STOP)
    assert stop.qty == engine.position
