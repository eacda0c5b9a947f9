"""The one table of verbs, and `run_line`: what every door calls with a line of text.

Telegram, Discord, the dashboard's console and the terminal read this table: its roles, its help, its menus.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from msgspec import structs

from bot import act, breakers, confirm, emergency, links, orders, records, settings, show, timezone, users, votes
from bot.call import GATES, Call, Effect, Verb
from bot.message import Message, Pairs, Text, age_text, refusal
from bot.parse import Argument, UsageError, accounts, bind, check, clean, nearest, venues, words_of
from bot.risk import risk
from bot.rows import ACCOUNT, ONE_SYMBOL, REASON, RISK, STRATEGY, VENUE
from bot.rows import reads as _reads
from domain.commands import Actor
from domain.settings import Person
from domain.verdict import Reason

if TYPE_CHECKING:
    from bot.room import ControlRoom
    from engine.desk import Desk

MAX_AGE_NS: Final = 60_000_000_000
"""Older commands that may add risk are refused: the person acted on another market."""


async def _help(call: Call) -> Message:
    wanted = call.arguments.get("verb", "")
    if not wanted:
        return _overview(call.person)
    words = words_of(wanted if wanted.startswith("/") else f"/{wanted}")
    verb, _ = find(words)
    rows = [("usage", verb.usage), *((f"  {argument.usage}", argument.help) for argument in verb.arguments)]
    rows.append(("role", f"{verb.role.name.lower()} or higher"))
    rows += [("then", GATES[verb.gate])] if verb.gate else []
    rows += [("for example", example) for example in verb.examples]
    if verb.aliases:
        rows.append(("also", ", ".join(f"/{alias}" for alias in verb.aliases)))
    return Message(title=f"/{verb.name}", blocks=(Text(verb.help), Pairs(tuple(rows))))


def _overview(person: Person) -> Message:
    rows = tuple((verb.usage, verb.help) for verb in VERBS if not verb.hidden and person.role >= verb.role)
    lines = tuple(Text(f"{usage}\n    {text}") for usage, text in rows)
    return Message(title="What you may do here", blocks=lines)


async def _nothing(call: Call) -> Message:
    hint = (
        "Nothing was done. To stop trading: /halt. To trade again: /resume. "
        "For one strategy: /strategies pause ID, /strategies start ID."
    )
    overview = _overview(call.person)
    return structs.replace(overview, title="Hello", blocks=(Text(hint), *overview.blocks))


def _places(desk: Desk) -> list[str]:
    return list(dict.fromkeys([*venues(desk), *accounts(desk)]))


def _names(_: Desk) -> list[str]:
    return [verb.name for verb in VERBS if not verb.hidden]


VERBS: Final = (
    _reads(
        "status",
        "Trading state, equity, feeds, and what is not well",
        show.status,
        aliases=("ping",),
        examples=("/status",),
    ),
    _reads(
        "positions",
        "Open positions",
        show.positions,
        ONE_SYMBOL,
        examples=("/positions", "/positions BTC"),
    ),
    _reads(
        "orders",
        "Open or recent orders",
        show.orders,
        Argument(name="which", help="open (default) or recent", required=False, choices=("open", "recent")),
        ONE_SYMBOL,
        aliases=("open_orders", "oo"),
        examples=("/orders", "/orders recent ETH"),
    ),
    _reads(
        "pnl",
        "Profit and loss by account",
        show.pnl,
        ACCOUNT,
        aliases=("profit", "profitability", "pb"),
        examples=("/pnl",),
    ),
    _reads(
        "balance",
        "Cash, equity, locked and free by account, and the sum",
        show.balance,
        Argument(name="exchange", help="an exchange or an account", required=False, complete=_places),
        aliases=("portfolio", "pf"),
        examples=("/balance", "/balance PAPER"),
    ),
    _reads(
        "trades",
        "The last fills",
        show.trades,
        Argument(name="n", help="how many, 20 if not said", required=False, whole=True),
        ONE_SYMBOL,
        aliases=("history",),
        examples=("/trades 50", "/trades BTC"),
    ),
    _reads(
        "risk",
        "What can be lost: by place, by odds, by shock; stress alone shows every shock",
        risk,
        *RISK,
        examples=("/risk", "/risk stress BTC -20"),
    ),
    _reads(
        "venues",
        "Connections to exchanges, their rate limits, and what waits for them",
        show.venues,
        VENUE,
        aliases=("exchanges",),
        examples=("/venues", "/venues PAPER"),
    ),
    _reads("strategies list", "Every loaded strategy", show.strategies, examples=("/strategies",)),
    _reads("strategies show", "One strategy in full", show.strategy, STRATEGY, examples=("/strategies show turtle1",)),
    *act.STRATEGY_VERBS,
    *act.STOP_VERBS,
    *votes.VERBS,
    *confirm.VERBS,
    *orders.VERBS,
    *act.ORDER_VERBS,
    *breakers.VERBS,
    *emergency.VERBS,
    *settings.VERBS,
    *records.VERBS,
    *users.VERBS,
    *links.VERBS,
    *timezone.VERBS,
    _reads("whoami", "Who the service takes you for", show.whoami, examples=("/whoami",)),
    _reads(
        "help",
        "What you may do, or one verb in full",
        _help,
        Argument(name="verb", help="a verb", required=False, rest=True, complete=_names),
        examples=("/help", "/help order"),
    ),
    *(
        Verb(
            name=name,
            help="Shows help and does nothing",
            handler=_nothing,
            hidden=True,
            arguments=(structs.replace(REASON, help="ignored"),),
        )
        for name in ("start", "stop", "pause")
    ),
)
GROUP_HELP: Final = {
    "strategies": "Strategies: list, show, start, pause, load, unload, set",
    "incident": "Incidents: list, ack, recover, report",
    "config": "Settings: get, set, history, diff, rollback",
    "limits": "Limits: show, set",
    "users": "Persons: list, role, link, unlink",
    "keys": "Keys: status",
    "overrides": "Limits that are loosened for a while: list, end",
}
"""First words of verbs with two words; alone they mean `list`."""

_BY_NAME: Final = {name: verb for verb in VERBS for name in (verb.name, *verb.aliases)}
_HALTS: Final = frozenset({"halt", "flatten"})


def find(words: list[str]) -> tuple[Verb, list[str]]:
    """The verb that a line's words name, and the words left for its arguments. Raises `UsageError`."""
    first = words[0]
    if first in GROUP_HELP:
        second = words[1].lower() if len(words) > 1 else "list"
        verb = _BY_NAME.get(f"{first} {second}")
        if verb is None:
            known = [name.partition(" ")[2] for name in _BY_NAME if name.startswith(f"{first} ")]
            hits = nearest(second, known) or known
            raise UsageError(f"/{first} {second} is not known; did you mean {', '.join(hits)}? See /help {first} list")
        return verb, words[2:]
    verb = _BY_NAME.get(first)
    if verb is None:
        shown = [name for name, row in _BY_NAME.items() if not row.hidden and " " not in name]
        hits = nearest(first, [*shown, *GROUP_HELP])
        hint = f"did you mean {' or '.join(f'/{hit}' for hit in hits)}?" if hits else "see /help"
        raise UsageError(f"/{first} is not known; {hint}")
    return verb, words[1:]


