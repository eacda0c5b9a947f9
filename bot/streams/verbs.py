"""The verbs of streams: what a person wants to see as it happens, in a message of their own."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from bot.call import Call
from bot.message import Message, Table, Text, age_text, refusal
from bot.parse import Argument, UsageError, suggest
from bot.rows import reads
from bot.streams.subscriptions import FILLS, PNL, Subscription
from bot.streams.ticker import LEAST_S, MOST_S, USUAL_S
from bot.times import span_of
from domain.commands import Door
from domain.settings import SECOND_NS

if TYPE_CHECKING:
    from engine.desk import Desk

EXAMPLES: Final = "/subscribe fills, /subscribe trades of turtle, /subscribe pnl every 5m"
DOORS: Final = {Door.TELEGRAM: "telegram", Door.DISCORD: "discord"}
UNREACHABLE: Final = "I cannot write to you alone: open a chat with the bot first, or link an account by /link."
WHAT: Final = ("fills", "pnl", "trades")
ALL: Final = "all"


async def subscribe(call: Call) -> Message:
    """From now on, in a message of the caller's own."""
    wanted = _wanted(call)
    if not call.room.contacts(call.person.id):
        return refusal("subscribe: refused", UNREACHABLE)
    if wanted.strategy and wanted.strategy not in {view.id for view in call.desk.strategies()}:
        known = [view.id for view in call.desk.strategies()]
        raise UsageError(f"no strategy is called {wanted.strategy!r}: {suggest(wanted.strategy, known)}")
    covered = next((one for one in _mine(call) if one.stream == FILLS and not one.strategy), None)
    if wanted.stream == FILLS and wanted.strategy and covered is not None:
        return refusal("subscribe: not needed", "You get every fill already. To have these only: /unsubscribe fills")
    is_kept = await call.room.subscriptions.put(wanted)
    for narrow in _mine(call):
        if wanted.stream == narrow.stream == FILLS and not wanted.strategy and narrow.strategy:
            await call.room.subscriptions.drop(narrow)
    lines = (
        Text(_how(wanted)),
        Text(f"It comes {_where(call, wanted)}."),
        Text(f"To end it: /unsubscribe {_plain(wanted)}"),
    )
    return Message(title=f"Subscribed: {wanted.words}", blocks=(*lines, *_unkept(is_kept=is_kept)))


async def unsubscribe(call: Call) -> Message:
    """End one, or all of them."""
    rest = call.arguments.get("rest", "")
    if rest and "what" not in call.arguments:
        raise UsageError(f"{rest!r} is no stream: {suggest(rest, (*WHAT, ALL))}")
    words = call.arguments.get("what", ALL).lower()
    mine = _mine(call)
    if words == ALL:
        found = mine
    else:
        stream, strategy = _stream(words, rest)[:2]
        found = [one for one in mine if (one.stream, one.strategy.lower()) == (stream, strategy.lower())]
    if not found:
        have = f"You have: {', '.join(one.words for one in mine)}." if mine else "You have none."
        return refusal("unsubscribe: nothing to end", have)
    kept = [await call.room.subscriptions.drop(one) for one in found]
    title = f"Ended: {', '.join(one.words for one in found)}"
    return Message(title=title, blocks=_unkept(is_kept=all(kept)))


async def subscriptions(call: Call) -> Message:
    """What the caller has subscribed to."""
    mine = _mine(call)
    if not mine:
        return Message(title="You have no subscriptions", blocks=(Text(f"For example: {EXAMPLES}"),))
    rows = tuple((one.words, _where(call, one)) for one in mine)
    return Message(title=f"Your subscriptions: {len(mine)}", blocks=(Table(("what", "where"), rows, left=2),))


def _mine(call: Call) -> list[Subscription]:
    return call.room.subscriptions.of(call.person.id)


def _wanted(call: Call) -> Subscription:
    stream, strategy, every_s = _stream(call.arguments["what"].lower(), call.arguments.get("rest", ""))
    if every_s and stream == FILLS:
        raise UsageError("fills are told when they happen; `every` is for pnl: /subscribe pnl every 5m")
    if stream == PNL:
        every_s = every_s or USUAL_S
        if not LEAST_S <= every_s <= MOST_S:
            raise UsageError(f"every {age_text(every_s)} cannot be: from every {LEAST_S}s to every 24h")
    names = {view.id.lower(): view.id for view in call.desk.strategies()}
    return Subscription(
        person=call.person.id,
        stream=stream,
        strategy=names.get(strategy.lower(), strategy),
        every_s=every_s,
        door=DOORS.get(call.actor.door, ""),
        since_ns=time.time_ns(),
    )


def _stream(what: str, rest: str) -> tuple[str, str, int]:
    """Stream, strategy and cadence in seconds of `pnl`, `of turtle every 5m`. Raises `UsageError`."""
    words = rest.split()
    strategy, every_s = "", 0
    while words:
        word = words.pop(0).lower()
        if word == "of" and words and not strategy:
            strategy = words.pop(0)
        elif word == "every" and words and not every_s:
            # `every 5 min` is two words, `every 5m` one
            length = " ".join([words.pop(0), *(words[:1] if words and words[0].isalpha() and words[0] != "of" else [])])
            words = words[1:] if " " in length else words
            every_s = span_of(length) // SECOND_NS
        else:
            raise UsageError(f"{word!r} is not understood here. For example: {EXAMPLES}")
    if what == "trades" and not strategy:
        what = FILLS
    return (FILLS if what == "trades" else what), strategy, every_s


def _plain(one: Subscription) -> str:
    """The words that end it."""
    return one.words.partition(" every ")[0]


def _how(one: Subscription) -> str:
    if one.stream == FILLS:
        return "One message an order, edited while it fills."
    return f"One message, edited every {age_text(one.every_s)}; a new one each day."


def _where(call: Call, one: Subscription) -> str:
    found = (call.room.contacts(one.person, one.door) if one.door else []) or call.room.contacts(one.person)
    return (
        f"to you alone on {found[0].partition(':')[0].capitalize()}" if found else "nowhere: no chat with you is open"
    )


def _unkept(*, is_kept: bool) -> tuple[Text, ...]:
    return () if is_kept else (Text("The disk refused it: it holds until the next start only."),)


def _strategies(desk: Desk) -> list[str]:
    return [f"of {view.id}" for view in desk.strategies()]


_WHAT: Final = Argument(name="what", help="fills, pnl, or trades of one strategy", choices=WHAT)
_REST: Final = Argument(
    name="rest", help="of STRATEGY, and for pnl: every 5m", required=False, rest=True, complete=_strategies
)

VERBS: Final = (
    reads(
        "subscribe",
        "See fills or profit as they happen, in a message of your own",
        subscribe,
        _WHAT,
        _REST,
        examples=tuple(EXAMPLES.split(", ")),
        by_person=True,
    ),
    reads(
        "unsubscribe",
        "End a subscription, or all of them",
        unsubscribe,
        Argument(name="what", help="which, or all", required=False, choices=(*WHAT, ALL)),
        Argument(name="rest", help="of STRATEGY", required=False, rest=True),
        examples=("/unsubscribe pnl", "/unsubscribe trades of turtle", "/unsubscribe all"),
        by_person=True,
    ),
    reads("subscriptions", "What you have subscribed to", subscriptions, examples=("/subscriptions",)),
)
