"""The verbs of votes: approve, deny, what waits, overrides, break-glass and its review."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from msgspec import structs

from bot.amounts import TIMES, decimal_of
from bot.call import Call, Effect, Verb
from bot.message import Block, Message, Pairs, Text, age_text, clock_text, number, refusal, utc_text
from bot.outcome import outcome, submit, submit_with_code
from bot.parse import NUMBER, Argument, UsageError, instrument_of, suggest, symbols, venues
from bot.rows import REQUEST, acts, lowers, reads
from bot.times import span_of
from domain import commands
from domain.commands import Door
from domain.facts import RequestStatus, Severity
from domain.settings import MINUTE_NS, RoleName
from domain.views import OverrideView, RequestView

if TYPE_CHECKING:
    from engine.desk import Desk

CODE: Final = re.compile(r"(?<!\S)([0-9]{3})[ -]?([0-9]{3})(?!\S)")
"""Authenticators show it in two halves, and so it is typed."""
WITH_CODE: Final = frozenset({"approve", "breakglass", "link", "tokens", "tokens create", "tokens resume"})
"""Verbs that take a one-time code."""
DIGEST: Final = re.compile(r"[0-9a-f]{8,64}")
SHOWN_DIGEST: Final = 8
PRIVATELY = "A code is given in private only; this one was not looked at. Write to the bot alone: "


def code_in(words: list[str]) -> str:
    """The one-time code among the words of a line; "" when there is none."""
    match = CODE.search(" ".join(words))
    return match[1] + match[2] if match else ""


def without_code(words: list[str]) -> list[str]:
    """The words of a line but for the one-time code."""
    return CODE.sub("", " ".join(words), count=1).split()


def is_private(call: Call) -> bool:
    """Whether nobody else reads what is typed here. A slash command of Discord is seen by who typed it alone."""
    return call.actor.door is not Door.TELEGRAM or call.actor.chat == f"telegram:{call.person.telegram_user_id}"


async def approve(call: Call) -> Message:
    """Vote for a request, with the code and the digest where they are given."""
    words = call.arguments.get("code", "").split()
    code, left = code_in(words), without_code(words)
    digest = left[0].lower() if len(left) == 1 else ""
    if left and not DIGEST.fullmatch(digest):
        raise UsageError("what follows the request is its digest, a code of six digits, or both")
    if code and not is_private(call):
        return refusal("approve: refused", f"{PRIVATELY}/approve {call.arguments['id']} CODE.")
    ballot = commands.Approve(request=_request(call), digest=digest)
    done = await submit_with_code(call, ballot, code)
    told, view = outcome(call.verb, done), call.desk.request(ballot.request)
    if view is None or view.digest[:SHOWN_DIGEST] in done.text:
        return told
    counted = Text(f"Votes {len(view.votes)} of {view.votes_needed}, digest {view.digest[:SHOWN_DIGEST]}.")
    return structs.replace(told, blocks=(*told.blocks, counted)) if done.ok else told


async def deny(call: Call) -> Message:
    """End a request; the reason may also be given afterwards."""
    return await submit(call, commands.Deny(request=_request(call), reason=call.arguments.get("reason", "")))


def _request(call: Call) -> str:
    """The id as the desk writes it; an unknown one goes through, so that the core says what became of it."""
    wanted = call.arguments["id"].lstrip("#")
    return next((view.id for view in call.desk.pending() if view.id.lower() == wanted.lower()), wanted.upper())


async def pending(call: Call) -> Message:
    """What waits for votes, those of the person first said; and what waits for a review."""
    only_mine = "whose" in call.arguments
    found = [view for view in call.desk.pending() if not only_mine or view.requester == call.person.id]
    status = call.desk.status()
    blocks = [block for view in found for block in request_blocks(view, status.ts_ns)]
    blocks += [
        Text(f"{due.id}: break-glass by {due.person} ({due.text}), to be reviewed until {utc_text(due.due_ns)}")
        for due in status.reviews
    ]
    if not blocks:
        return Message(title="Nothing waits for approval")
    return Message(title=f"Waiting for approval: {len(found)}", blocks=tuple(blocks))


def request_blocks(view: RequestView, now_ns: int) -> tuple[Block, ...]:
    """A request for a list or a card; `now_ns` says how much time a waiting one has left."""
    voters = f" ({', '.join(view.votes)})" if view.votes else ""
    rows = [
        ("asked by", view.requester or "a strategy"),
        ("votes", f"{len(view.votes)} of {view.votes_needed}{voters}"),
        ("digest", view.digest[:SHOWN_DIGEST]),
    ]
    if view.status == RequestStatus.PENDING:
        left = age_text((view.expires_ns - now_ns) / 1e9) if view.expires_ns > now_ns else "no time"
        rows.insert(2, ("left", f"{left}, until {clock_text(view.expires_ns)} UTC"))
    return (Text(f"{view.id} {view.what}: {view.text}"), Pairs(tuple(rows)))


WRITTEN: Final = re.compile(r"[0-9.,]+", re.ASCII)
LENGTH = r"[0-9]+([.][0-9]{1,2})?(m|h|min|mins|hours?|minutes?)?"
ORDER = "/override RULE VALUE MINUTES SCOPE REASON"


async def override(call: Call) -> Message:
    """Ask to loosen a limit for some minutes."""
    given = call.arguments
    value, minutes = limit_value(given["value"]), minutes_of(given["minutes"])
    scope = scope_of(call.desk, given["scope"])
    command = commands.Override(
        rule=given["rule"].lower(), scope=scope, value=value, minutes=minutes, reason=given["reason"]
    )
    return await submit(call, command)


def limit_value(text: str) -> Decimal:
    """A limit's value as people write it: `30000`, `$30k`, `7.5%`, `3x`. Raises `UsageError`."""
    bare = text.strip().lower()
    per_cent, bare = bare.endswith("%"), bare.removesuffix("%").removesuffix("x").removeprefix("$")
    scale = TIMES[bare[-1:]] if bare[-1:] in {"k", "m"} else Decimal(1)
    digits = bare[:-1] if scale != 1 else bare
    if not WRITTEN.fullmatch(digits):
        raise UsageError(f"VALUE {text!r} is no number. For example: 30000, $30k, 7.5%. The order is {ORDER}")
    if NUMBER.fullmatch(digits) and not Decimal(digits):
        return Decimal(0)
    return decimal_of(digits) * scale / (100 if per_cent else 1)


