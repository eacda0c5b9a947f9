"""The one table of verbs, and `run_line`: what every door calls with a line of text.

Telegram, Discord, the dashboard's console and the terminal read this table: its roles, its help, its menus.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from msgspec import structs

from bot import (
    access,
    act,
    breakers,
    confirm,
    emergency,
    links,
    orders,
    overview,
    pnl,
    records,
    settings,
    show,
    strategies,
    timezone,
    users,
    votes,
)
from bot import help as help_
from bot.alerting import verbs as alerting
from bot.call import Call, Effect, Verb
from bot.charts import verbs as charts
from bot.jobs import backtest
from bot.message import Message, age_text, refusal
from bot.parse import Argument, UsageError, accounts, bind, check, clean, nearest, venues, words_of
from bot.reports import verbs as reports
from bot.risk import risk
from bot.rows import ONE_SYMBOL, REASON, RISK, VENUE
from bot.rows import reads as _reads
from bot.streams import verbs as streams
from domain.commands import Actor, Door
from domain.settings import Person, RoleName
from domain.verdict import Reason

if TYPE_CHECKING:
    from bot.room import ControlRoom
    from engine.desk import Desk

MAX_AGE_NS: Final = 60_000_000_000
"""Older commands that may add risk are refused: the person acted on another market."""


async def _help(call: Call) -> Message:
    wanted, person = call.arguments.get("verb", ""), call.person
    if not wanted:
        return Message(title="What you may do here", blocks=help_.overview(person, VERBS, GROUP_HELP))
    words = words_of(wanted if wanted.startswith("/") else f"/{wanted}")
    if len(words) == 1 and words[0] in GROUP_HELP and names_for(person, words[0]):
        return help_.group(person, words[0], VERBS)
    return help_.in_full(person, find(words, person.role)[0])


async def _nothing(call: Call) -> Message:
    return help_.hello(call.person, call.verb, VERBS, GROUP_HELP)


def names_for(person: Person, first: str = "") -> list[str]:
    """Names of the verbs that a person may use; with `first` those of this first word."""
    found = [verb.name for verb in VERBS if help_.may(person, verb)]
    return [name for name in found if name.partition(" ")[0] == first] if first else found


def all_names(_: Desk) -> list[str]:
    """Names of all verbs that are shown."""
    return [verb.name for verb in VERBS if not verb.hidden]


def _places(desk: Desk) -> list[str]:
    return list(dict.fromkeys([*venues(desk), *accounts(desk)]))


VERBS: Final = (
    _reads(
        "status",
        "Trading state, equity, feeds, and what is not well",
        overview.status,
        Argument(name="exchange", help="only this exchange", required=False, complete=venues),
        aliases=("ping", "count"),
        examples=("/status", "/status PAPER"),
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
        aliases=("open_orders", "oo", "executors"),
        examples=("/orders", "/orders recent ETH"),
    ),
    *pnl.VERBS,
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
        Argument(name="page", help="p2 is the next page, older ones", required=False, pattern="p[1-9][0-9]{0,3}"),
        ONE_SYMBOL,
        aliases=("history",),
        examples=("/trades 50", "/trades BTC", "/trades 20 p2"),
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
        overview.venues,
        VENUE,
        aliases=("exchanges", "servers", "market_status"),
        examples=("/venues", "/venues PAPER"),
    ),
    *strategies.VERBS,
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
    *access.VERBS,
    *reports.VERBS,
    *streams.VERBS,
    *alerting.VERBS,
    *backtest.VERBS,
    *timezone.VERBS,
    *charts.VERBS,
    _reads("whoami", "Who the service takes you for", show.whoami, aliases=("here", "tg_info"), examples=("/whoami",)),
    _reads(
        "help",
        "What you may do, or one verb in full",
        _help,
        Argument(name="verb", help="a verb", required=False, rest=True, complete=all_names),
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
        for name in help_.ELSEWHERE
    ),
)
GROUP_HELP: Final = {
    "jobs": "Backtests: list, show, cancel",
    "strategies": "Strategies: list, show, start, pause, load, unload, set",
    "incident": "Incidents: list, ack, recover, report",
    "config": "Settings: get, set, history, diff, rollback",
    "limits": "Limits: show, set",
    "schedule": "Summaries by themselves: list, set, off",
    "users": "Persons: list, role, link, unlink",
    "keys": "Keys: status, rotate",
    "tokens": "Tokens of programs: list, create, revoke, resume",
    "sessions": "Browsers that are logged in: list, end",
    "overrides": "Limits that are loosened for a while: list, end",
    "alerts": "Alerts: list, ack, mute, unmute, quiet, route",
}
"""First words of verbs with two words; alone they mean `list`."""

_BY_NAME: Final = {name: verb for verb in VERBS for name in (verb.name, *verb.aliases)}
_HALTS: Final = frozenset({"halt", "flatten"})


def find(words: list[str], role: RoleName = RoleName.ADMIN) -> tuple[Verb, list[str]]:
    """The verb that a line's words name, and the words left for its arguments.

    Raises `UsageError` with the nearest verbs of those that `role` may use.
    """
    first = words[0]
    if first in GROUP_HELP:
        second = words[1].lower() if len(words) > 1 else "list"
        verb = _BY_NAME.get(f"{first} {second}")
        return (verb, words[2:]) if verb is not None else _find_in_group(first, second, words)
    verb = _BY_NAME.get(first)
    if verb is None:
        shown = [name for name, row in _BY_NAME.items() if not row.hidden and row.role <= role and " " not in name]
        hits = nearest(first, [*shown, *GROUP_HELP])
        hint = f"did you mean {' or '.join(f'/{hit}' for hit in hits)}?" if hits else "see /help"
        raise UsageError(f"/{first} is not known; {hint}")
    return verb, words[1:]


def _find_in_group(first: str, second: str, words: list[str]) -> tuple[Verb, list[str]]:
    """A second word that is no verb: what the first word alone shows may take it, unless it looks like a slip."""
    known = [name.partition(" ")[2] for name in _BY_NAME if name.startswith(f"{first} ")]
    hits = nearest(second, known)
    alone = _BY_NAME.get(f"{first} list")
    if not hits and alone is not None and alone.arguments:
        return alone, words[1:]
    raise UsageError(f"/{first} {second} is not known; did you mean {', '.join(hits or known)}? See /help {first}")


def is_urgent(words: list[str]) -> bool:
    """True for a line that halts, by whichever name: it takes the fast lane."""
    verb = _BY_NAME.get(words[0]) if words else None
    return verb is not None and verb.name in _HALTS


def effect_of(words: list[str]) -> Effect:
    """What a line may do to risk; a line that cannot be understood does nothing."""
    try:
        verb, rest = find(words)
    except (UsageError, IndexError):
        return Effect.READS
    return verb.effect_with(rest)


def menu(person: Person | None = None) -> list[tuple[str, str]]:
    """First words and one-line helps, for a channel's own command menu: all of them, or what a person may do."""
    verbs = [verb for verb in VERBS if (help_.may(person, verb) if person is not None else not verb.hidden)]
    shown = [(verb.name.partition(" ")[0], verb.help) for verb in verbs]
    return list({name: GROUP_HELP.get(name, text) for name, text in shown}.items())


