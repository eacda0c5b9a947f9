"""The verb `/chart`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from bot.call import Call
from bot.charts import draw as drawing
from bot.charts.studio import NotDrawn
from bot.message import Message, Text
from bot.parse import Argument, UsageError, instrument_of, suggest, symbols
from bot.rows import reads
from bot.times import PERIODS, period_of

if TYPE_CHECKING:
    from engine.desk import Desk

ALSO: Final = {"dd": "drawdown", "strategy": "strategies", "exp": "exposure"}
DEFAULT: Final = {"price": "24h"}
WEEK: Final = "7d"


async def chart(call: Call) -> Message:
    """One picture; in words where it cannot be drawn."""
    kind, symbol = _what(call.desk, call.arguments.get("what", "equity"))
    zone = call.room.zone(call.person.id)
    wanted = call.arguments.get("period", DEFAULT.get(kind, WEEK))
    period = period_of(wanted, call.desk.clock.now_ns(), zone)
    sheet = await drawing.sheet_of(kind, call.room, period.since_ns, period.until_ns, symbol, zone)
    title = f"{sheet.title}: {sheet.figure}"
    try:
        picture = await drawing.drawn(kind, call.room, sheet, symbol)
    except NotDrawn as error:
        words = Text(f"{drawing.words_of(sheet)}.")
        return Message(title=title, blocks=(words, Text(f"There is no picture: {error}.")), ok=False)
    return Message(title=title, pictures=(picture,))


def _what(desk: Desk, text: str) -> tuple[str, str]:
    """The kind of chart, and the instrument of a price chart. Raises `UsageError`."""
    kind = ALSO.get(text.lower(), text.lower())
    if kind in drawing.MAKERS:
        return kind, ""
    try:
        return "price", instrument_of(desk, text)
    except UsageError as error:
        if "traded as" in str(error):
            raise
        raise UsageError(f"there is no chart of {text!r}: {suggest(text, _charts(desk))}") from None


def _charts(desk: Desk) -> list[str]:
    return [*drawing.MAKERS, *symbols(desk)]


def _periods(_: Desk) -> Iterable[str]:
    return PERIODS


PERIOD: Final = Argument(
    name="period",
    help="30m, 24h, 7d, today, mtd, 2026-11, all",
    required=False,
    rest=True,
    complete=_periods,
)
VERBS: Final = (
    reads(
        "chart",
        "Chart of equity, drawdown, exposure, strategies, or a price with our fills and stops",
        chart,
        Argument(
            name="what",
            help="equity (default), drawdown, exposure, strategies, or an instrument",
            required=False,
            complete=_charts,
        ),
        PERIOD,
        aliases=("plot", "graph"),
        examples=("/chart equity 7d", "/chart BTC 24h", "/chart drawdown mtd", "/chart strategies today"),
    ),
)
