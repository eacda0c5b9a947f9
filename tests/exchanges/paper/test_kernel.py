"""The compiled kernel does what the plain functions do, and batches do what single events do."""

import gzip
import random
from decimal import Decimal
from pathlib import Path

import msgspec
import numpy as np
import pytest

from domain.events import VenueEvent
from domain.instrument import Instrument
from domain.market import Bbo, Book, Trade
from domain.order import Cancel, OrderKind, Place
from exchanges.paper import kernel
from exchanges.paper import matching as rules
from exchanges.paper.config import QueueModel
from exchanges.paper.exchange import PaperExchange
from exchanges.paper.market import Market
from exchanges.paper.orders import PaperOrder
from tests.exchanges.paper.world import ACCOUNT, BTC, INSTANT
from tests.needs import recorded_data

STEP = 1_000_000
Tick = Bbo | Book | Trade


def diff_tape(seed: int, count: int) -> np.ndarray:
    """A made-up depth-and-trades tape around a wandering middle."""
    rng = random.Random(seed)
    middle, rows = 600_000, []
    for n in range(count):
        middle += rng.choice([-1, 0, 0, 0, 1])
        side = rng.choice([1, -1])
        if rng.random() < 0.2:
            rows.append((n * STEP, rules.TRADE, side, middle + side, rng.randint(1, 60)))
        else:
            qty = rng.choice([0, 1, 1]) * rng.randint(1, 300)
            rows.append((n * STEP, rules.LEVEL, side, middle - side * rng.randint(1, 12), qty))
    return np.array(rows, dtype=np.int64)


def order(number: int, side: int, price: int, qty: int) -> PaperOrder:
    return PaperOrder(
        cid=f"o{number}",
        account=ACCOUNT,
        instrument=BTC.id,
        side=side,
        kind=OrderKind.LIMIT,
        qty=qty,
        price=price,
        seq=number,
    )


def run_market(rows: np.ndarray, power: int, is_compiled: bool) -> list[tuple]:
    """Everything a market with two-sided quotes and stops reports while the tape runs, and its final arrays."""
    market = Market(BTC, power)
    flat = rows.reshape(-1).tolist()
    effects: list[tuple] = []
    row, number, last = 0, 0, len(rows)
    arrays = (market.state, market.keys, market.sizes)
    while row < last:
        stop = min(last, row + 500)
        if is_compiled:
            row = kernel.match_rows(market, rows, row, stop)
        else:
            market.set_band()
            row = rules.match(flat, row, stop, *arrays, market.orders, market.triggers, market.out)
        count = market.state[rules.OUT]
        effects += [(row, market.out[2 * i], market.out[2 * i + 1]) for i in range(count)]
        middle = int(rows[row - 1, 3])
        for resting in list(market.resting):
            market.remove(resting)
        for armed in list(market.armed):
            market.remove(armed)
        for side in (1, -1):
            for away in (3, 5, 8):
                number += 1
                market.rest(order(number, side, middle - side * away, 40))
        stop_order = order(number, -1, 0, 10)
        stop_order.kind, stop_order.trigger = OrderKind.STOP, middle - 20
        market.arm(stop_order)
    return [*effects, tuple(market.state), tuple(market.keys), tuple(market.sizes), tuple(market.orders)]


@pytest.mark.timeout(180)
@pytest.mark.parametrize("power", [0, 1, 3])
def test_compiled_and_plain_matching_are_equal(power):
    rows = diff_tape(power, 20_000)
    plain = run_market(rows, power, is_compiled=False)
    assert len(plain) > 500
    assert run_market(rows, power, is_compiled=True) == plain


def snapshots(seed: int, count: int) -> list[Tick]:
    rng = random.Random(seed)
    middle = 600_000
    events: list[Tick] = []
    for n in range(1, count):
        middle += rng.choice([-2, -1, 0, 0, 0, 1, 2])
        ts = n * STEP
        if rng.random() < 0.4:
            side = rng.choice([1, -1])
            events.append(Trade(ts_ns=ts, instrument=BTC.id, price=middle + side, qty=rng.randint(1, 80), side=side))
            continue
        bids = tuple((middle - 1 - 2 * i, rng.randint(1, 100)) for i in range(8) if rng.random() < 0.9)
        asks = tuple((middle + 1 + 2 * i, rng.randint(1, 100)) for i in range(8) if rng.random() < 0.9)
        events.append(Book(ts_ns=ts, instrument=BTC.id, bids=bids, asks=asks))
    return events


