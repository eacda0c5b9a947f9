"""The verbs of summaries: one now, and when which one comes by itself."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from msgspec import structs

from bot.call import Call, Verb
from bot.confirm import confirm
from bot.message import Message, Pairs, Table, Text, refusal
from bot.parse import Argument, UsageError, suggest
from bot.reports.calendar import Kind, Span, span_before, timing_of
from bot.reports.compose import compose
from bot.reports.schedules import DESK, PutSchedules, Schedule
from bot.reports.words import run_text
from bot.rows import reads
from bot.streams.verbs import UNREACHABLE
from domain.settings import SECOND_NS, RoleName
from domain.verdict import Reason

if TYPE_CHECKING:
    from bot.confirm import Confirms

NOW: Final = "now"
KINDS: Final = tuple(kind.value for kind in Kind)
WAYS: Final = {"telegram": "telegram", "discord": "discord", "email": "email", "e-mail": "email", "mail": "email"}
FOR_DESK: Final = frozenset({"desk", "chats", "chat"})


async def report(call: Call) -> Message:
    """The summary of the last whole day, week or month, or of today so far."""
    wanted = call.arguments.get("which", NOW).lower()
    zone, now_ns = call.room.zone(call.person.id), call.desk.status().ts_ns
    if wanted != NOW:
        kind = Kind(wanted)
        return await compose(call.room, kind, span_before(kind, now_ns), zone, now_ns)
    midnight = datetime.fromtimestamp(now_ns // SECOND_NS, UTC).replace(hour=0, minute=0, second=0)
    return await compose(call.room, None, Span(int(midnight.timestamp()) * SECOND_NS, now_ns), zone, now_ns)


async def schedule_list(call: Call) -> Message:
    """The caller's summaries and those of the alert chats, with their next runs in the caller's zone."""
    blocks: list[Text | Pairs | Table] = []
    mine, desk = call.room.schedules.of(call.person.id), call.room.schedules.of(DESK)
    if not call.room.alert_chats:
        blocks.append(Text("No alert chat is configured: what is meant for them goes nowhere."))
    for title, found in (("To you:", mine), ("To the alert chats:", desk)):
        rows = tuple((one.timing.words, _next(call, one)) for one in found)
        blocks += [Text(title), Pairs(rows)] if rows else [Text(f"{title} none.")]
    blocks.append(Text("To have one: /schedule set daily 08:00"))
    return Message(title=f"Summaries: {len(mine)} to you, {len(desk)} to the alert chats", blocks=tuple(blocks))


def _next(call: Call, one: Schedule) -> str:
    zone = call.room.zone(call.person.id)
    where = "" if one.owner == DESK else f" by {_ways(call, one)}"
    meant = f" (as {one.zone})" if one.owner == DESK and one.zone != zone else ""
    return f"next {run_text(call.room.reports.next_ns(one, time.time_ns()), zone)}{meant}{where}"


def _ways(call: Call, one: Schedule) -> str:
    found = call.room.reports.recipients(one)
    return ", ".join(dict.fromkeys(name.partition(":")[0] for name in found)) or "nothing: you cannot be reached"


async def schedule_set(call: Call) -> Message:
    """When which summary comes: to the caller at once, to the alert chats when an admin has confirmed it."""
    kind, words = call.arguments["kind"].lower(), call.arguments.get("when", "").split()
    owner, where = _addressed(call, words)
    if refused := _only_admins(call, owner):
        return refused
    timing = timing_of(kind, words)
    if owner != DESK and not call.room.contacts(owner, *where):
        if not where:
            return refusal("schedule set: refused", UNREACHABLE)
        text = f"I do not know how to reach you by {', '.join(where)}. Addresses are in the configuration: contacts."
        return refusal("schedule set: refused", text)
    zone = call.room.zone(call.person.id) if owner == DESK else ""
    one = Schedule(owner=owner, timing=timing, zone=zone, where=where, looked_ns=time.time_ns())
    if owner != DESK:
        return await put(call, PutSchedules(ones=(one,)))
    before = call.room.schedules.find(DESK, timing.kind)
    now = "none of that kind"
    if before is not None and before.is_on:
        now = f"{before.timing.words}{f' as {before.zone}' if before.zone else ''}"
    return await confirm(
        call,
        title=f"Summary for the alert chats, {timing.words}?",
        blocks=(Text(f"Now: {now}."), *_next_lines(call, one)),
        command=PutSchedules(ones=(one,)),
    )


def _next_lines(call: Call, one: Schedule) -> list[Text]:
    """To whom it comes, when next, and of which days it tells."""
    days = {Kind.DAILY: "the last whole day", Kind.WEEKLY: "the last whole week", Kind.MONTHLY: "the last whole month"}
    who = "to the alert chats" if one.owner == DESK else f"to you by {_ways(call, one)}"
    next_text = run_text(call.room.reports.next_ns(one, time.time_ns()), call.room.zone(call.person.id))
    return [Text(f"It comes {who}."), Text(f"Next {next_text}; it tells of {days[one.timing.kind]} in UTC.")]


async def put(call: Call, act: PutSchedules) -> Message:
    """Put summaries in force, or end them. What was told of them already is not told again."""
    if refused := _only_admins(call, act.ones[0].owner):
        return refused
    is_kept, now_ns = True, time.time_ns()
    for one in act.ones:
        before = call.room.schedules.find(one.owner, one.timing.kind)
        covered_ns = before.covered_ns if before is not None and before.is_on else 0
        is_kept &= await call.room.schedules.put(structs.replace(one, looked_ns=now_ns, covered_ns=covered_ns))
    lines = _next_lines(call, act.ones[0]) if act.ones[0].is_on else []
    if not is_kept:
        lines.append(Text("The disk refused it: it holds until the next start only."))
    words = ", ".join(one.timing.words for one in act.ones)
    return Message(title=f"Summary: {words}" if act.ones[0].is_on else f"No more: {words}", blocks=tuple(lines))


def register(confirms: Confirms) -> None:
    """Let what the alert chats get be changed when an admin has confirmed it."""
    confirms.put_schedules = put


async def schedule_off(call: Call) -> Message:
    """No more of one summary, or of all."""
    kind, words = call.arguments["kind"].lower(), call.arguments.get("whose", "").split()
    owner, _ = _addressed(call, words)
    if words:
        raise UsageError(
            f"{' '.join(words)!r} is too much. For example: /schedule off weekly, /schedule off daily desk"
        )
    if refused := _only_admins(call, owner):
        return refused
    found = [one for one in call.room.schedules.of(owner) if kind in {"all", one.timing.kind}]
    if not found:
        return refusal("schedule off: nothing to end", "/schedule list shows what there is.")
    act = PutSchedules(ones=tuple(structs.replace(one, is_on=False) for one in found))
    if owner != DESK:
        return await put(call, act)
    ended = ", ".join(one.timing.words for one in found)
    blocks = (Text("The alert chats would not get it any more."),)
    return await confirm(call, title=f"End the summary for the alert chats: {ended}?", blocks=blocks, command=act)


def _addressed(call: Call, words: list[str]) -> tuple[str, tuple[str, ...]]:
    """Take `desk` and `by email,telegram` off the end of the words: the owner, and the ways."""
    owner, where = call.person.id, tuple[str, ...]()
    if words and words[-1].lower() in FOR_DESK:
        words.pop()
        owner = DESK
        if words and words[-1].lower() == "for":
            words.pop()
    if len(words) > 1 and words[-2].lower() == "by":
        ways = [way for way in words.pop().lower().split(",") if way]
        words.pop()
        unknown = next((way for way in ways if way not in WAYS), "")
        if unknown or not ways:
            raise UsageError(
                f"{unknown!r} is no way to send a summary: {suggest(unknown, ('telegram', 'discord', 'email'))}"
            )
        where = tuple(dict.fromkeys(WAYS[way] for way in ways))
    return owner, where


def _only_admins(call: Call, owner: str) -> Message | None:
    if owner != DESK or call.person.role >= RoleName.ADMIN:
        return None
    why = f"{Reason.ROLE.words} ({Reason.ROLE.value}): what the alert chats get needs admin"
    text = f"{why}. One for yourself: /schedule set daily 08:00"
    return refusal(f"{call.verb}: refused", text)


_KIND: Final = Argument(name="kind", help="daily, weekly or monthly", choices=KINDS)

VERBS: Final[tuple[Verb, ...]] = (
    reads(
        "report",
        "A summary with charts: of the last day, week or month, or of today so far",
        report,
        Argument(name="which", help="daily, weekly, monthly, or now (default)", required=False, choices=(*KINDS, NOW)),
        aliases=("summary", "digest"),
        examples=("/report", "/report weekly"),
    ),
    reads(
        "schedule list",
        "Which summaries come when, to you and to the alert chats",
        schedule_list,
        examples=("/schedule",),
    ),
    reads(
        "schedule set",
        "Have a summary sent, in your time zone",
        schedule_set,
        _KIND,
        Argument(
            name="when",
            help="08:00, fri 17:00, 1 8am, last 18:00; then by email, or desk for the alert chats (admins)",
            required=False,
            rest=True,
        ),
        examples=(
            "/schedule set daily 08:00",
            "/schedule set weekly fri 17:00 by email",
            "/schedule set daily 7:00 desk",
        ),
        gate="C for the desk's",
        by_person=True,
    ),
    reads(
        "schedule off",
        "End a summary",
        schedule_off,
        structs.replace(_KIND, help="daily, weekly, monthly or all", choices=(*KINDS, "all")),
        Argument(name="whose", help="desk: of the alert chats (admins)", required=False, rest=True),
        examples=("/schedule off weekly",),
        gate="C for the desk's",
        by_person=True,
    ),
)
