"""Microseconds from an intent to signed bytes, ccxt.pro and hyperliquid-python-sdk doing the same beside it.

Nothing is sent. Ours is what the order side does between `send` and the socket: batching, the limits, the wire form,
a nonce, the signature, JSON. The others begin with their own arguments and end with the same bytes on their way.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import itertools
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

from domain.instrument import Instrument
from domain.order import OrderKind, Place
from engine.clock import WallClock
from research.bench import venue_keys
from research.bench.feeds import BTC
from research.bench.journal import Rival, Row
from research.bench.venue_rivals import ccxt_exchange, close_all

ACCOUNT, KEY = "HYPERLIQUID:bench", "0x" + "11" * 32
ADDRESS = "0x" + "ab" * 20
BATCH = 40
RULES = "batching, limits, exact wire form, nonce, expiry, signature, JSON; nothing sent"
SECOND_NS = 1_000_000_000


def run(count: int) -> list[Row]:
    """One order, and forty in one action, `count` times; then the keeper of the limits."""
    return [*asyncio.run(order_rows(count)), *budget_rows(count)]


async def order_rows(count: int) -> list[Row]:
    """Intent to signed bytes."""
    ours = OurSide()
    rows = []
    for size, name in ((1, "Hyperliquid order signed"), (BATCH, f"Hyperliquid {BATCH} orders in one action signed")):
        times = max(5, count // size)
        rivals = [
            Rival(engine="hyperliquid-python-sdk", value=await us(sdk_side(size), times), detail=""),
            Rival(engine="ccxt.pro", value=await us(ccxt_side(size), max(3, times // 20)), detail=""),
        ]
        value = await us(lambda size=size: ours.sign(size), times)  # type: ignore[misc]
        rows.append(Row(case=name, value=value, unit="us", rules=RULES, rivals=rivals))
    until_ns = time.time_ns() + 600 * SECOND_NS
    more = await venue_keys.rows(max(10, count // 10), lambda item, number: place(item, number, until_ns), us)
    await close_all()
    return [*rows, *more]


async def us(work: Callable[[], Awaitable[object]], count: int) -> float:
    """Microseconds of one: the fastest tenth."""
    taken = []
    gc.collect()
    for _ in range(count):
        began = time.perf_counter_ns()
        await work()
        taken.append(time.perf_counter_ns() - began)
    return sorted(taken)[len(taken) // 10] / 1_000


class OurSide:
    """The order side of Hyperliquid up to the socket."""

    def __init__(self) -> None:
        """Open everything but a connection. By name: research does not build on this venue."""
        config = importlib.import_module("exchanges.hyperliquid.config")
        batches = importlib.import_module("exchanges.hyperliquid.batches")
        orders = importlib.import_module("exchanges.hyperliquid.orders")
        signing = importlib.import_module("exchanges.hyperliquid.signing")
        limits = importlib.import_module("exchanges.hyperliquid.limits")
        self._outbox = importlib.import_module("exchanges.hyperliquid.outbox")
        self._batches = batches
        settings = config.HyperliquidConfig(is_mainnet=False, api_url="bench", messages_a_minute=10**9)
        account = config.HyperliquidAccount(id=ACCOUNT, address=ADDRESS, key="bench")
        self._writer = batches.Writer(
            settings,
            WallClock(),
            signing.LocalSigner({"bench": KEY}),
            orders.Orders({"BTC": BTC}, lambda _: None),
            {ACCOUNT: account},
            {BTC.id: (BTC, 0)},
        )
        self._limits = limits.Limits(settings, WallClock())
        self._limits.open_account(ACCOUNT)
        self._limits.accounts[ACCOUNT].told(0, 10**12, 10**12)
        self._ids = itertools.count(1)

    def places(self, size: int) -> list[Place]:
        """Orders as the core makes them."""
        until_ns = time.time_ns() + 30 * SECOND_NS
        return [place(BTC, next(self._ids), until_ns) for _ in range(size)]

    async def sign(self, size: int) -> bytes:
        """What the outbox does with some orders that the limits let go at once."""
        [batch] = self._batches.batches(self.places(size))
        costs = self._limits.action(ACCOUNT, size, over_socket=True)
        await self._limits.gate.enter(batch.priority, costs, batch.what, batch.until_ns)
        envelope = await self._writer.envelope(ACCOUNT, self._writer.action(batch), batch.until_ns)
        return self._outbox.encode_post(1, envelope)  # type: ignore[no-any-return]


def place(instrument: Instrument, number: int, until_ns: int) -> Place:
    """An order that rests."""
    return Place(
        cid=f"be9c40-1-{number:x}-0",
        account=ACCOUNT,
        instrument=instrument.id,
        side=1,
        kind=OrderKind.POST_ONLY,
        qty=instrument.qty("0.01"),
        price=instrument.price("49000") + number % 100 * 10,
        valid_until_ns=until_ns,
    )


def sdk_side(size: int) -> Callable[[], Awaitable[object]]:
    """The SDK's own functions, as `Exchange.bulk_orders` calls them."""
    signing: Any = importlib.import_module("hyperliquid.utils.signing")
    types: Any = importlib.import_module("hyperliquid.utils.types")
    wallet = importlib.import_module("eth_account").Account.from_key(KEY)
    ids = itertools.count(1)

    async def work() -> object:
        wires = [
            signing.order_request_to_order_wire(
                {
                    "coin": "BTC", "is_buy": True, "sz": 0.01, "limit_px": 49_000.0 + at, "reduce_only": False,
                    "order_type": {"limit": {"tif": "Alo"}}, "cloid": types.Cloid.from_int(next(ids)),
                },
                0,
            )
            for at in range(size)
        ]  # fmt: skip
        action = signing.order_wires_to_order_action(wires)
        nonce = signing.get_timestamp_ms()
        signature = signing.sign_l1_action(wallet, action, None, nonce, nonce + 30_000, False)
        return json.dumps({"action": action, "nonce": nonce, "signature": signature, "expiresAfter": nonce + 30_000})

    return work