async def run_line(room: ControlRoom, actor: Actor, text: str, request_id: str, sent_ts_ns: int = 0) -> Message:
    """Carry out one line for a person and return the reply; never raises for what a person typed.

    `request_id` makes a repetition harmless; `sent_ts_ns` is when the person sent it (0 = just now).
    """
    stripped, person = clean(room.store.mask(text)), room.desk.person(actor.person)
    words = words_of(stripped if stripped.startswith("/") else f"/{stripped}")
    try:
        if not words or not words[0]:
            raise UsageError("Type a verb, for example /status; /help shows them all.")
        verb, rest = find(words, person.role if person is not None else RoleName.VIEWER)
    except UsageError as error:
        return _stamped(room, actor, refusal("Not understood", str(error)) if person is not None else _stranger())

    def bound() -> dict[str, str]:
        return bind(verb.grammar, verb.arguments, verb.tidy(rest), room.desk)

    return _stamped(room, actor, await _run(room, actor, verb, bound, request_id, sent_ts_ns))


async def run_verb(
    room: ControlRoom, actor: Actor, verb: Verb, arguments: dict[str, str], request_id: str, sent_ts_ns: int = 0
) -> Message:
    """As `run_line`, for a door that has the verb and its arguments apart (Discord's options)."""

    def bound() -> dict[str, str]:
        given = {name: value for name, text in arguments.items() if (value := clean(room.store.mask(text)))}
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
        return help_.not_allowed(person, verb.name, verb.role)
    if actor.door is Door.API and verb.by_person:
        return refusal(f"{verb.name}: refused", f"{Reason.NEEDS_PERSON.words} ({Reason.NEEDS_PERSON.value}).")
    if (unproved := await access.unproved(room, actor, verb)) is not None:
        return unproved
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
