"""The verbs of ways in: a login link, tokens of programs, browsers that are logged in, and the one-time code for them.

Links and tokens are told to who asks for them, alone, and once; what is kept of them is a hash.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import structs

from bot.call import Call, Effect, Verb
from bot.message import Message, Pairs, Table, Text, refusal, utc_text
from bot.outcome import outcome, submit_with_code
from bot.parse import Argument, UsageError, suggest
from bot.rows import person_ids
from bot.times import span_of
from bot.votes import code_in, is_private, without_code
from domain.access import AccessDesk, AccessLost, AccessRefused, NewToken, Scope, TokenView
from domain.commands import Actor, Door, StepUp
from domain.settings import RoleName
from domain.verdict import Reason

if TYPE_CHECKING:
    from bot.room import ControlRoom
    from engine.desk import Desk

CHATS: Final = (Door.TELEGRAM, Door.DISCORD, Door.TERMINAL)
OFF: Final = "The dashboard and the API are switched off (gateway.enabled)."
ALONE: Final = "It is shown to you alone. Write to the bot alone: "
CREATE: Final = "/tokens create LABEL SCOPES LIFE [CODE] [from NETWORKS] [for PERSON]"
AGENT_LENGTH: Final = 60


async def login(call: Call) -> Message:
    """A link that opens the dashboard."""
    if call.actor.door not in CHATS:
        return refusal("login: refused", "A browser does not log others in: ask in chat, or at the terminal.")
    if not is_private(call):
        return refusal("login: refused", f"{ALONE}/login.")
    try:
        link = await _desk(call).login_link(call.person.id, call.actor)
    except (AccessRefused, AccessLost) as problem:
        return refusal("login: refused", _sentence(problem))
    lines = (link, "It opens one browser, once, within 10 minutes: open it and press its button. Give it to nobody.")
    return Message(title="login: your link", blocks=tuple(map(Text, lines)), is_secret=True)


async def tokens(call: Call) -> Message:
    """Tokens: one's own, an admin sees all."""
    whose = "" if call.person.role >= RoleName.ADMIN else call.person.id
    try:
        found = await _desk(call).tokens(whose)
    except (AccessRefused, AccessLost) as problem:
        return refusal("tokens: not known", _sentence(problem))
    if not found:
        return Message(title="There are no tokens", blocks=(Text(f"Make one: {CREATE}"),))
    rows = tuple(
        (
            view.id,
            view.name,
            view.person,
            ",".join(view.scopes),
            view.state,
            utc_text(view.expires_ns)[:10],
            utc_text(view.last_used_ns)[:16] if view.last_used_ns else "never",
            ",".join(view.networks) or "anywhere",
        )
        for view in found
    )
    columns = ("id", "name", "person", "scopes", "state", "until", "last used", "from")
    return Message(title=f"Tokens: {len(found)}", blocks=(Table(columns, rows, left=8),))


async def create(call: Call) -> Message:
    """Make a token, and show it this once."""
    if not is_private(call):
        return refusal("tokens create: refused", f"{ALONE}{CREATE}.")
    code, wanted = _wanted(call)
    if wanted.person != call.person.id and call.person.role < RoleName.ADMIN:
        return refusal("tokens create: refused", "Only an admin makes tokens for others.")
    if (refused := await _proved(call, code, f"token {wanted.name} for {wanted.person}")) is not None:
        return refused
    try:
        secret, view = await _desk(call).create_token(wanted, call.actor)
    except (AccessRefused, AccessLost) as problem:
        return refusal("tokens create: refused", _sentence(problem))
    told = Text(secret)
    keep = Text("Keep it now, in a secret store: it is not shown again. A program sends it as Authorization: Bearer.")
    return Message(title=f"token {view.id} is made", blocks=(told, keep, _pairs(view)), is_secret=True)


async def revoke(call: Call) -> Message:
    """End a token at once."""
    return await _change(call, resumes=False)


async def resume(call: Call) -> Message:
    """Let a token that a lock-down suspended be used again."""
    code = code_in(call.arguments.get("code", "").split())
    if code and not is_private(call):
        return refusal("tokens resume: refused", f"{ALONE}/tokens resume ID CODE.")
    if (refused := await _proved(call, code, f"resume token {call.arguments['id']}")) is not None:
        return refused
    return await _change(call, resumes=True)


