"""The verbs that look things up: who commanded what, the log, and which keys there are. No secret is ever shown."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from bot.call import Call
from bot.message import Block, Message, Pairs, Table, Text, age_text, refusal
from bot.outcome import submit
from bot.parse import Argument, UsageError, count_of, suggest
from bot.rows import REASON, acts, person_ids, reads
from bot.times import clock_in, local_text, zone_short
from domain.commands import RotateKey
from domain.errors import MoonDevError
from domain.facts import Severity
from domain.health import health_of
from domain.record_views import WAS_DONE, CommandRow, KeyStatus, PartView
from domain.settings import RoleName
from domain.views import KeyView

if TYPE_CHECKING:
    from bot.room import ControlRoom
    from engine.desk import Desk

MOST_ROWS: Final = 500
MOST_LINES: Final = 5_000
NEVER: Final = (
    "Keys are never shown, taken or unlocked in chat. /keys rotate NAME asks to exchange one; new values are typed at "
    "a terminal of the machine: `./moondev vault add NAME`."
)
VAULT: Final = "vault"
LEVELS: Final = ("debug", "info", "warning", "error", "critical")


async def audit(call: Call) -> Message:
    """The last commands with their outcomes, and whether the journal still says what was written."""
    count, person = count_of(call.arguments.get("n", "20"), MOST_ROWS), call.arguments.get("person", "")
    known = person_ids(call.desk)
    is_known = person.lower() in {name.lower() for name in known}
    if person and not is_known and person.lower() != VAULT:
        raise UsageError(f"no person is called {person!r}: {suggest(person, [*known, VAULT])}")
    records = call.desk.records
    rows = records.commands(count, person) if is_known or not person else records.of_vault(count)
    chain = await records.chain()
    verdict = Text(f"Chain {'ok' if chain.ok else 'NOT OK'}: {chain.text}")
    of = f" by {person.lower()}" if person else ""
    severity = Severity.INFO if chain.ok else Severity.CRITICAL
    if not rows:
        return Message(title=f"Audit: no commands{of} yet", blocks=(verdict,), severity=severity)
    zone = call.room.zone(call.person.id)
    table = Table(
        (zone_short(rows[0].ts_ns, zone), "who", "door", "what", "outcome"),
        tuple((_when(row, rows[0], zone), row.person or "-", row.door or "-", row.verb, _outcome(row)) for row in rows),
        left=5,
    )
    told = tuple(
        Text(f"{clock_in(row.ts_ns, zone)} {row.person or row.verb}: {row.text}")
        for row in rows
        if not row.ok or row.verb in WAS_DONE
    )
    return Message(title=f"Audit: last {len(rows)} commands{of}", blocks=(verdict, table, *told), severity=severity)


def _when(row: CommandRow, newest: CommandRow, zone: str) -> str:
    """The time of day, with its date where that is not the newest row's."""
    text = local_text(row.ts_ns, zone)
    same_day = text[:10] == local_text(newest.ts_ns, zone)[:10]
    return text[11:19] if same_day else text[:19]


def _outcome(row: CommandRow) -> str:
    if row.request:
        return f"waits as {row.request}"
    return "done" if row.ok else f"refused {row.reason}".rstrip()


async def logs(call: Call) -> Message:
    """The newest lines of the log, as a file."""
    count, level = count_of(call.arguments.get("n", "200"), MOST_LINES), call.arguments.get("level", "info").lower()
    try:
        lines = await call.desk.records.log(count, level)
    except MoonDevError as error:
        return refusal("No log", f"{str(error)[:1].upper()}{str(error)[1:]}.")
    if not lines:
        return Message(title=f"Log: nothing of level {level} or above")
    name = f"moondev-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{level}.log"
    note = Text(f"The last {len(lines)} lines of level {level} or above, times in UTC, secrets taken out.")
    return Message(title=f"Log: {name}", blocks=(note,), file_name=name, file_text="\n".join(lines))


async def keys(call: Call) -> Message:
    """Every key by its fingerprint: that it is there, how old, and what it may do."""
    found, now_ns = call.desk.records.keys(), time.time_ns()
    at_venue = {key.account: key for venue in call.desk.venues() for key in venue.keys}
    never = Text(NEVER)
    if not found:
        return Message(title="No keys", blocks=(Text("Paper trading needs none, and no bot is switched on."), never))
    blocks: list[Block] = []
    for key in found:
        blocks += [Text(key.account), Pairs(tuple(_key_rows(key, at_venue.get(key.account), now_ns)))]
    missing = sum(not key.fingerprint for key in found)
    title = f"Keys: {len(found)}, {missing} missing" if missing else f"Keys: {len(found)}"
    return Message(title=title, blocks=(*blocks, never), severity=Severity.WARNING if missing else Severity.INFO)


