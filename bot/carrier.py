"""What carries a letter to one channel, and the five ways in which that may end other than well."""

from __future__ import annotations

import time
from typing import Protocol

from msgspec import structs

from bot.message import clock_text
from bot.store import Letter

LATE_NS = 60_000_000_000


class RetryAfter(Exception):
    """The server asks to wait `seconds` before the next message to this recipient."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"retry after {seconds:g} s")
        self.seconds = seconds


class NotSent(Exception):
    """It surely did not arrive (no connection); try again."""


class OutcomeUnknown(Exception):
    """It may have arrived; try again and say so."""


class RefusedForGood(Exception):
    """The server will never take it (chat gone, bot removed); the text says why, without secrets.

    `instead` is the recipient that gets it then ("" = wherever else its reader is reached).
    """

    def __init__(self, why: str, instead: str = "") -> None:
        super().__init__(why)
        self.instead = instead


class ChannelRefused(RefusedForGood):
    """The channel as a whole takes nothing until a person changes something (password, token, account)."""


class Carrier(Protocol):
    """One channel's way of sending."""

    async def deliver(self, letter: Letter, replaces_id: str) -> str:
        """Send the letter, or edit the message `replaces_id`; return the message's id at the channel.

        Raises the five errors above. A carrier may also have `async probe(recipient) -> bool`: whether a letter would
        be taken now, found out without disturbing anybody; False when it cannot be.
        """
        ...


def channel_of(recipient: str) -> str:
    """The name of a recipient's channel."""
    return recipient.partition(":")[0]


def dated(letter: Letter, *, is_edit: bool = False) -> Letter:
    """The letter as it goes out: says when it is late or may be a repetition (an edit twice is an edit)."""
    notes = []
    if time.time_ns() - letter.created_ns > LATE_NS:
        notes.append(f"late, from {clock_text(letter.created_ns)} UTC")
    is_again = letter.unsure and not is_edit
    if is_again:
        notes.append("sent again, it may have arrived before")
    if not notes:
        return letter
    front = f"({'; '.join(notes)})\n"
    if letter.recipient.startswith("sms:"):
        short = ["late, " + clock_text(letter.created_ns)[:5] + "Z"] * (len(notes) - is_again)
        front = f"({', '.join([*short, *(['again'] * is_again)])}) "
    parcel = structs.replace(letter.parcel, text=front + letter.parcel.text, plain=front + letter.parcel.plain)
    return structs.replace(letter, parcel=parcel)
