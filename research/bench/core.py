"""What the core costs: an event, the gate, fifty strategies, and whether a long history makes it slower or larger."""

from __future__ import annotations

import gc
import itertools
import resource
import time
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from domain.market import Bbo, Book, MarketEvent
from domain.order import Order, OrderKind, Role
from domain.settings import AccountSpec, Limits, RiskSettings, Settings, StrategySpec
from engine.core.executor.exposure import exposure_of
from engine.core.executor.place import check
from engine.core.limits import limits_of
from engine.strategies import registry
from exchanges.paper.config import FillModel, PaperConfig
from exchanges.paper.exchange import PaperExchange
from research.bench import market
from research.bench.backtests import ACCOUNT, DAY_NS, DEPOSIT, MANY, WIDEST, make_driver
from research.bench.journal import Row
from research.driver import LEAD_NS, Driver

STRATEGIES = 50
CHUNK = 200


def run(count: int, folder: Path) -> list[Row]:
    """Every figure of this file on about `count` events each."""
    return [
        *event_rows(count, folder),
        gate_row(max(100, count // 10)),
        fifty_row(count, folder),
    ]


def best_us(step: Callable[[MarketEvent], None], events: Iterable[MarketEvent]) -> float:
    """Microseconds an event: the fastest tenth of chunks, so that what else the machine does counts less."""
    taken: list[float] = []
    events = iter(events)
    gc.collect()
    while chunk := list(itertools.islice(events, CHUNK)):
        began = time.perf_counter_ns()
        for event in chunk:
            step(event)
        taken.append((time.perf_counter_ns() - began) / len(chunk) / 1_000)
    taken.sort()
    return taken[len(taken) // 10]


def event_rows(count: int, folder: Path) -> list[Row]:
    """The core alone, without the venue, per kind of event."""
    maker = {"qty": 0.01, "max_position": 0.05, "settle_s": 1}
    cases: list[tuple[str, str, dict[str, Any], Iterable[MarketEvent], str]] = [
        ("core per bar", "ema_cross", {"fast": 200, "slow": 1000}, market.bars(bars_of(count, folder)), "EMA cross"),
        ("core per quote", "market_maker", maker, market.quotes(quotes_of(count, folder)), "market maker"),
        ("core per book event", "market_maker", {**maker, "feed": "book"}, books(count, folder), "market maker"),
    ]
    rows = []
    for case, kind, params, events, reader in cases:
        driver = make_driver(kind, params)
        driver.start(market.START_NS - LEAD_NS)
        rules = f"kernel and step with the {reader} reading; median market, no venue, no journal"
        rows.append(Row(case=case, value=best_us(driver.kernel.ingest, events), unit="us", rules=rules))
    return rows


def bars_of(count: int, folder: Path) -> Any:  # noqa: ANN401 - a numpy array
    """The first bars of the bench's data."""
    return market.arrays("bars", folder)[:count]


def quotes_of(count: int, folder: Path) -> Any:  # noqa: ANN401 - a numpy array
    """The first quotes of the bench's data."""
    return market.arrays("quotes", folder)[:count]


def books(count: int, folder: Path) -> Iterator[Book]:
    """Books of ten levels a side around the quotes."""
    for quote in market.quotes(quotes_of(count, folder)):
        yield Book(
            ts_ns=quote.ts_ns,
            instrument=quote.instrument,
            bids=tuple([(quote.bid - level, quote.bid_qty + level) for level in range(10)]),
            asks=tuple([(quote.ask + level, quote.ask_qty + level) for level in range(10)]),
        )


def gate_row(count: int) -> Row:
    """Every check that an order which adds risk passes before it leaves, on a slot with two working quotes."""
    driver = make_driver("bench_quoter", {"every": 1})
    quote = Bbo(ts_ns=market.START_NS, instrument=market.BTC.id, bid=500_000, bid_qty=1_000, ask=500_001, ask_qty=1_000)
    driver.run([quote])
    core = driver.core
    (slot,) = [slot for slot in core.state.slots.values() if slot.orders]
    found = limits_of(core, slot)
    if found is None:
        raise AssertionError("the bench's instrument has no limits")
    order = Order(
        cid="bench",
        owner=slot.owner,
        account=slot.account,
        instrument=slot.instrument,
        side=1,
        kind=OrderKind.IOC,
        role=Role.TAKE,
        qty=10,
        price=500_001,
    )
    taken = []
    for _ in range(count):
        core.state.seq += 1  # prices and equity are valued anew, as they are at every event
        began = time.perf_counter_ns()
        veto = check(core, slot, order, found, exposure_of(core, slot))
        taken.append(time.perf_counter_ns() - began)
        if veto is not None:
            raise AssertionError(f"the gate refused the bench's order: {veto}")
    taken.sort()
    rules = "size, states, limits of every scope, envelope, collar, self-match, duplicate, message budgets; median"
    return Row(case="risk gate", value=taken[count // 2] / 1_000, unit="us", rules=rules)


def fifty_row(count: int, folder: Path) -> Row:
    """Fifty market makers on fifty instruments of one account, each quote for one of them."""
    instruments = tuple(
        replace(market.BTC, id=f"C{number}-USDT-PERP.PAPER", venue_symbol=f"C{number}") for number in range(STRATEGIES)
    )
    params = {"every": 10}
    specs = tuple(
        StrategySpec(id=f"s{number}", kind="bench_quoter", account=ACCOUNT, instruments=(item.id,), params=params)
        for number, item in enumerate(instruments)
    )
    wide = Limits(max_position_notional=Decimal(MANY), max_order_notional=Decimal(MANY))
    base = make_driver("bench_quoter", params).settings
    settings = Settings(
        instruments=instruments,
        accounts=(AccountSpec(id=ACCOUNT, currency="USDT", deposit=DEPOSIT),),
        risk=RiskSettings(default_limits=wide, messages_per_window=MANY, max_exposure=Decimal(MANY), portfolio=WIDEST),
        approvals=base.approvals,
        execution=replace(base.execution, equity_sample_ns=DAY_NS),
        strategies=specs,
    )
    config = PaperConfig(fill_model=FillModel.SAME_CLOSE, queue_power=0, kept_orders=1_000, kept_fills=1_000)
    driver = Driver(settings, PaperExchange(instruments, {ACCOUNT: DEPOSIT}, config), registry.build, facts_on=False)
    driver.start(market.START_NS - LEAD_NS)
    events = list(market.quotes(quotes_of(count, folder)))
    for number, event in enumerate(events):
        event.instrument = instruments[number % STRATEGIES].id
    gc.collect()
    began = time.perf_counter()
    driver.play(events)
    took_s = time.perf_counter() - began
    rules = f"{STRATEGIES} quoters re-quoting every 10th, own instruments, one account; {driver.placed} orders"
    return Row(case="50 strategies at once", value=count / took_s, unit="quotes/s", rules=rules)


def history_rows(count: int, folder: Path) -> list[Row]:
    """Cost at the end of a long run over the cost at its start: 1.0 is flat.

    Raises AssertionError when the orders that were to be amended all the time were replaced, or filled.
    """
    rows = []
    for case, kind, params in (
        ("two orders amended", "bench_quoter", {"every": 1, "ticks_away": 10_000}),
        ("positions closed", "bench_alternator", {"pattern": "alt", "limit": MANY}),
    ):
        driver = make_driver(kind, params)
        driver.start(market.START_NS - LEAD_NS)
        events = market.quotes(quotes_of(count, folder))
        first, last = ends_us(driver, events, count)
        if kind == "bench_quoter" and driver.placed != 2:
            raise AssertionError(f"two orders were to be amended, {driver.placed} were placed")
        driver.exchange.check()
        done = f"{driver.sent:,} messages" if kind == "bench_quoter" else f"{driver.placed // 2:,} closed positions"
        rules = f"start {first:.1f} us, after {done} {last:.1f} us, per quote; 1.0 is flat"
        rows.append(Row(case=f"{case}, cost late over early", value=last / first, unit="ratio", rules=rules))
    return rows


def ends_us(driver: Driver, events: Iterator[Bbo], count: int) -> tuple[float, float]:
    """Microseconds an event in the first and in the last tenth of a run (median of small chunks)."""
    part = max(CHUNK, count // 10)
    driver.play(itertools.islice(events, CHUNK))
    first = median_us(driver, events, part)
    driver.play(itertools.islice(events, max(0, count - 2 * part - CHUNK)))
    return first, median_us(driver, events, part)


def median_us(driver: Driver, events: Iterator[Bbo], count: int) -> float:
    """Median microseconds an event over chunks of the next `count` events."""
    taken = []
    for _ in range(max(1, count // CHUNK)):
        chunk = list(itertools.islice(events, CHUNK))
        if not chunk:
            break
        began = time.perf_counter_ns()
        driver.play(chunk)
        taken.append((time.perf_counter_ns() - began) / len(chunk) / 1_000)
    taken.sort()
    return taken[len(taken) // 2]


def memory_rows(count: int, folder: Path) -> list[Row]:
    """Memory that a long run keeps, after its first tenth."""
    driver = make_driver("bench_quoter", {"every": 10})
    driver.start(market.START_NS - LEAD_NS)
    events = market.quotes(quotes_of(count, folder))
    driver.play(itertools.islice(events, count // 10))
    before = resident_mib()
    driver.play(events)
    grown = resident_mib() - before
    rules = f"resident memory after {count:,} quotes over that after {count // 10:,}; quoter every 10th"
    return [Row(case="memory growth", value=max(0.0, grown), unit="MiB", rules=rules)]


def resident_mib() -> float:
    """Resident memory now where /proc tells it, else the peak."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return pages * resource.getpagesize() / 2**20
