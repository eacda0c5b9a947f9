"""Microseconds from an intent to a signed HTTP request at the venues that come through ccxt, and ccxt's own way.

Both use ccxt to write and seal the request. Ours has the wire form of our own dialect, in exact decimals, and the
secret stays with the signer; ccxt's `create_order` starts from its own arguments. Both end where HTTP begins.
"""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
from msgspec.structs import replace

from domain.errors import VenueError
from engine.clock import WallClock
from research.bench.journal import Rival, Row
from research.bench.venue_books import instrument_of
from research.bench.venue_rivals import ccxt_exchange

VENUES = {"binance": "binanceusdm", "bybit": "bybit", "phemex": "phemex"}
"""Our packages, and what ccxt calls them."""
RULES = "exact wire form, own client id, the secret with the signer; ends where HTTP begins; without the limits' keeper"
SYMBOL = "BTC/USDT:USDT"
Timing = Callable[[Callable[[], Awaitable[object]], int], Awaitable[float]]
Making = Callable[[Any, int], Any]


class Secret:
    """The `Secrets` port with one made-up secret."""

    def get(self, _name: str) -> str:
        """Sixty-four letters."""
        return "s" * 64

    def has(self, _name: str) -> bool:
        """It is always there."""
        return True


class Wire:
    """Stands where the HTTP session is: every request has arrived here, and none is answered."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.sent = 0

    def request(self, *_args: object, **_more: object) -> Any:  # noqa: ANN401 - as aiohttp's
        """Count it, and say that nobody is there."""
        self.sent += 1
        raise aiohttp.ClientOSError("the bench sends nothing")


async def rows(count: int, place: Making, us: Timing) -> list[Row]:
    """A row for each venue. `place` makes an order of an instrument, `us` times."""
    found = []
    for package, name in VENUES.items():
        wire = Wire()
        value = await us(our_side(package, place, wire), count)
        theirs = await us(ccxt_side(name), count)
        if wire.sent != count:
            raise AssertionError(f"{package}: {wire.sent} requests of {count} orders")
        case = f"{package.capitalize()} order signed"
        beside = Rival(engine="ccxt.pro", value=theirs, detail="")
        found.append(Row(case=case, value=value, unit="us", rules=RULES, rivals=[beside]))
    return found


def our_side(package: str, place: Making, wire: Wire) -> Callable[[], Awaitable[object]]:
    """Dialect, ccxt's request, signer. By name: research does not build on these venues."""
    of = {name: importlib.import_module(f"exchanges.{package}.{name}") for name in ("config", "dialect", "open")}
    client = importlib.import_module("exchanges.viaccxt.client")
    shared = importlib.import_module("exchanges.shared.setup")
    sessions = importlib.import_module("exchanges.viaccxt.session")
    patience = importlib.import_module("exchanges.viaccxt.dialect").Patience()
    venue = package.upper()
    account = shared.VenueAccount(id=f"{venue}:bench", key="bench", api_key="bench-key")
    setup = shared.VenueSetup(venue=venue, network=shared.TESTNET, accounts=(account,))
    signer = of["open"].open_signer(setup, Secret())
    ours = client.Client(of["config"].spec_at(setup), wire, api_key=account.api_key, key=account.key, signer=signer)
    instrument = instrument_of(venue)
    session = sessions.Session(account, ours, WallClock(), [instrument], {}, patience, lambda _: None, lambda _: None)
    make = getattr(of["dialect"], f"{package.capitalize()}Dialect")
    dialect = make(session) if package == "phemex" else make(session, of["config"].network_at(setup))
    numbers = iter(range(1, 10**9))

    async def work() -> None:
        order = replace(place(instrument, next(numbers)), account=account.id)
        session.orders.placed(order, instrument)
        [call] = dialect.calls([order])
        try:
            await ours.ask(call.method, call.api, call.path, call.params)
        except VenueError as error:
            if "the bench sends nothing" not in str(error):
                raise

    return work


class Reached(Exception):
    """ccxt would send now."""


def ccxt_side(name: str) -> Callable[[], Awaitable[object]]:
    """Ccxt's `create_order` up to where it would send."""
    exchange = ccxt_exchange(
        name, SYMBOL, "BTCUSDT", instrument_of(name.upper()), apiKey="bench-key", secret="s" * 64, enableRateLimit=False
    )
    exchange.options["accessToken"] = None
    exchange.options["enableUnifiedAccount"], exchange.options["enableUnifiedMargin"] = True, False

    async def fetch(*_args: object, **_more: object) -> None:
        raise Reached

    exchange.fetch = fetch
    numbers = iter(range(1, 10**9))

    async def work() -> None:
        params = {"clientOrderId": f"be9c40-1-{next(numbers):x}-0", "postOnly": True}
        try:
            await exchange.create_order(SYMBOL, "limit", "buy", 0.01, 49_000.0, params)
        except Reached:
            return
        raise AssertionError(f"{name}: create_order sent nothing")

    return work