async def _change(call: Call, *, resumes: bool) -> Message:
    token, desk = call.arguments["id"], _desk(call)
    try:
        found = await desk.token_of(token)
        if found.person != call.person.id and call.person.role < RoleName.ADMIN:
            return refusal(f"{call.verb}: refused", "It is another person's: ask them, or an admin.")
        view = await (desk.resume_token if resumes else desk.revoke_token)(token, call.actor)
    except (AccessRefused, AccessLost) as problem:
        return refusal(f"{call.verb}: not done", _sentence(problem))
    what = "is used again" if resumes else "opens nothing any more"
    return Message(title=f"token {view.id} {view.name} {what}", blocks=(_pairs(view),))


async def sessions(call: Call) -> Message:
    """Browsers that are logged in: one's own, an admin sees all."""
    whose = "" if call.person.role >= RoleName.ADMIN else call.person.id
    try:
        found = await _desk(call).sessions(whose)
    except (AccessRefused, AccessLost) as problem:
        return refusal("sessions: not known", _sentence(problem))
    if not found:
        return Message(title="Nobody is logged in")
    rows = tuple(
        (view.person, utc_text(view.created_ns)[:16], utc_text(view.seen_ns)[:16], view.ip, view.agent[:AGENT_LENGTH])
        for view in found
    )
    return Message(
        title=f"Logged in: {len(found)}",
        blocks=(Table(("person", "since", "last seen", "from", "browser"), rows, left=5),),
    )


async def end_sessions(call: Call) -> Message:
    """Log out everywhere; unused links go as well."""
    person = call.arguments.get("person", call.person.id)
    if person != call.person.id and call.person.role < RoleName.ADMIN:
        return refusal("sessions end: refused", "Only an admin logs others out.")
    if call.desk.person(person) is None:
        raise UsageError(f"there is no person {person!r}: {suggest(person, person_ids(call.desk))}")
    try:
        count = await _desk(call).end_sessions(person, call.actor)
    except (AccessRefused, AccessLost) as problem:
        return refusal("sessions end: not done", _sentence(problem))
    said = f"{count} sessions of {person} have ended. Tokens of programs stay: /tokens."
    return Message(title="sessions end: done", blocks=(Text(said),))


async def step_up(call: Call) -> Message:
    """Prove with a one-time code who is at the keyboard: for some minutes a browser's session does what takes one."""
    desk, code = _desk(call), code_in(call.arguments["code"].split())
    try:
        await desk.before_code(call.actor)
        done = await call.desk.submit(
            StepUp(purpose=f"at {call.actor.door.value}"),
            call.actor,
            request_id=call.request_id,
            sent_ts_ns=call.sent_ts_ns,
            code=code,
        )
        is_left = await desk.after_code(call.actor, is_right=done.ok)
    except (AccessRefused, AccessLost) as problem:
        return refusal("stepup: refused", _sentence(problem))
    reply = outcome(call.verb, done)
    ended = Text("Too many wrong codes: this session has ended, log in again.")
    return reply if is_left else structs.replace(reply, blocks=(*reply.blocks, ended))


async def unproved(room: ControlRoom, actor: Actor, verb: Verb) -> Message | None:
    """What refuses an admin's verb in a browser, where votes need codes and its session has given none lately."""
    if actor.door is not Door.DASHBOARD or verb.role < RoleName.ADMIN or verb.effect is Effect.READS:
        return None
    if not room.desk.codes_needed or room.access is None or await room.access.has_proved(actor):
        return None
    return refusal(f"{verb.name}: refused", f"First say that it is you: /stepup CODE [{Reason.CODE_NEEDED.value}].")


async def _proved(call: Call, code: str, purpose: str) -> Message | None:
    """What refuses where a code is missing or wrong; who has an authenticator needs one, and all where votes do."""
    codes = call.desk.codes
    if not (code or call.desk.codes_needed or (codes is not None and codes.enrolled(call.person.id))):
        return None
    done = await submit_with_code(call, StepUp(purpose=purpose), code, f"{call.request_id}:code")
    return None if done.ok else outcome(call.verb, done)


