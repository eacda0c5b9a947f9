"""What each chart shows: asked of the desk, laid out as a sheet, drawn in another process.

    picture = await draw("equity", room, since_ns, until_ns, zone="Europe/Paris")

Never raises for data that are not there: an empty chart says why. Raises `NotDrawn` when there is no picture at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bot.charts import equity, price, shares
from bot.charts.sheet import Sheet
from bot.message import Picture
from bot.parse import UsageError, suggest

if TYPE_CHECKING:
    from bot.room import ControlRoom

MAKERS: Final = {
    "equity": equity.equity,
    "drawdown": equity.drawdown,
    "exposure": shares.exposure,
    "strategies": shares.strategies,
}
"""Kinds of charts that show the whole service; `price` shows one instrument."""


async def draw(
    kind: str, room: ControlRoom, since_ns: int, until_ns: int, symbol: str = "", zone: str = "UTC"
) -> Picture:
    """A picture of one kind over [since, until). Raises `UsageError` for a kind that is not known, and `NotDrawn`."""
    return await drawn(kind, room, await sheet_of(kind, room, since_ns, until_ns, symbol, zone), symbol)


async def drawn(kind: str, room: ControlRoom, sheet: Sheet, symbol: str = "") -> Picture:
    """The picture of a sheet. Raises `NotDrawn`."""
    name = symbol.partition("-")[0] or kind
    return Picture(name=f"{name.lower()}.png", png=await room.studio.draw(sheet), words=words_of(sheet))


async def sheet_of(kind: str, room: ControlRoom, since_ns: int, until_ns: int, symbol: str, zone: str) -> Sheet:
    """What the picture will show. Raises `UsageError`."""
    maker = price.price if kind == "price" and symbol else MAKERS.get(kind)
    if maker is None:
        raise UsageError(f"there is no chart {kind!r}: {suggest(kind, [*MAKERS, 'price'])}")
    return await maker(room.desk, since_ns, until_ns, zone, symbol)


def words_of(sheet: Sheet) -> str:
    """The picture in words, for who cannot see it and for doors that show none."""
    parts = [f"{sheet.title}: {sheet.empty or sheet.figure}", sheet.subtitle, sheet.footer]
    return ". ".join(" · ".join(part.split("\n")).rstrip(".") for part in parts if part)
