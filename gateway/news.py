"""The news of a desk: views that are pushed and how often, facts as they happen, and markets that somebody watches.

Read once for all clients. Between two views the engine has its turn, so that a refresh is never one long pause.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final, TypeAlias, cast

import msgspec
import structlog
from msgspec import Struct
from msgspec.structs import replace

from domain.facts import CommandDone, Fact
from domain.instrument import Instrument
from domain.market_views import MarketView
from domain.views import OrderView
from engine.desk import Desk
from gateway.encoding import to_json
from gateway.source import Frame

log = structlog.get_logger(__name__)

Read: TypeAlias = Callable[[str, Mapping[str, str]], Awaitable[object]]
"""Reads a view by name and arguments."""

SCALED: Final = {
    "price": "price_decimals",
    "trigger": "price_decimals",
    "qty": "qty_decimals",
    "filled": "qty_decimals",
}
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
"""All of them views that whoever may log in may read."""
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


class News:
    """The news for one reader."""

    def __init__(self, desk: Desk, read: Read, topics: Callable[[], Sequence[str]]) -> None:
        """`topics` are the markets that are watched now."""
        self._desk = desk
        self._read = read
        self._topics = topics
        self._told: dict[str, object] = {}
        self._due_s: dict[str, float] = {}
        self._missed = 0
        self._failing: set[str] = set()

    async def frames(self, facts: AsyncIterator[Fact], lost: Callable[[], int]) -> AsyncGenerator[Frame]:
        """Every pushed view once, then what changes, without end. `lost` counts the facts that were lost."""
        is_first = True
        while True:
            async for frame in self._changes():
                yield frame
            if is_first:
                is_first = False
                yield Frame(kind="whole", name="", data=b"null", seq=self._desk.progress[0])
            async for fact in _until(facts, min(self._due_s.values())):
                if lost() != self._missed:
                    self._missed = lost()
                    yield Frame(kind="gap", name="", data=b"null", seq=fact.seq)
                if not isinstance(fact, CommandDone):  # who commanded what is the audit's: not everybody may read it
                    contract = self._desk.contract(getattr(fact, "instrument", ""))
                    tag = str(fact.__struct_config__.tag)
                    yield Frame(kind="fact", name=tag, data=fact_json(fact, contract), seq=fact.seq)

    async def _changes(self) -> AsyncGenerator[Frame]:
        """The views and markets that are due and have changed."""
        for one in PUSHED:
            if self._is_due(one.name, one.every_s):
                frame = await self._changed("view", one.name, one.name, one.arguments)
                if frame is not None:
                    yield frame
                await asyncio.sleep(0)
        topics = self._topics()
        for gone in [key for key in self._told if key.startswith(MARKET) and key not in topics]:
            del self._told[gone], self._due_s[gone]
        for topic in topics:
            if self._is_due(topic, MARKET_EVERY_S):
                frame = await self._changed("market", topic, "book", {"instrument": topic.removeprefix(MARKET)})
                if frame is not None:
                    yield frame
                await asyncio.sleep(0)

    def _is_due(self, key: str, every_s: float) -> bool:
        now_s = asyncio.get_running_loop().time()
        if self._due_s.get(key, now_s) > now_s:
            return False
        self._due_s[key] = now_s + every_s
        return True

    async def _changed(self, kind: str, key: str, view: str, arguments: Mapping[str, str]) -> Frame | None:
        seq = self._desk.progress[0]
        try:
            value = await self._read(view, arguments)
        except Exception:  # one view that fails must not end the feed of all others
            if key not in self._failing:
                self._failing.add(key)
                log.exception("a view of the live feed fails and is left out", view=key)
            return None
        self._failing.discard(key)
        essence = _essence(value)
        if key in self._told and self._told[key] == essence:
            return None
        self._told[key] = essence
        return Frame(kind=kind, name=key, data=to_json(value), seq=seq)


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
