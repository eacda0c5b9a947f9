"""The verbs that link a person's other chat account, and what an account that nobody knows may do: send a code.

`/link telegram` at a door that knows the person gives a code; the new account sends it; at the first door the person
confirms that account. Then it is a change of settings like any other: people agree to it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from bot.call import Call, Effect, Verb
from bot.message import Message, Text, clock_text, refusal
from bot.outbox import Outbox
from bot.outcome import outcome, submit, submit_with_code
from bot.parse import Argument, UsageError, suggest
from bot.votes import PRIVATELY, code_in, is_private
from domain import commands
from domain.commands import Actor, Door
from domain.facts import Severity
from domain.verdict import Reason
from domain.views import LinkView

if TYPE_CHECKING:
    from engine.desk import Desk

CHANNELS: Final = ("telegram", "discord")
NAME_LENGTH = 40
CONFIRM = "confirm"
CANCEL = "cancel"
LINK = "link"
START = "start"
LINK_WORDS = 2
THIEF: Final = "If that was not you, somebody else speaks for you at {door}: tell an admin now, and have that unlinked."
CODE_LOOK: Final = re.compile(r"[A-Z0-9]{10}")
FIELD: Final = {"telegram": "telegram_user_id", "discord": "discord_user_id"}


async def link(call: Call) -> Message:
    """Begin an exchange, look at it, confirm it or give it up."""
    what = call.arguments.get("what", "").lower()
    if what in CHANNELS:
        return _begin(call, Door(what))
    if what == CONFIRM:
        return await _confirm(call)
    if what == CANCEL:
        call.desk.links.end(call.person.id)
        return Message(title="link: given up", blocks=(Text("The code no longer counts. Nothing was linked."),))
    if what:
        known = suggest(what, [*CHANNELS, CONFIRM, CANCEL])
        raise UsageError(f"{known} A code is sent by an account that is not linked yet; this one is already yours.")
    found = call.desk.links.of(call.person.id)
    if found is None:
        return Message(
            title="No account is being linked", blocks=(Text("Begin with /link telegram or /link discord."),)
        )
    if not found.account:
        wait = f"The code for {found.channel.value} has not come yet; it counts until {clock_text(found.until_ns)} UTC."
        return Message(title="link: waiting", blocks=(Text(wait),))
    return asking(found, codes=call.desk.codes_needed)


def _begin(call: Call, channel: Door) -> Message:
    if call.actor.door is channel:
        return refusal("link: refused", f"An account on {channel.value} is linked from another door.")
    if not is_private(call):
        return refusal("link: refused", f"A code is shown in private only. To the bot alone: /link {channel.value}.")
    code, until_ns = call.desk.links.begin(call.actor, channel)
    until = clock_text(until_ns)
    where = "to the bot, alone" if channel is Door.TELEGRAM else "in the server; nobody else sees it"
    lines = [
        f"From your account on {channel.value}, {where}: /link {code}",
        f"It counts once, until {until} UTC. Then confirm here: /link shows which account has sent it.",
    ]
    if channel is Door.TELEGRAM and call.room.telegram_name:
        opened = f"Or open on that phone: https://t.me/{call.room.telegram_name}?start={code}"
        lines.insert(1, opened)
    return Message(title="link: your code", blocks=tuple(map(Text, lines)), is_secret=True)


def asking(found: LinkView, *, codes: bool) -> Message:
    """What who asked for a code is asked when it has come."""
    code = " CODE" if codes else ""
    lines = (
        f"Account {found.name} on {found.channel.value}, id {found.account}, wants to be you.",
        f"If it is yours: /link {CONFIRM} {found.account}{code}, until {clock_text(found.until_ns)} UTC.",
        f"If it is not: /link {CANCEL}. Without an answer nothing happens.",
    )
    return Message(title="link: is this you?", blocks=tuple(map(Text, lines)), severity=Severity.WARNING)


async def _confirm(call: Call) -> Message:
    words = call.arguments.get("code", "").split()
    code = code_in(words)
    if code and not is_private(call):
        return refusal("link: refused", f"{PRIVATELY}/link {CONFIRM} ID CODE.")
    found, account = call.desk.links.of(call.person.id), call.arguments.get("account", "")
    if found is None or not found.account:
        return refusal("link: refused", "No account has sent your code, or the time is over. Begin again.")
    if account != str(found.account):
        raise UsageError(f"say which account is yours: /link {CONFIRM} ID. /link shows which one has sent the code.")
    if found.asked_by.door is not call.actor.door:
        return refusal("link: refused", f"Confirm it where you asked for the code: {found.asked_by.door.value}.")
    channel = found.channel.value
    change = commands.ChangeSettings(
        path=f"persons.{call.person.id}.{FIELD[channel]}",
        value=account,
        reason=f"{found.name} sent a link code from there; confirmed at {call.actor.door.value}",
    )
    done = await submit_with_code(call, change, code)
    if done.ok or done.reason not in {Reason.CODE_NEEDED, Reason.CODE_WRONG, Reason.CODE_USED}:
        call.desk.links.end(call.person.id)
    return outcome(call.verb, done)


def is_link_code(words: list[str]) -> bool:
    """Whether a line is `/link CODE` or what a link to the bot sends, `/start CODE`; or looks like it."""
    if len(words) != LINK_WORDS:
        return False
    if words[0] == START:
        return CODE_LOOK.fullmatch(words[1].upper()) is not None
    return words[0] == LINK and words[1].lower() not in {*CHANNELS, CONFIRM, CANCEL}


def shown_name(text: str) -> str:
    """A stranger's name for people to read: one short line, whatever they call themselves."""
    return " ".join("".join(char for char in text if char.isprintable()).split())[:NAME_LENGTH] or "without a name"