def quotes(seed: int, count: int) -> list[Tick]:
    """The same with best prices only."""
    events: list[Tick] = []
    for event in snapshots(seed, count):
        if isinstance(event, Book) and event.bids and event.asks:
            (bid, bid_qty), (ask, ask_qty) = event.bids[0], event.asks[0]
            events.append(
                Bbo(
                    ts_ns=event.ts_ns,
                    instrument=BTC.id,
                    bid=bid,
                    bid_qty=bid_qty,
                    ask=ask,
                    ask_qty=ask_qty,
                )
            )
        elif isinstance(event, Trade):
            events.append(event)
    return [event for event in events if event.ts_ns > 50 * STEP or isinstance(event, Bbo)]


def as_rows(events: list[Tick]) -> np.ndarray:
    rows = []
    for event in events:
        if isinstance(event, Trade):
            rows.append((event.ts_ns, rules.TRADE, event.side, event.price, event.qty))
            continue
        if isinstance(event, Bbo):
            rows.append((event.ts_ns, rules.TOP, 1, event.bid, event.bid_qty))
            rows.append((event.ts_ns, rules.TOP, -1, event.ask, event.ask_qty))
            continue
        for side, levels in ((1, event.bids), (-1, event.asks)):
            rows.append((event.ts_ns, rules.CLEAR, side, 0, 0))
            rows += [(event.ts_ns, rules.LEVEL, side, price, qty) for price, qty in levels]
        rows.append((event.ts_ns, rules.LOOK, 0, 0, 0))
    return np.array(rows, dtype=np.int64)


def quote(exchange: PaperExchange, ts: int, number: int) -> None:
    """A pair of quotes; those of eight wake-ups ago go."""
    old = [Cancel(cid=f"q{number - 8}-{side}", account=ACCOUNT, instrument=BTC.id) for side in (1, -1)]
    exchange.submit(old, ts)
    middle = exchange.floor.markets[BTC.id].reference() or 600_000
    exchange.submit(
        [
            Place(
                cid=f"q{number}-{side}",
                account=ACCOUNT,
                instrument=BTC.id,
                side=side,
                kind=OrderKind.POST_ONLY,
                qty=25,
                price=middle - side * (1 + number % 2),
            )
            for side in (1, -1)
        ],
        ts,
    )


@pytest.mark.timeout(180)
@pytest.mark.parametrize("make", [snapshots, quotes])
@pytest.mark.parametrize("model", list(QueueModel))
def test_a_batch_of_rows_and_the_same_events_one_by_one_give_the_same_answers(model, make):
    events = make(3, 15_000)
    rows = as_rows(events)
    config = msgspec.structs.replace(INSTANT, queue_model=model, entry_ns=3 * STEP, response_ns=2 * STEP)
    single = PaperExchange([BTC], {ACCOUNT: Decimal(10_000_000)}, config)
    batched = PaperExchange([BTC], {ACCOUNT: Decimal(10_000_000)}, config)
    told: list[VenueEvent] = []
    heard: list[VenueEvent] = []
    at = row = 0
    for number in range(1, 150):
        wake = number * 100 * STEP
        while at < len(events) and events[at].ts_ns <= wake:
            single.on_market(events[at])
            at += 1
        told += single.poll(wake)
        quote(single, wake, number)
        while True:
            row = batched.on_rows(BTC.id, rows, row, wake)
            due = batched.next_due_ns
            if row == len(rows) or rows[row, 0] > wake:
                break
            heard += batched.poll(due)
        heard += batched.poll(wake)
        quote(batched, wake, number)
    assert heard == told
    assert sum(type(event).__name__ == "Filled" for event in told) > 50
    batched.check()


