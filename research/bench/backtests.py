"""The four backtest cases that NautilusTrader was measured on, with their oracle, and the whole command on a file.

Every rule that users run with is on: review, gate, limits, exact money, fees, margin, the venue's own books. As users'
backtests they run without a journal. Bars fill at the close that was decided on, as the peers' do. As with the peers,
making the events is not in the time; it is in that of the whole process.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from domain.instrument import MONEY_STEP, ZERO, Instrument
from domain.market import MarketEvent
from domain.settings import (
    AccountSpec,
    ApprovalSettings,
    ExecutionSettings,
    Limits,
    RiskSettings,
    Settings,
    StrategySpec,
)
from engine.data.noise import Ints
from engine.strategies import registry
from exchanges.paper.config import FillModel, PaperConfig
from exchanges.paper.exchange import PaperExchange
from research.bench import crossing, market
from research.bench.journal import Row
from research.driver import LEAD_NS, Driver

ACCOUNT = "PAPER:main"
DEPOSIT = Decimal(10_000_000)
MANY = 1_000_000_000
DAY_NS = 86_400_000_000_000
CHUNK = 20_000
QUICK = 4_000
ORACLE = (44_927, Decimal("9978419.33008050"))
"""Orders and final balance of a million bars, to the last digit."""
ON_RECORD = {"quotes_mm": (26_626, Decimal("9997269.54202754")), "qt_mm": (44_447, Decimal("9995515.65323988"))}
"""The same of the full quoting cases, as they came out: they have no oracle, and must not change unnoticed."""
RULES = "review, gate, limits, exact money, fees, margin, venue's books; no journal, approvals off"


class Case(Struct, frozen=True, kw_only=True):
    """A strategy on one kind of data; `most` is how many events of it make the full case."""

    kind: str
    data: str
    params: dict[str, Any] = field(default_factory=dict)
    most: int = market.FULL
    instrument: Instrument = market.BTC
    deposit: Decimal = DEPOSIT
    fill_model: FillModel = FillModel.SAME_CLOSE


WIDEST = {
    "asset_fraction": Decimal(100),
    "portfolio_exposure": Decimal(MANY),
    "leverage": Decimal(200),
    "liquidation_distance": Decimal(0),
    "open_positions": Decimal(10_000),
    "consecutive_losses": Decimal(1_000_000),
    "portfolio_drawdown": Decimal(1),
    "strategy_drawdown": Decimal(1),
    "daily_loss": Decimal(1),
}
"""Limits that are judged at every order and never met."""

CASES = {
    "bars_ema": Case(kind="ema_cross", data="bars"),
    "bars_ema_slow": Case(kind="ema_cross", data="bars", params={"fast": 200, "slow": 1000}),
    "quotes_mm": Case(kind="bench_quoter", data="quotes"),
    "qt_mm": Case(kind="bench_quoter", data="quotes and trades"),
    "sma_cross": Case(
        kind="bench_sma_cross",
        data="candles",
        instrument=market.CANDLES,
        deposit=Decimal(100_000),
        fill_model=FillModel.NEXT_OPEN,
    ),
    "orders_alt": Case(kind="bench_alternator", data="quotes", params={"pattern": "alt"}, most=100_000),
    "orders_drift": Case(kind="bench_alternator", data="quotes", params={"pattern": "drift"}, most=100_000),
}


def make_driver(kind: str, params: dict[str, Any], *, gate_on: bool = True, case: Case | None = None) -> Driver:
    """One strategy on the bench's instrument (or that of `case`), with limits so wide that none is met."""
    case = case or Case(kind=kind, data="")
    wide = Limits(max_position_notional=Decimal(1_000_000), max_order_notional=Decimal(1_000_000))
    settings = Settings(
        instruments=(case.instrument,),
        accounts=(AccountSpec(id=ACCOUNT, currency="USDT", deposit=case.deposit),),
        risk=RiskSettings(default_limits=wide, messages_per_window=MANY, max_exposure=Decimal(MANY), portfolio=WIDEST),
        approvals=ApprovalSettings(enabled=False),
        execution=ExecutionSettings(equity_sample_ns=DAY_NS, reconcile_every_ns=DAY_NS, retry_ns=0),
        strategies=(
            StrategySpec(id="bench", kind=kind, account=ACCOUNT, instruments=(case.instrument.id,), params=params),
        ),
    )
    config = PaperConfig(fill_model=case.fill_model, queue_power=0, kept_orders=1_000, kept_fills=1_000)
    exchange = PaperExchange((case.instrument,), {ACCOUNT: case.deposit}, config)
    driver = Driver(settings, exchange, registry.build, facts_on=False)
    driver.core.gate_on = gate_on
    return driver


def tape(data: str, count: int, folder: Path) -> Iterator[MarketEvent]:
    """Events of a case."""
    if data in {"bars", "candles"}:
        return market.bars(market.arrays(data, folder)[:count])
    quotes = market.arrays("quotes", folder)[:count]
    if data == "quotes":
        return market.quotes(quotes)
    return market.quotes_and_trades(quotes, market.arrays("trades", folder))