def is_urgent(words: list[str]) -> bool:
    """True for a line that halts: it takes the fast lane."""
    return bool(words) and words[0] in _HALTS


def effect_of(words: list[str]) -> Effect:
    """What a line may do to risk; a line that cannot be understood does nothing."""
    try:
        verb, rest = find(words)
    except (UsageError, IndexError):
        return Effect.READS
    return verb.effect_with(rest)


def menu() -> list[tuple[str, str]]:
    """First words and one-line helps, for a channel's own command menu."""
    shown = [(verb.name.partition(" ")[0], verb.help) for verb in VERBS if not verb.hidden]
    return list({name: GROUP_HELP.get(name, text) for name, text in shown}.items())


async def run_line(room: ControlRoom, actor: Actor, text: str, request_id: str, sent_ts_ns: int = 0) -> Message:
    """Carry out one line for a person and return the reply; never raises for what a person typed.

    `request_id` makes a repetition harmless; `sent_ts_ns` is when the person sent it (0 = just now).
    """
    stripped = clean(text)
    words = words_of(stripped if stripped.startswith("/") else f"/{stripped}")
    try:
        if not words or not words[0]:
            raise UsageError("Type a verb, for example /status; /help shows them all.")
        verb, rest = find(words)
    except UsageError as error:
        known = room.desk.person(actor.person) is not None
        return _stamped(room, actor, refusal("Not understood", str(error)) if known else _stranger())

    def bound() -> dict[str, str]:
        return bind(verb.grammar, verb.arguments, verb.tidy(rest), room.desk)

    return _stamped(room, actor, await _run(room, actor, verb, bound, request_id, sent_ts_ns))


async def run_verb(
    room: ControlRoom, actor: Actor, verb: Verb, arguments: dict[str, str], request_id: str, sent_ts_ns: int = 0
) -> Message:
    """As `run_line`, for a door that has the verb and its arguments apart (Discord's options)."""

    def bound() -> dict[str, str]:
        given = {name: value for name, text in arguments.items() if (value := clean(text))}
        check(verb.grammar, verb.arguments, given)
        return given

    return _stamped(room, actor, await _run(room, actor, verb, bound, request_id, sent_ts_ns))


async def _run(
    room: ControlRoom, actor: Actor, verb: Verb, bound: Callable[[], dict[str, str]], request_id: str, sent_ts_ns: int
) -> Message:
    person = room.desk.person(actor.person)
    if person is None:
        return _stranger()
    if person.role < verb.role:
        return refusal(
            f"{verb.name}: refused",
            f"{Reason.ROLE.words} ({Reason.ROLE.value}): it needs {verb.role.name.lower()}, "
            f"you are {person.role.name.lower()}.",
        )
    try:
        arguments = bound()
        age_ns = time.time_ns() - sent_ts_ns if sent_ts_ns else 0
        if verb.effect_with(arguments.values()) is Effect.ADDS and age_ns > MAX_AGE_NS:
            return _too_old(verb, age_ns)
        call = Call(
            room=room,
            actor=actor,
            person=person,
            verb=verb.name,
            arguments=arguments,
            request_id=request_id,
            sent_ts_ns=sent_ts_ns,
        )
        return await verb.handler(call)
    except UsageError as error:
        return refusal("Not understood", str(error))


def _stamped(room: ControlRoom, actor: Actor, reply: Message) -> Message:
    return structs.replace(reply, stamp=room.stamp(actor.person))


def _stranger() -> Message:
    return refusal("Refused", f"{Reason.UNKNOWN_PERSON.words} ({Reason.UNKNOWN_PERSON.value}).")


def _too_old(verb: Verb, age_ns: int) -> Message:
    return refusal(
        f"{verb.name}: not executed",
        f"{Reason.TOO_OLD.words} ({Reason.TOO_OLD.value}): {age_text(age_ns / 1e9)} ago, the limit is "
        f"{MAX_AGE_NS // 1_000_000_000} s. Send it again if you still want it; if you sent it just now, "
        "the clock of this machine is wrong.",
    )