def test_rows_of_an_unknown_instrument_are_refused():
    from domain.errors import VenueError

    exchange = PaperExchange([BTC], {ACCOUNT: Decimal(1)}, INSTANT)
    with pytest.raises(VenueError, match="does not list"):
        exchange.on_rows("ETH-USDT-PERP.PAPER", np.zeros((1, 5), dtype=np.int64), 0, 1)


def binance_rows(file: Path, limit: int) -> np.ndarray:
    """Depth updates and trades of a recorded Binance stream as rows, in order of receipt."""
    rows: list[tuple[int, int, int, int, int]] = []
    with gzip.open(file) as lines:
        for line in lines:
            stamp, _, text = line.partition(b" ")
            ts, data = int(stamp), msgspec.json.decode(text).get("data", {})
            if data.get("e") == "depthUpdate":
                for side, name in ((1, "b"), (-1, "a")):
                    rows += [(ts, rules.LEVEL, side, scaled(p, 1), scaled(q, 3)) for p, q in data[name]]
            elif data.get("e") == "trade" and data["X"] == "MARKET":
                side = -1 if data["m"] else 1
                rows.append((ts, rules.TRADE, side, scaled(data["p"], 1), scaled(data["q"], 3)))
            if len(rows) > limit:
                break
    return np.array(rows, dtype=np.int64)


def scaled(text: str, decimals: int) -> int:
    return round(float(text) * 10**decimals)


@pytest.mark.real_data
@pytest.mark.timeout(180)
def test_compiled_and_plain_matching_are_equal_on_a_recorded_tape():
    rows = binance_rows(recorded_data("l2", "usdm_btcusdt_20240808.gz"), 40_000)
    plain = run_market(rows, 3, is_compiled=False)
    assert run_market(rows, 3, is_compiled=True) == plain


def test_the_ladder_keeps_what_a_simple_book_keeps():
    rng = random.Random(11)
    market = Market(BTC, 3)
    simple: dict[int, dict[int, int]] = {1: {}, -1: {}}
    arrays = (market.state, market.keys, market.sizes)
    middle = 600_000
    for n in range(30_000):
        middle += rng.choice([-3, 0, 0, 0, 3])
        side, qty = rng.choice([1, -1]), rng.choice([0, 1]) * rng.randint(1, 9)
        price = middle - side * int(rng.expovariate(1 / 400))
        kind = rules.TOP if rng.random() < 0.05 else rules.LEVEL
        row = (n, kind, side, price, qty)
        rules.match(row, 0, 1, *arrays, market.orders, market.triggers, market.out)
        levels = simple[side]
        if kind == rules.TOP:
            for better in [p for p in levels if (p - price) * side > 0]:
                del levels[better]
        levels[price] = qty
        if not qty:
            del levels[price]
        if n % 100 == 0:
            for half in (1, -1):
                best = sorted((p * half for p in simple[half]), reverse=True)
                assert market.best(half) == (best[0] * half if best else 0)
                for key in best[:400]:
                    assert rules.shown(*arrays, half, key) == simple[half][key * half]
    assert len(simple[1]) > 100


def test_without_numba_the_plain_functions_do_the_same_work(monkeypatch):
    import sys

    rows = diff_tape(5, 3_000)
    expected = run_market(rows, 3, is_compiled=False)
    kernel.compiled_match.cache_clear()
    monkeypatch.setitem(sys.modules, "numba", None)
    assert kernel.compiled_match() is rules.match
    assert run_market(rows, 3, is_compiled=True) == expected
    kernel.compiled_match.cache_clear()


def test_an_instrument_with_many_orders_grows_its_arrays():
    market = Market(Instrument(id="X-USDT-PERP.PAPER", venue_symbol="X", price_decimals=1, qty_decimals=1), 3)
    orders = [order(n, 1 if n % 2 else -1, 1000 - 7 * n if n % 2 else 2000 + n, 5) for n in range(200)]
    for one in orders:
        market.rest(one)
    keys = [market.orders[i * rules.ORDER + rules.KEY] for i in range(200)]
    assert keys == [one.side * one.price for one in market.resting]
    assert keys[100:] == sorted(keys[100:], reverse=True)
    for one in orders[::3]:
        market.remove(one)
    assert market.state[rules.ORDERS] == len(market.resting) == 133
