"""The verbs of the breakers: all of them with their measure, and one opened or released by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bot.call import Call
from bot.message import Block, Message, Pairs, Table, Text, utc_text
from bot.outcome import submit
from bot.parse import Argument, UsageError, suggest
from bot.rows import lowers, reads
from domain import commands
from domain.facts import Severity
from domain.views import BreakerView

if TYPE_CHECKING:
    from engine.desk import Desk

OF_A_SYMBOL: Final = frozenset({"volatility", "spread", "feed_age", "data_gap"})
CLOSED: Final = "closed"


async def breakers(call: Call) -> Message:
    """Every breaker; those of symbols only where they are not closed, unless one is asked for by name."""
    found, wanted = call.desk.breakers(), call.arguments.get("breaker", "").lower().replace("-", "_")
    if wanted:
        shown = [row for row in found if wanted in {row.operation, row.name.lower(), row.venue.lower()}]
        if not shown:
            raise UsageError(f"no breaker is called {wanted!r}: {suggest(wanted, names(call.desk))}")
    else:
        shown = [row for row in found if row.operation not in OF_A_SYMBOL or row.state != CLOSED]
    rows = tuple((row.name, row.state.replace("_", " "), row.measure, row.threshold, until(row)) for row in shown)
    open_ones = [row for row in found if row.state != CLOSED]
    whys = tuple(Text(f"{row.name}: {row.why}. Actions: {actions(row)}.") for row in open_ones if row in shown)
    quiet = len(found) - len(shown)
    notes: tuple[Block, ...] = (
        (Text(f"{quiet} of single symbols are closed: /breakers volatility shows them."),) if quiet else ()
    )
    if wanted and len(shown) == 1:
        notes += (Pairs((("actions", actions(shown[0])),)),)
    table = Table(("breaker", "state", "measures", "trips at", "until"), rows, left=2)
    return Message(
        title=f"Breakers: {len(open_ones)} of {len(found)} not closed"
        if open_ones
        else f"Breakers: {len(found)} closed",
        blocks=(table, *whys, *notes),
        severity=Severity.WARNING if open_ones else Severity.INFO,
    )


def actions(row: BreakerView) -> str:
    """What it does when it is open, for people."""
    return ", ".join(action.replace("_", " ") for action in row.actions) or "none"


def until(row: BreakerView) -> str:
    """How an open one goes on."""
    if row.state == CLOSED:
        return ""
    if row.state == "half_open":
        return "its measure has stayed back"
    return utc_text(row.until_ns) if row.until_ns else "two persons release it"


async def breaker(call: Call) -> Message:
    """Open a breaker at once, or ask to let it recover by itself again."""
    is_open = call.arguments["switch"].lower() == "open"
    return await submit(call, commands.SetBreaker(name=call.arguments["breaker"], open=is_open))


def names(desk: Desk) -> list[str]:
    """Venues, breakers, and those with a scope."""
    rows = desk.breakers()
    venues = sorted({instrument.partition(".")[2] for instrument in desk.instruments()})
    return list(dict.fromkeys([*venues, *(row.operation for row in rows), *(row.name for row in rows)]))


NAME = Argument(
    name="breaker", help="a venue, or a breaker, also with a scope: drawdown, volatility:BTC", complete=names
)
VERBS: Final = (
    reads(
        "breakers",
        "Every breaker: state, measure against threshold, until when, actions",
        breakers,
        Argument(name="breaker", help="only this one, or these of every symbol", required=False, complete=names),
        examples=("/breakers", "/breakers drawdown"),
    ),
    lowers(
        "breaker",
        "Open a breaker, or ask for its release",
        breaker,
        NAME,
        Argument(
            name="switch",
            help="open: nothing that adds risk passes it; auto: it recovers by itself, after votes",
            choices=("open", "auto"),
        ),
        adds_with="auto",
        examples=("/breaker PAPER open", "/breaker drawdown auto"),
        gate="P2 to add",
    ),
)