def run(name: str, count: int, folder: Path) -> list[Row]:
    """Run one case over `count` bars or quotes. Raises AssertionError when orders, balance or books are wrong."""
    case = CASES[name]
    count = min(count, case.most)
    events = tape(case.data, count, folder)
    driver = make_driver(case.kind, case.params, case=case)
    driver.start((market.CANDLES_START_NS if case.data == "candles" else market.START_NS) - LEAD_NS)
    seen, took_s = 0, 0.0
    while chunk := list(islice(events, CHUNK)):
        began = time.perf_counter()
        seen += driver.play(chunk)
        took_s += time.perf_counter() - began
    peak = peak_mib()
    verify(name, driver, folder, count)
    cash = driver.core.state.accounts[ACCOUNT].cash
    what = f"{seen:,} {case.data}, {driver.placed:,} orders, balance {cash}"
    rules = f"{RULES}, {case.fill_model.value}"
    if name.startswith("orders"):
        rate = Row(case=name, value=driver.placed / took_s, unit="orders/s", rules=f"{what}; {rules}")
    else:
        rate = Row(case=name, value=seen / took_s, unit=f"{case.data.split()[0]}/s", rules=f"{what}; {rules}")
    return [
        rate,
        Row(case=f"{name} peak memory", value=peak, unit="MiB", rules="whole process, data made lazily"),
    ]


def peak_mib() -> float:
    """Most memory this process ever had. Where /proc tells it: getrusage counts what the parent had before us, too."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def verify(name: str, driver: Driver, folder: Path, count: int) -> None:
    """Raise AssertionError unless engine, venue and oracle agree; quoting has no oracle, only what is on record."""
    driver.exchange.check()
    cash = driver.core.state.accounts[ACCOUNT].cash
    if cash != driver.exchange.cash(ACCOUNT):
        raise AssertionError(f"{name}: the engine has {cash}, the venue {driver.exchange.cash(ACCOUNT)}")
    case = CASES[name]
    if case.kind == "ema_cross":
        fast, slow = case.params.get("fast", 10), case.params.get("slow", 20)
        expected = reference(market.arrays("bars", folder)[:count], fast, slow)
        if (driver.placed, cash) != expected:
            raise AssertionError(f"{name}: {driver.placed} orders and {cash}, the oracle has {expected}")
        if (name, count) == ("bars_ema", market.FULL) and expected != ORACLE:
            raise AssertionError(f"the oracle says {expected}, on record are {ORACLE}")
    elif case.kind == "bench_sma_cross":
        verify_crossing(driver.placed, cash, market.arrays("candles", folder)[:count])
    elif case.kind == "bench_alternator":
        expected = count, taken_reference(market.arrays("quotes", folder)[:count], case.params["pattern"])
        if (driver.placed, cash) != expected:
            raise AssertionError(f"{name}: {driver.placed} orders and {cash}, the oracle has {expected}")
    elif count == market.FULL and (driver.placed, cash) != ON_RECORD[name]:
        raise AssertionError(f"{name}: {driver.placed} orders and {cash}, on record are {ON_RECORD[name]}")


def verify_crossing(orders: int, cash: Decimal, rows: Ints) -> None:
    """Raise AssertionError unless these are the oracle's, and the whole million's freqtrade's."""
    expected = crossing.reference(rows, CASES["sma_cross"].deposit)
    if (orders, cash) != expected:
        raise AssertionError(f"sma_cross: {orders} orders and {cash}, the oracle has {expected}")
    told = orders // 2, round(cash, 4)
    if len(rows) == market.FULL and told != (crossing.TRADES, crossing.BALANCE):
        raise AssertionError(f"sma_cross: {told} trades and balance, freqtrade has {crossing.TRADES, crossing.BALANCE}")


def reference(rows: Ints, fast: int, slow: int) -> tuple[int, Decimal]:
    """Orders and balance of the crossing averages, worked out without any engine."""
    new_fast, new_slow, unit, fee = 2 / (fast + 1), 2 / (slow + 1), Decimal("0.01"), Decimal("0.0005")
    averages: list[float] = []
    held = orders = 0
    entry, balance = ZERO, DEPOSIT
    for seen, ticks in enumerate(rows[:, 4].tolist(), 1):
        close = ticks / 10
        if not averages:
            averages = [close, close]
        averages[0] = new_fast * close + (1 - new_fast) * averages[0]
        averages[1] = new_slow * close + (1 - new_slow) * averages[1]
        wanted = 1 if averages[0] >= averages[1] else -1
        if seen < slow or wanted == held:
            continue
        price, orders = Decimal(ticks) / 10, orders + 1
        balance += (price - entry) * unit * held
        balance -= (price * unit * abs(wanted - held) * fee).quantize(MONEY_STEP)
        entry, held = price, wanted
    return orders, balance


def taken_reference(rows: Ints, pattern: str) -> Decimal:
    """Balance after one immediate order a quote, each for what the touch shows of 0.010, without any engine."""
    balance, value, held = DEPOSIT, ZERO, 0
    unit, fee = Decimal("0.0001"), Decimal("0.0005")
    for seen, (_, bid, ask, bid_qty, ask_qty) in enumerate(rows.tolist()):
        buys = not seen & 1 if pattern == "alt" else seen < 50 or (seen - 50) // 49 & 1
        price, qty = (ask, min(10, ask_qty)) if buys else (bid, -min(10, bid_qty))
        balance -= (price * abs(qty) * unit * fee).quantize(MONEY_STEP)
        if held * qty >= 0:
            value += price * qty * unit
        else:
            closed = min(abs(qty), abs(held))
            share = value if closed == abs(held) else (value * closed / abs(held)).quantize(MONEY_STEP)
            balance += price * unit * (closed if held > 0 else -closed) - share
            value -= share
            if abs(qty) > closed:
                value = price * unit * (held + qty)
        held += qty
    return balance