def minutes_of(text: str) -> int:
    """Whole minutes: `30`, `30m`, `2h`. Raises `UsageError`."""
    if text.isascii() and text.isdecimal():
        return int(text) if len(text) <= 6 else 10**6
    minutes, rest = divmod(span_of(text), MINUTE_NS)
    if rest:
        raise UsageError(f"{text}: whole minutes, for example 30, 30m, 2h")
    return minutes


def scope_of(desk: Desk, text: str) -> str:
    """What a person means by a scope: everything, an instrument, a venue or a strategy, or one written in full."""
    if text.lower() in {"all", "portfolio"}:
        return "portfolio"
    if ":" in text:
        return text
    if text.upper() in venues(desk):
        return f"venue:{text.upper()}"
    strategy = next((view.id for view in desk.strategies() if view.id.lower() == text.lower()), "")
    return f"strategy:{strategy}" if strategy else f"instrument:{instrument_of(desk, text)}"


async def overrides(call: Call) -> Message:
    """What is loosened now, and for how long."""
    found, now_ns = call.desk.status().overrides, call.desk.status().ts_ns
    if not found:
        return Message(title="No override is in force", blocks=(Text("Every limit holds as it is set."),))
    blocks = tuple(block for view in found for block in override_blocks(view, now_ns))
    return Message(title=f"OVERRIDES in force: {len(found)}", blocks=blocks, severity=Severity.WARNING)


def override_blocks(view: OverrideView, now_ns: int) -> tuple[Block, ...]:
    """One override for a list or a card, with its countdown."""
    left = age_text((view.until_ns - now_ns) / 1e9) if view.until_ns > now_ns else "no time"
    rows = (
        ("left", f"{left}, until {clock_text(view.until_ns)} UTC"),
        ("agreed by", f"{', '.join(view.persons)} ({view.request})"),
        ("because", view.reason),
        ("end it early", f"/overrides end {view.rule} {view.scope}"),
    )
    return (Text(f"{view.rule} of {view.scope} is {number(view.value)} {view.unit}"), Pairs(rows))


async def end_override(call: Call) -> Message:
    """A limit holds again before the time is over."""
    rule = call.arguments["rule"].lower()
    said = call.arguments.get("scope", "")
    there = [view.scope for view in call.desk.status().overrides if view.rule == rule]
    if not said and len(there) > 1:
        raise UsageError(f"say which: {' or '.join(f'/overrides end {rule} {scope}' for scope in there)}")
    scope = scope_of(call.desk, said) if said else next(iter(there), "portfolio")
    return await submit(call, commands.EndOverride(rule=rule, scope=scope))