def ccxt_side(size: int) -> Callable[[], Awaitable[object]]:
    """What ccxt does in `create_orders` before it sends."""
    exchange = ccxt_exchange(
        "hyperliquid", "BTC/USDC:USDC", "BTC/USDC:USDC", BTC, walletAddress=ADDRESS, privateKey=KEY
    )
    exchange.options["builderFee"] = False
    ids = itertools.count(1)

    async def work() -> object:
        wanted = [
            {
                "symbol": "BTC/USDC:USDC", "type": "limit", "side": "buy", "amount": "0.01", "price": f"{49_000 + at}",
                "params": {"clientOrderId": f"0x{next(ids):032x}", "postOnly": True},
            }
            for at in range(size)
        ]  # fmt: skip
        return exchange.json(exchange.create_orders_request(wanted))

    return work


def budget_rows(count: int) -> list[Row]:
    """The keeper: a request of an account that has sent nothing, and of one that has sent `count` times a hundred."""
    budgets = importlib.import_module("exchanges.shared.budget")
    meters = importlib.import_module("exchanges.shared.meters")
    keeper = budgets.Budget("BENCH")
    windows = [
        keeper.add(meters.Window(name, 10**9, seconds * SECOND_NS))
        for name, seconds in (("weight-1m", 60), ("orders-10s", 10), ("orders-1m", 60))
    ]
    costs = tuple((window, 1) for window in windows)
    wanted = budgets.Wanted(
        priority=meters.Priority.ADD, costs=costs, what="", go=lambda: None, drop=lambda _reason, _text: None
    )
    now_ns = time.time_ns()
    rows = []
    for name, before in (("new", 0), ("later", count * 100)):
        for number in range(before):
            keeper.ask(wanted, now_ns + number * 1_000_000)
        now_ns += before * 1_000_000
        taken = []
        for number in range(max(10, count // 10)):
            began = time.perf_counter_ns()
            for at in range(100):
                keeper.ask(wanted, now_ns + (number * 100 + at) * 1_000_000)
            taken.append((time.perf_counter_ns() - began) / 100)
        now_ns += count * 1_000_000_000
        value = sorted(taken)[len(taken) // 10] / 1_000
        rules = f"after {before:,} requests; three windows; a millisecond between requests; nothing waits"
        rows.append(Row(case=f"budget keeper per request, {name}", value=value, unit="us", rules=rules))
    return rows
