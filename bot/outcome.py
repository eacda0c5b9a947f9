"""Sends a command in the caller's name, and puts its outcome into words."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING

from bot.message import Message, Text
from domain.access import AccessLost
from domain.commands import Command
from domain.facts import CommandDone, Severity
from domain.verdict import Reason

if TYPE_CHECKING:
    from bot.call import Call

_DECIMAL = re.compile(r"\d+\.\d+")


async def submit(call: Call, command: Command) -> Message:
    """Send a command in the caller's name and put the outcome into words."""
    done = await call.desk.submit(command, call.actor, request_id=call.request_id, sent_ts_ns=call.sent_ts_ns)
    return outcome(call.verb, done)


async def submit_with_code(call: Call, command: Command, code: str, request_id: str = "") -> CommandDone:
    """Send a command that a one-time code proves. A wrong one, in a browser, counts against its session too."""
    done = await call.desk.submit(
        command, call.actor, request_id=request_id or call.request_id, sent_ts_ns=call.sent_ts_ns, code=code
    )
    if done.reason is Reason.CODE_WRONG and call.room.access is not None:
        with contextlib.suppress(AccessLost):
            await call.room.access.after_code(call.actor, is_right=False)
    return done


def worded(done: CommandDone) -> str:
    """The text of an outcome; of a refusal the words first, for people, then its code, for who looks it up."""
    code = done.reason.value if done.reason is not None else ""
    front = f"Refused, {code}: "
    if not code or not done.text.startswith(front):
        return done.text
    words = _DECIMAL.sub(lambda found: found[0].rstrip("0").rstrip("."), done.text.removeprefix(front))
    return f"{words[:1].upper()}{words[1:]} [{code}]"


def outcome(verb: str, done: CommandDone) -> Message:
    """The outcome of a command: what happened, why not, and whose vote it waits for."""
    lines = [worded(done)] if done.text else []
    if done.reason is not None and done.reason.words not in done.text:
        lines.append(f"Because {done.reason.words} ({done.reason.value}).")
    if done.request and f"/approve {done.request}" not in done.text:
        lines.append(f"Another person decides: /approve {done.request} or /deny {done.request}")
    verdict = "waits for approval" if done.request else "done" if done.ok else "refused"
    if done.reason is Reason.REPEATED:
        verdict, lines = "not done again", ["The service has had this command already. See /status."]
    severity = Severity.INFO if done.ok or done.request else Severity.WARNING
    return Message(
        title=f"{verb}: {verdict}", blocks=tuple(Text(line) for line in lines), severity=severity, ok=done.ok
    )