def _wanted(call: Call) -> tuple[str, NewToken]:
    """The code and the token that a line asks for. Raises `UsageError`."""
    words = call.arguments.get("more", "").split()
    code, left = code_in(words), without_code(words)
    given = {"from": "", "for": call.person.id}
    while left:
        if len(left) < 2 or left[0].lower() not in given:
            raise UsageError(f"{left[0]!r} is not understood here. It is {CREATE}")
        given[left[0].lower()] = left[1]
        left = left[2:]
    said = [scope for scope in call.arguments["scopes"].lower().split(",") if scope]
    wrong = [scope for scope in said if scope not in set(Scope)]
    if wrong:
        raise UsageError(f"{wrong[0]!r} is no scope: {suggest(wrong[0], [scope.value for scope in Scope])}")
    wanted = NewToken(
        name=call.arguments["label"],
        person=given["for"],
        scopes=tuple(scope for scope in Scope if scope in said),
        life_ns=span_of(call.arguments["life"]),
        networks=tuple(filter(None, given["from"].split(","))),
    )
    return code, wanted


def _pairs(view: TokenView) -> Pairs:
    rows = (
        ("name", view.name),
        ("acts for", view.person),
        ("scopes", ", ".join(view.scopes)),
        ("from", ", ".join(view.networks) or "anywhere"),
        ("until", utc_text(view.expires_ns)),
        ("state", view.state),
    )
    return Pairs(rows)


def _desk(call: Call) -> AccessDesk:
    if call.room.access is None:
        raise UsageError(OFF)
    return call.room.access


def _sentence(problem: Exception) -> str:
    text = str(problem)
    return f"{text[:1].upper()}{text[1:]}."


def _scopes(_: Desk) -> list[str]:
    return [scope.value for scope in Scope]


_ID: Final = Argument(name="id", help="the token, see /tokens")
_CODE: Final = Argument(name="code", help="your one-time code, in private", required=False, rest=True)

VERBS: Final = (
    Verb(
        name="login",
        help="A link that opens the dashboard in one browser, in private",
        handler=login,
        effect=Effect.ADDS,
        by_person=True,
        examples=("/login",),
    ),
    Verb(
        name="tokens list",
        help="Tokens of programs: yours, an admin sees all",
        handler=tokens,
        aliases=("tokens show",),
        examples=("/tokens",),
    ),
    Verb(
        name="tokens create",
        help="Make a token for a program; shown once, in private",
        handler=create,
        arguments=(
            Argument(name="label", help="what uses it, one word"),
            Argument(name="scopes", help="read, trade, risk, admin; several with commas", complete=_scopes),
            Argument(name="life", help="how long it lives: 12h, 30d, 52w"),
            Argument(
                name="more",
                help="your one-time code; from NETWORKS (10.0.0.0/8,203.0.113.7); for PERSON",
                required=False,
                rest=True,
            ),
        ),
        effect=Effect.ADDS,
        by_person=True,
        gate="CODE",
        examples=("/tokens create grafana read 90d 123456 from 10.0.0.0/8",),
    ),
    Verb(
        name="tokens revoke",
        help="End a token at once, for good",
        handler=revoke,
        arguments=(_ID,),
        effect=Effect.LOWERS,
        by_person=True,
        examples=("/tokens revoke T3",),
    ),
    Verb(
        name="tokens resume",
        help="Let a token that a lock-down suspended be used again",
        handler=resume,
        arguments=(_ID, _CODE),
        role=RoleName.ADMIN,
        effect=Effect.ADDS,
        by_person=True,
        gate="CODE",
        examples=("/tokens resume T3 123456",),
    ),
    Verb(
        name="sessions list",
        help="Browsers that are logged in: yours, an admin sees all",
        handler=sessions,
        aliases=("sessions show",),
        examples=("/sessions",),
    ),
    Verb(
        name="sessions end",
        help="Log out everywhere; an admin logs others out",
        handler=end_sessions,
        arguments=(Argument(name="person", help="whom, you if not said", required=False, complete=person_ids),),
        effect=Effect.LOWERS,
        by_person=True,
        examples=("/sessions end", "/sessions end vera"),
    ),
    Verb(
        name="stepup",
        help="Prove with a one-time code who is at this browser",
        handler=step_up,
        arguments=(Argument(name="code", help="your one-time code", rest=True),),
        effect=Effect.ADDS,
        by_person=True,
        hidden=True,
        gate="CODE",
        examples=("/stepup 123456",),
    ),
)