async def break_glass(call: Call) -> Message:
    """Halt or flatten in an emergency, whatever the person's role."""
    words = call.arguments.get("reason", "").split()
    code = code_in(words)
    if code and not is_private(call):
        return refusal("breakglass: refused", f"{PRIVATELY}/breakglass {call.arguments['action']} CODE REASON.")
    reason = " ".join(without_code(words))
    command = commands.BreakGlass(action=call.arguments["action"].lower(), reason=reason)
    done = await submit_with_code(call, command, code)
    return outcome(call.verb, done)


async def review(call: Call) -> Message:
    """Somebody else has looked at a break-glass."""
    wanted = call.arguments["id"].upper()
    waiting = [due.id for due in call.desk.status().reviews]
    if wanted not in waiting:
        raise UsageError(f"{wanted} waits for no review: {suggest(wanted, waiting)}")
    return await submit(call, commands.Review(id=wanted, note=call.arguments["note"]))


def _rules(desk: Desk) -> list[str]:
    return desk.rules()


def _in_force(desk: Desk) -> list[str]:
    return list(dict.fromkeys(view.rule for view in desk.status().overrides))


def _scopes(desk: Desk) -> list[str]:
    return ["all", *symbols(desk), *venues(desk), *(view.id for view in desk.strategies())]


def _reviews(desk: Desk) -> list[str]:
    return [due.id for due in desk.status().reviews]


_SCOPE = Argument(name="scope", help="all, an instrument, a venue or a strategy", complete=_scopes)

VERBS: Final = (
    Verb(
        name="approve",
        help="Vote for a waiting request",
        handler=approve,
        arguments=(
            REQUEST,
            Argument(
                name="code",
                help="your one-time code, where votes need one (in private); and the digest you saw",
                required=False,
                rest=True,
            ),
        ),
        effect=Effect.ADDS,
        by_person=True,
        examples=("/approve R1",),
    ),
    Verb(
        name="deny",
        help="End a waiting request, or say why you did",
        handler=deny,
        arguments=(REQUEST, Argument(name="reason", help="why, for the record", required=False, rest=True)),
        effect=Effect.LOWERS,
        by_person=True,
        examples=("/deny R1 too much",),
    ),
    reads(
        "pending",
        "What waits for approval or review",
        pending,
        Argument(name="whose", help="mine: what you have asked for", required=False, choices=("mine",)),
        examples=("/pending", "/pending mine"),
    ),
    acts(
        "override",
        "Ask to loosen a limit for some minutes; two others approve",
        override,
        Argument(name="rule", help="which limit", complete=_rules),
        Argument(name="value", help="the wider value, in the limit's unit; 7.5% is 0.075"),
        Argument(name="minutes", help="how long: 30, 30m, 2h; then it ends by itself", pattern=LENGTH),
        _SCOPE,
        Argument(name="reason", help="why, for the record", rest=True),
        role=RoleName.RISK,
        examples=("/override open_positions 25 30 all a busy day",),
        gate="P2",
    ),
    reads("overrides list", "Limits that are loosened now, and for how long", overrides, examples=("/overrides",)),
    lowers(
        "overrides end",
        "End an override before its time",
        end_override,
        Argument(name="rule", help="which limit", complete=_in_force),
        Argument(name="scope", help="for what, when there are several", required=False, complete=_scopes),
        examples=("/overrides end open_positions",),
    ),
    Verb(
        name="breakglass",
        help="In an emergency, whatever your role: stop, with a one-time code; others review it",
        handler=break_glass,
        arguments=(
            Argument(name="action", help="halt, or flatten everything", choices=("halt", "flatten")),
            Argument(name="reason", help="your one-time code, and why", rest=True),
        ),
        effect=Effect.LOWERS,
        by_person=True,
        examples=("/breakglass halt 123456 the maker is odd",),
        gate="CODE",
    ),
    Verb(
        name="review",
        help="Say what you found about a break-glass",
        handler=review,
        arguments=(
            Argument(name="id", help="the break-glass, see /pending", complete=_reviews),
            Argument(name="note", help="what you found", rest=True),
        ),
        role=RoleName.RISK,
        effect=Effect.LOWERS,
        by_person=True,
        examples=("/review G1 nothing was wrong",),
    ),
)
