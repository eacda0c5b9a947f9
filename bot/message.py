"""`Message`: the small document that every verb returns and every door renders.

Pure data, no markup: `bot.render` turns it into plain text, Telegram HTML or Discord markdown.
The functions below put numbers and times into words the same way everywhere.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from msgspec import Struct

from bot.times import beside_utc
from domain.document import Block as Block  # noqa: PLC0414 - a message and its parts are found in one place
from domain.document import Code as Code  # noqa: PLC0414
from domain.document import Pairs as Pairs  # noqa: PLC0414
from domain.document import Table as Table  # noqa: PLC0414
from domain.document import Text as Text  # noqa: PLC0414
from domain.facts import Severity
from domain.settings import Person
from domain.text import age_text as age_text  # noqa: PLC0414
from domain.views import StatusView

BAR, FULL, EMPTY = 10, "█", "░"
CENT = Decimal("0.01")


class Button(Struct, frozen=True):
    """A button under a message: its label and the signed data that comes back when pressed."""

    label: str
    data: str


class Picture(Struct, frozen=True, kw_only=True):
    """A drawing: its file name, the PNG itself, and in words what it shows, for doors that show no pictures."""

    name: str
    png: bytes
    words: str


class Message(Struct, frozen=True, kw_only=True):
    """One reply or alert. `stamp` says environment, time and data age; `ok` False marks a refusal."""

    title: str
    blocks: tuple[Block, ...] = ()
    severity: Severity = Severity.INFO
    ok: bool = True
    stamp: str = ""
    buttons: tuple[Button, ...] = ()
    is_secret: bool = False
    """Holds a code: shown to who asked for it alone, and not kept once it is sent."""
    pictures: tuple[Picture, ...] = ()
    replaces: str = ""
    """The event whose message this one takes the place of, where the door can edit ("" = a new message)."""
    file_name: str = ""
    file_text: str = ""
    """Sent as a file where the door has files, below the text elsewhere."""
    mentions: tuple[Person, ...] = ()
    """Who is to look at it now: named, and pinged where the channel can."""


def refusal(title: str, text: str) -> Message:
    """A reply that says no, and why."""
    return Message(title=title, blocks=(Text(text),), severity=Severity.WARNING, ok=False)


def failure(error: str) -> Message:
    """A reply when our own code failed: `error` is the kind of error, never its text."""
    text = f"It failed inside ({error}) and may or may not have been carried out. See /status."
    return Message(title="Something went wrong", blocks=(Text(text),), severity=Severity.ERROR, ok=False)


def stamp(status: StatusView, now_ns: int, zone: str = "UTC") -> str:
    """Where, when (in UTC and in the reader's zone) and how fresh, for the last line of every reply."""
    age = "no market data" if status.data_age_ms is None else f"data {age_text(status.data_age_ms / 1000)} old"
    loosened = "".join(f" · OVERRIDE {o.rule} until {clock_text(o.until_ns)}" for o in status.overrides)
    there = beside_utc(now_ns, zone)
    when = f"{utc_text(now_ns)} ({there})" if there else utc_text(now_ns)
    return f"{status.environment.upper()} · market: {status.market} · {when} · {age}{loosened}"


def utc_text(ts_ns: int) -> str:
    """Date and time to the second, in UTC, and saying so."""
    return f"{datetime.fromtimestamp(ts_ns / 1e9, tz=UTC):%Y-%m-%d %H:%M:%S} UTC"


def clock_text(ts_ns: int) -> str:
    """Time of day to the second, in UTC."""
    return f"{datetime.fromtimestamp(ts_ns / 1e9, tz=UTC):%H:%M:%S}"


def money(value: Decimal, *, sign: bool = False) -> str:
    """An amount with thousands separators and two decimals; `sign` shows the plus."""
    return f"{value.quantize(CENT):{'+' if sign else ''},f}"


def percent(fraction: Decimal) -> str:
    """A signed fraction in per cent to two decimals; what rounds to nothing has no sign."""
    text = f"{fraction:+.2%}"
    return text if text.strip("+-0.%") else "0.00%"


def bar(share: Decimal) -> str:
    """Ten blocks, as many full as tenths are used; what is used at all shows."""
    full = max(0, min(BAR, max(int(share * BAR), 1 if share > 0 else 0)))
    return FULL * full + EMPTY * (BAR - full)


def number(value: Decimal) -> str:
    """A price or quantity without trailing zeros and without an exponent."""
    text = f"{value:f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"


def signed(value: Decimal) -> str:
    """A quantity with its sign."""
    return f"+{number(value)}" if value > 0 else number(value)


def base_name(instrument: str, others: list[str]) -> str:
    """The base asset when it names one instrument only, else the whole id; the desk understands both."""
    base = instrument.partition("-")[0]
    return base if sum(other.partition("-")[0] == base for other in others) <= 1 else instrument
