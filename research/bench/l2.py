"""Order-book replay with the live market makers: events a second, counted as the venue sent them.

The engine sees what the live conflator lets through (100 ms); what lies between is matched by the compiled kernel. The
tape is made here, as dense as Binance's BTCUSDT; where MOONDEV_DATA_DIR names recorded data, that tape is run too.
"""

from __future__ import annotations

import os
import random
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

from domain.market import Bbo, Feed, FeedKind
from domain.settings import (
    AccountSpec,
    ApprovalSettings,
    ExecutionSettings,
    Limits,
    RiskSettings,
    Settings,
    StrategySpec,
)
from engine.data.arrays import LEVEL, TRADE, RowWriter
from engine.data.l2 import L2Tape
from engine.strategies import registry
from exchanges.paper.config import PaperConfig
from exchanges.paper.exchange import PaperExchange
from research.bench import market
from research.bench.backtests import ACCOUNT, DAY_NS, DEPOSIT, MANY, WIDEST
from research.bench.journal import Row
from research.compiled import CompiledTape, Pacer, Pacing, Wake, compile_tape, needed
from research.driver import LEAD_NS, Driver

CADENCE_NS = 100_000_000
EVENT_GAP_NS = 700_000
LEVELS = 25
MAKER = {
    "qty": 0.01,
    "max_position": 0.1,
    "maker_fee_bps": 0.0,
    "min_edge_bps": 0.2,
    "vol_factor": 0.2,
    "settle_s": 5,
}
CALIBRATED = {name: value for name, value in MAKER.items() if name != "vol_factor"} | {"gamma": 0.1, "reach_bps": 5.0}
RECORDED = "l2/usdm_btcusdt_20240808.gz"
BEST_OF = 5


def run(count: int) -> list[Row]:
    """Replay a made-up tape of `count` events, and the recorded one where there is one."""
    rows = [replay_row("l2_replay", made_up(count), "made-up tape as dense as BTCUSDT")]
    folder = os.environ.get("MOONDEV_DATA_DIR", "")
    path = Path(folder) / RECORDED
    if folder and path.exists():
        kinds = L2Tape(path, market.BTC).rows()[:, 1]
        events, counted = int(((kinds == LEVEL) | (kinds == TRADE)).sum()), "level changes and trades counted"
        tape = recorded(path, events, FeedKind.BBO)
        rows.append(replay_row("l2_replay recorded", tape, f"{path.name}, {counted}"))
        tape = recorded(path, events, FeedKind.BBO, FeedKind.TRADE)
        what = f"{path.name}, {counted}; it reads every trade and fits intensities"
        rows.append(replay_row("l2_replay calibrated maker", tape, what, "calibrated_maker", CALIBRATED))
    return rows


def recorded(path: Path, events: int, *feeds: FeedKind) -> CompiledTape:
    """The recorded tape, made ready for a strategy that reads these feeds."""
    tape = compile_tape(market.BTC.id, L2Tape(path, market.BTC).events(), pacing(*feeds))
    return CompiledTape(instrument=tape.instrument, rows=tape.rows, wakes=tape.wakes, events=events)


def pacing(*feeds: FeedKind) -> Pacing:
    """What a live strategy is spared that reads these feeds."""
    passes = needed([Feed(kind=kind, instrument=market.BTC.id) for kind in feeds])
    return Pacing(conflate_ns=CADENCE_NS, passes=passes)


