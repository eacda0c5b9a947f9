"""`DeskSource`: the service as the gateway sees it, in the engine's own process.

Views are read by the table `VIEWS`; verbs and lines go to the control room, which `main.py` hands in: this room does
not know that one.

    source = DeskSource(desk, remote)
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final, cast

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from domain.commands import Actor
from domain.facts import Fact
from domain.instrument import Instrument
from domain.market_views import MarketView
from domain.verb_views import Remote
from domain.views import OrderView, PersonView
from engine.desk import Desk
from gateway.encoding import to_json
from gateway.source import Answer, Frame, NotKnown
from gateway.views import VIEWS, Rooms

SCALED: Final = {
    "price": "price_decimals",
    "trigger": "price_decimals",
    "qty": "qty_decimals",
    "filled": "qty_decimals",
}
KEPT_FACTS: Final = 2_000
"""Facts that may wait for the reader of news; what is lost is told as a gap."""
NONE: Final[Mapping[str, str]] = MappingProxyType({})


class Pushed(Struct, frozen=True):
    """A view that the feed carries by itself: with which arguments, and how often it is looked at."""

    name: str
    every_s: float = 0.5
    arguments: Mapping[str, str] = NONE


PUSHED: Final = (
    Pushed("status"),
    Pushed("positions"),
    Pushed("orders"),
    Pushed("strategies"),
    Pushed("pnl"),
    Pushed("balances"),
    Pushed("pending"),
    Pushed("venues"),
    Pushed("breakers"),
    Pushed("incidents"),
    Pushed("trades", arguments=MappingProxyType({"limit": "50"})),
    Pushed("alerts", 1.0),
    Pushed("risk", 5.0),
    Pushed("stress", 5.0),
    Pushed("health", 5.0),
)
MARKET: Final = "market:"
MARKET_EVERY_S: Final = 0.2


def fact_json(fact: Fact, instrument: Instrument | None) -> bytes:
    """A fact as JSON; what the core counts in an instrument's scale becomes a decimal string."""
    said: dict[str, Any] = msgspec.to_builtins(fact, builtin_types=(Decimal,))
    for name, scale in SCALED.items() if instrument is not None else ():
        if name in said:
            said[name] = Decimal(said[name]).scaleb(-getattr(instrument, scale))
    return to_json(said)


def _essence(value: object) -> object:
    """What has to differ for a view to be pushed again: nothing changes by growing older."""
    match value:
        case MarketView():
            return replace(value, seq=0, age_ms=0, orders=tuple(replace(order, age_s=0.0) for order in value.orders))
        case [OrderView(), *_]:
            return [replace(order, age_s=0.0) for order in cast("list[OrderView]", value)]
    return value


class DeskSource:
    """A `Source` over a desk and the control room in front of it."""

    def __init__(self, desk: Desk, remote: Remote) -> None:
        self._desk = desk
        self._remote = remote
        self._rooms = Rooms(desk, remote)
        self._topics: tuple[str, ...] = ()

    async def view(self, name: str, arguments: Mapping[str, str]) -> bytes:
        """A read model as JSON. Raises `NotKnown`, `BadArgument`."""
        return to_json(await self._read(name, arguments))

    async def _read(self, name: str, arguments: Mapping[str, str]) -> object:
        reader = VIEWS.get(name)
        if reader is None:
            raise NotKnown(f"There is no view {name!r}")
        value = reader(self._rooms, arguments)
        return await value if inspect.isawaitable(value) else value

    async def run(self, actor: Actor, verb: str, arguments: Mapping[str, str], request_id: str) -> Answer:
        """Carry out a verb of the table. Raises `NotKnown`, `BadArgument`."""
        return await self._remote.run(actor, verb, arguments, request_id)

    async def say(self, actor: Actor, line: str, request_id: str) -> Answer:
        """Carry out a typed line."""
        return await self._remote.say(actor, line, request_id)

    def persons(self) -> list[PersonView]:
        """Who may act, with roles."""
        return self._desk.persons()

    async def watch(self, topics: Collection[str]) -> None:
        """Carry these market topics in the news. What is none is left out."""
        self._topics = tuple(topic for topic in topics if self._desk.contract(topic.removeprefix(MARKET)) is not None)
        self._desk.markets.minutes.watch(id(self), [topic.removeprefix(MARKET) for topic in self._topics])

    @contextlib.asynccontextmanager
    async def news(self) -> AsyncGenerator[AsyncIterator[Frame]]:
        """Every pushed view once, then what changes; a fact at once, views in their own rhythm."""
        async with (
            self._desk.facts(KEPT_FACTS) as facts,
            contextlib.aclosing(self._news(facts, lambda: facts.missed)) as frames,
        ):
            yield frames

    async def _news(self, facts: AsyncIterator[Fact], lost: Callable[[], int]) -> AsyncGenerator[Frame]:
        told: dict[str, object] = {}
        missed = 0
        loop = asyncio.get_running_loop()
        due = dict.fromkeys((one.name for one in PUSHED), loop.time())
        markets_due_s = 0.0
        while True:
            is_first = not told
            for one in PUSHED:
                if due[one.name] <= loop.time():
                    due[one.name] = loop.time() + one.every_s
                    frame = await self._changed(one, told)
                    if frame is not None:
                        yield frame
                    await asyncio.sleep(0)  # the engine's turn: a refresh is never one long pause
            if markets_due_s <= loop.time():
                markets_due_s = loop.time() + MARKET_EVERY_S
                for key in [key for key in told if key.startswith(MARKET) and key not in self._topics]:
                    del told[key]
                for topic in self._topics:
                    market = Pushed("book", arguments={"instrument": topic.removeprefix(MARKET)})
                    frame = await self._changed(market, told, topic)
                    if frame is not None:
                        yield frame
                    await asyncio.sleep(0)
            if is_first:
                yield Frame(kind="whole", name="", data=b"null", seq=self._desk.progress[0])
            next_s = min(*due.values(), *([markets_due_s] if self._topics else []))
            async for fact in _until(facts, next_s):
                if lost() != missed:
                    missed = lost()
                    yield Frame(kind="gap", name="", data=b"null", seq=fact.seq)
                contract = self._desk.contract(getattr(fact, "instrument", ""))
                tag = str(fact.__struct_config__.tag)
                yield Frame(kind="fact", name=tag, data=fact_json(fact, contract), seq=fact.seq)

    async def _changed(self, one: Pushed, told: dict[str, object], topic: str = "") -> Frame | None:
        seq = self._desk.progress[0]
        value = await self._read(one.name, one.arguments)
        essence, key = _essence(value), topic or one.name
        if key in told and told[key] == essence:
            return None
        told[key] = essence
        return Frame(kind="market" if topic else "view", name=key, data=to_json(value), seq=seq)


async def _until(facts: AsyncIterator[Fact], time_s: float) -> AsyncGenerator[Fact]:
    """Facts as they come, until the loop's clock says `time_s`."""
    while True:
        try:
            async with asyncio.timeout_at(time_s):
                fact = await anext(facts)
        except TimeoutError:
            return
        yield fact
        if asyncio.get_running_loop().time() >= time_s:
            return