def _key_rows(key: KeyStatus, told: KeyView | None, now_ns: int) -> Iterator[tuple[str, str]]:
    """Everything there is to say of a key, but the key."""
    age = age_text((now_ns - key.changed_ns) / 1e9)
    yield "secret", f"{key.name} ({key.kind})" if key.kind else key.name
    yield "fingerprint", key.fingerprint or "MISSING"
    if key.kind:
        yield "age", age
    else:
        yield "file", f"written {age} ago" if key.changed_ns else "not there"
    if key.kind == "exchange":
        used = f"{age_text((now_ns - key.used_ns) / 1e9)} ago" if key.used_ns else "not since the signer began"
        yield "signed last", used
    if told is not None:
        yield "withdrawals", f"cannot: {told.cannot_withdraw}"
        yield "permissions", told.permissions or "the venue does not tell"
        yield "addresses", told.addresses or "the venue does not tell"
        if told.until_ns:
            yield "ends", f"in {age_text((told.until_ns - now_ns) / 1e9)}"
    if key.turn is not None:
        since = age_text((now_ns - key.turn.since_ns) / 1e9)
        yield "exchange", f"{key.turn.stage.replace('_', ' ')} {since} ago. {key.turn.text}"


async def rotate(call: Call) -> Message:
    """Ask that a key is exchanged for a new one."""
    name, found = call.arguments["name"], call.desk.records.keys()
    signing = {key.name: key for key in reversed(found) if key.kind == "exchange"}
    key = signing.get(name)
    if key is not None:
        reason = call.arguments.get("reason", "")
        wanted = RotateKey(key=name, account=key.account, by_program=key.by_program, reason=reason)
        return await submit(call, wanted)
    if any(one.name == name for one in found):
        why = "signs nothing" if any(one.kind for one in found) else "is in no vault (`./moondev vault init`)"
        return refusal(
            "keys rotate: refused",
            f"{name} {why}, so it is not exchanged from here. Make another where it came from, then at a terminal: "
            f"`./moondev vault add {name}`.",
        )
    raise UsageError(f"no key that signs is called {name!r}: {suggest(name, list(signing))}")


def _signing(desk: Desk) -> list[str]:
    every = desk.records.keys()
    return [key.name for key in every if key.kind == "exchange"]


async def health(call: Call) -> Message:
    """Every part of the service in a line: what is connected, what waits, what lags."""
    desk = call.desk
    found = health_of(desk.status(), desk.ready(), desk.venues(), desk.records.parts(), parts(call.room)).parts
    bad = [part for part in found if not part.ok]
    pairs = Pairs(tuple((part.name, part.text if part.ok else f"NOT WELL: {part.text}") for part in found))
    title = f"Health: {len(bad)} of {len(found)} not well" if bad else f"Health: all {len(found)} parts well"
    return Message(title=title, blocks=(pairs,), severity=Severity.WARNING if bad else Severity.INFO)


MANY_LETTERS: Final = 100


def parts(room: ControlRoom) -> tuple[PartView, ...]:
    """How the control room's own parts are."""
    waiting = room.outbox.waiting()
    return (PartView(name="outbox", ok=waiting < MANY_LETTERS, text=f"{waiting} messages wait to be sent"),)


def _levels(_: Desk) -> tuple[str, ...]:
    return LEVELS


def _whose(desk: Desk) -> list[str]:
    return [*person_ids(desk), VAULT]


VERBS: Final = (
    reads(
        "health",
        "Every part of the service: connections, what waits, what lags",
        health,
        examples=("/health",),
    ),
    reads(
        "audit",
        "Who commanded what, with its outcome, and whether the journal's chain holds",
        audit,
        Argument(name="n", help="how many, 20 if not said", required=False, whole=True),
        Argument(name="person", help="only theirs; vault: who used the vault", required=False, complete=_whose),
        role=RoleName.RISK,
        examples=("/audit", "/audit 50", "/audit tina", "/audit vault"),
    ),
    reads(
        "logs",
        "The newest lines of the log as a file, secrets taken out",
        logs,
        Argument(name="n", help="how many lines, 200 if not said", required=False, whole=True),
        Argument(name="level", help="this level and above, info if not said", required=False, choices=LEVELS),
        role=RoleName.ADMIN,
        examples=("/logs", "/logs 500 warning"),
    ),
    reads(
        "keys status",
        "Which keys there are: fingerprint, age, and that they cannot withdraw",
        keys,
        aliases=("keys list",),
        role=RoleName.ADMIN,
        examples=("/keys status",),
    ),
    acts(
        "keys rotate",
        "Ask to exchange an exchange's key for a new one; others approve. No key is ever typed here",
        rotate,
        Argument(name="name", help="the secret's name, see /keys status", complete=_signing),
        REASON,
        role=RoleName.ADMIN,
        examples=("/keys rotate hl_agent", "/keys rotate hl_agent it is old"),
        gate="P2",
    ),
)