def made_up(count: int, seed: int = 7) -> CompiledTape:
    """Level changes and trades around a wandering touch, 25 levels a side, about 1,400 a second."""
    rng = random.Random(seed)
    writer, wakes = RowWriter(), list[Wake]()
    pacer = Pacer(lambda event, now_ns: wakes.append(Wake(writer.count, now_ns, event)), pacing(FeedKind.BBO))
    sizes = {price: rng.randint(1, 3_000) for price in range(500_000 - LEVELS, 500_000 + LEVELS)}
    bid, ts_ns = 499_999, market.START_NS
    writer.snapshot(
        ts_ns,
        [(bid - level, sizes[bid - level]) for level in range(LEVELS)],
        [(bid + 1 + level, sizes[bid + 1 + level]) for level in range(LEVELS)],
    )
    for _ in range(count):
        ts_ns += int(rng.expovariate(1 / EVENT_GAP_NS)) + 1
        pacer.flush_until(ts_ns)
        side = rng.choice((1, -1))
        touch = bid if side > 0 else bid + 1
        price = touch
        if rng.random() < 0.14:
            qty = min(sizes[touch], int(rng.expovariate(1 / 120)) + 1)
            writer.trade(ts_ns, -side, touch, qty)
            left = sizes[touch] - qty
        else:
            price = touch - side * min(LEVELS - 1, int(rng.expovariate(0.25)))
            left = 0 if rng.random() < 0.1 else rng.randint(1, 3_000)
        sizes[price] = left
        writer.difference(ts_ns, *(([(price, left)], []) if side > 0 else ([], [(price, left)])))
        if price == touch and not left:
            bid -= side
            low, high = bid - LEVELS, bid + 1 + LEVELS
            sizes[low], sizes[high] = sizes.get(low) or 500, sizes.get(high) or 500
            fresh = bid + 1 if side > 0 else bid
            sizes[fresh] = sizes[bid] = sizes.get(bid) or 700
            sizes[bid + 1] = sizes.get(bid + 1) or 700
            writer.difference(ts_ns, [(bid, sizes[bid])], [(bid + 1, sizes[bid + 1])])
        pacer.put(
            Bbo(
                ts_ns=ts_ns,
                instrument=market.BTC.id,
                bid=bid,
                bid_qty=sizes[bid],
                ask=bid + 1,
                ask_qty=sizes[bid + 1],
            )
        )
    return CompiledTape(instrument=market.BTC.id, rows=writer.rows(), wakes=tuple(wakes), events=writer.count)


def make_driver(kind: str, params: dict[str, Any]) -> Driver:
    """A live maker, with latencies and queue positions as in paper trading."""
    wide = Limits(max_position_notional=Decimal(MANY), max_order_notional=Decimal(MANY))
    spec = StrategySpec(id="maker", kind=kind, account=ACCOUNT, instruments=(market.BTC.id,), params=params)
    settings = Settings(
        instruments=(market.BTC,),
        accounts=(AccountSpec(id=ACCOUNT, currency="USDT", deposit=DEPOSIT),),
        risk=RiskSettings(default_limits=wide, max_exposure=Decimal(MANY), portfolio=WIDEST),
        approvals=ApprovalSettings(enabled=False),
        execution=ExecutionSettings(equity_sample_ns=DAY_NS, reconcile_every_ns=DAY_NS),
        strategies=(spec,),
    )
    exchange = PaperExchange((market.BTC,), {ACCOUNT: DEPOSIT}, PaperConfig())
    return Driver(settings, exchange, registry.build, facts_on=False)


def replay_row(
    case: str, tape: CompiledTape, what: str, kind: str = "market_maker", params: dict[str, Any] = MAKER
) -> Row:
    """Best of some replays; the first one compiles the kernel. Raises AssertionError when two differ."""
    best_s, outcomes, driver = float("inf"), set(), make_driver(kind, params)
    for _ in range(1 + BEST_OF):
        driver = make_driver(kind, params)
        driver.start(int(tape.rows[0, 0]) - LEAD_NS)
        began = time.perf_counter()
        driver.replay(tape)
        best_s = min(best_s, time.perf_counter() - began)
        outcomes.add(driver.core.state.effects_hash)
    driver.exchange.check()
    if len(outcomes) != 1:
        raise AssertionError(f"{case}: two replays of the same tape did different things")
    fills = driver.core.state.strategies["maker"].fills
    hours = (int(tape.rows[-1, 0]) - int(tape.rows[0, 0])) / 3.6e12
    rules = (
        f"{what}; {tape.events:,} events, {hours:.2f} h, {len(tape.wakes):,} wakes, {driver.sent:,} requests, "
        f"{fills} fills; live code at 100 ms, queue position, latency, gate, limits; best of {BEST_OF}"
    )
    return Row(case=case, value=tape.events / best_s, unit="events/s", rules=rules)
