"""A message as letters: in the dialect of each recipient's channel, with its reference."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable

from msgspec import structs

from bot import render
from bot.carrier import channel_of
from bot.channels import dialects
from bot.message import Message
from bot.render import Parcel
from bot.store import Letter
from domain.facts import Severity

_DIGEST = re.compile("([0-9a-f]{8})[0-9a-f]{56}")
"""People are shown the beginning of a SHA-256."""
PRIORITY = {Severity.CRITICAL: 0, Severity.ERROR: 1, Severity.WARNING: 5, Severity.INFO: 5}
IDLE = 7
"""Goes when nothing else waits: what is watched, not what must be known."""
DIALECTS: dict[str, Callable[[Message], tuple[Parcel, ...]]] = {
    "telegram": render.telegram,
    "discord": render.discord,
    "email": dialects.email,
    "sms": dialects.sms,
    "hook": dialects.hook,
    "apprise": dialects.hook,
}


def letters_of(
    event: str, recipients: Iterable[str], message: Message, replaces: str = "", priority: int | None = None
) -> list[Letter]:
    """The letters that bring a message to each recipient; `event` makes them unique and is their reference."""
    reference = _DIGEST.sub(r"\1", event)
    stamped = structs.replace(message, stamp=f"{message.stamp} · ref {reference}".removeprefix(" · "))
    return [
        Letter(
            event=event,
            part=part,
            recipient=recipient,
            parcel=parcel,
            replaces=replaces,
            priority=PRIORITY[message.severity] if priority is None else priority,
            created_ns=time.time_ns(),
        )
        for recipient in dict.fromkeys(recipients)
        for part, parcel in enumerate(DIALECTS[channel_of(recipient)](stamped))
    ]