async def unlink(call: Call) -> Message:
    """Give up an account: at once, nobody has to agree. The account itself is told, in case a thief gave it up."""
    channel, door = call.arguments["channel"].lower(), call.actor.door.value
    change = commands.ChangeSettings(path=f"persons.{call.person.id}.{FIELD[channel]}", value="0", reason="unlinked")
    account = call.room.contacts(call.person.id, channel) if door != channel else []
    reply = await submit(call, change)
    if reply.ok and account:
        told = Message(
            title=f"You are not {call.person.name} here any more",
            blocks=(Text(f"{call.person.name} gave this account up at {door}."), Text(THIEF.format(door=door))),
            severity=Severity.WARNING,
        )
        await call.room.outbox.post(f"unlinked:{call.request_id}", account, told)
    return reply


async def claim(desk: Desk, outbox: Outbox, actor: Actor, name: str, code: str) -> Message | None:
    """An unknown account (`actor.person` is its number) sends a code; None for a wrong one: strangers get no answer."""
    found = desk.links.claim(actor.door, int(actor.person), name, code)
    if found is None:
        return None
    first = found.asked_by
    chat = f"discord:@{_discord_of(desk, first)}" if first.door is Door.DISCORD else first.chat
    if chat and first.door in {Door.TELEGRAM, Door.DISCORD}:
        await outbox.post(f"link:{found.account}:{found.until_ns}", [chat], asking(found, codes=desk.codes_needed))
    text = f"Now confirm it where you asked for the code ({first.door.value}): /link. Then other people decide."
    return Message(title="link: the code is right", blocks=(Text(text),))


def _discord_of(desk: Desk, actor: Actor) -> int:
    person = desk.person(actor.person)
    return person.discord_user_id if person is not None else 0


def _what(_: Desk) -> tuple[str, ...]:
    return (*CHANNELS, CONFIRM, CANCEL)


VERBS: Final = (
    Verb(
        name=LINK,
        help="Link your account on another channel: a code here, sent from there, confirmed here",
        handler=link,
        arguments=(
            Argument(
                name="what",
                help="telegram or discord; confirm or cancel; or the code",
                required=False,
                complete=_what,
            ),
            Argument(name="account", help="with confirm: the account's number", required=False),
            Argument(
                name="code", help="with confirm: your one-time code, where votes need one", required=False, rest=True
            ),
        ),
        effect=Effect.ADDS,
        by_person=True,
        examples=("/link telegram",),
    ),
    Verb(
        name="unlink",
        help="Give up your account on a channel, at once",
        handler=unlink,
        arguments=(Argument(name="channel", help="telegram or discord", choices=CHANNELS),),
        effect=Effect.LOWERS,
        by_person=True,
        examples=("/unlink discord",),
    ),
)
