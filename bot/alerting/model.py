"""The nouns of alerting: what is raised, what stands, what is to be said and done about it.

Times are nanoseconds of the wall clock, given in by whoever calls; an alert's `first_ns` and `last_ns` are when it
happened, which is earlier where it is told late.
"""

from __future__ import annotations

import enum
import hashlib
from typing import Protocol

import msgspec
from msgspec import Struct, field

from bot.message import Message, Picture
from domain.facts import Severity
from domain.settings import Person

RANK = {Severity.INFO: 0, Severity.WARNING: 1, Severity.ERROR: 2, Severity.CRITICAL: 3}


class AlertState(enum.StrEnum):
    """Life of an alert."""

    FIRING = "firing"
    ACKED = "acknowledged"
    RESOLVED = "over"


class News(Struct, frozen=True, kw_only=True):
    """Something raised. `seq` is the event that caused it: what two facts of one event say counts once."""

    kind: str
    labels: dict[str, str]
    severity: Severity
    text: str
    ts_ns: int
    title: str = ""
    seq: int = 0
    lasts: bool = False
    """Something later says that it is over; without it, it is over once it is told and nothing more comes."""
    is_urgent: bool = False
    """Told at once to everybody who can act, whatever its severity."""
    by: str = ""
    """The person who did it: they look after it already."""
    pictures: tuple[Picture, ...] = ()


class Alert(Struct, kw_only=True):
    """One thing that is wrong, however often it was said: same kind and same labels."""

    number: int
    fingerprint: str
    kind: str
    labels: dict[str, str]
    severity: Severity
    """The worst so far."""
    title: str
    text: str
    first_ns: int
    last_ns: int
    since_ns: int
    """When we began to call people for it; escalation counts from here."""
    touched_ns: int
    """When it was last raised, by our clock."""
    group: str
    state: AlertState = AlertState.FIRING
    count: int = 1
    seq: int = 0
    lasts: bool = False
    is_urgent: bool = False
    is_meant: bool = False
    """A person did it and knows: nobody is called for it later."""
    is_told: bool = False
    hidden: str = ""
    """Why it is not told: the alert or the mute that hides it."""
    by: str = ""
    """Who acknowledged it."""
    acked_ns: int = 0
    ended_ns: int = 0
    ended_by: str = ""
    step: int = 0
    """Steps of the escalation that are done."""
    is_acted: bool = False
    """The safe action was taken for it."""
    pictures: tuple[Picture, ...] = ()

    @property
    def id(self) -> str:
        """As people name it."""
        return f"A{self.number}"

    @property
    def is_open(self) -> bool:
        """Whether it is not over."""
        return self.state is not AlertState.RESOLVED


class Sent(Struct, kw_only=True):
    """A message that may be edited: its event, and who has it."""

    event: str
    recipients: tuple[str, ...]
    numbers: tuple[int, ...] = ()


class Group(Struct, kw_only=True):
    """Alerts of one kind at one place, told together by a message that is kept up to date."""

    id: int
    name: str
    kind: str
    place: str
    born_ns: int
    numbers: list[int] = field(default_factory=list)
    """Open alerts, and those that ended since the last message."""
    sent: list[Sent] = field(default_factory=list)
    """The newest messages about it, the newest last."""
    due_ns: int = 0
    """When something is to be said; 0 = nothing is."""
    is_loud: bool = False
    """What is due is a message of its own; an edit wakes nobody."""
    told_ns: int = 0
    edited_ns: int = 0
    recent_ns: list[int] = field(default_factory=list)
    """When the newest messages went."""
    said: int = 0
    """Messages and edits so far."""
    ended_ns: int = 0
    """Since when nothing in it is open."""


class Mute(Struct, kw_only=True):
    """Alerts that match are not told until `until_ns`; critical ones are only where two persons agreed."""

    number: int
    kind: str
    labels: dict[str, str]
    until_ns: int
    by: str
    reason: str
    made_ns: int
    is_critical: bool = False

    @property
    def id(self) -> str:
        """As people name it."""
        return f"M{self.number}"


class Noted(Struct, kw_only=True):
    """Small news of one kind, kept for the digest."""

    kind: str
    count: int
    first_ns: int
    last_ns: int
    text: str


class Held(Struct, kw_only=True):
    """What a person was not told in their quiet hours."""

    number: int
    ts_ns: int
    text: str


class Duty(Struct, kw_only=True):
    """Who is called, as people have said it; empty lists leave it to the configuration."""

    on_call: list[str] = field(default_factory=list)
    secondary: list[str] = field(default_factory=list)


class Numbers(Struct, kw_only=True):
    """Counters, and when the whole last did something."""

    alerts: int = 0
    groups: int = 0
    mutes: int = 0
    ladders: int = 0
    ladder_ns: int = 0
    """The last message of the escalation."""
    digest_ns: int = 0
    """The last digest."""
    sms_ns: int = 0
    """The last text message about something new."""
    urgent_ns: list[int] = field(default_factory=list)
    """When the newest critical messages went, of all groups."""


class Say(Struct, frozen=True, kw_only=True):
    """A message to send, or to put in the place of the one named `replaces`.

    `ack` is what its button acknowledges ("" = no button), `digest` what binds the button to it.
    """

    event: str
    recipients: tuple[str, ...]
    message: Message
    replaces: str = ""
    ack: str = ""
    digest: str = ""


class Act(Struct, frozen=True, kw_only=True):
    """Nobody has acted: take the configured safe action for these alerts."""

    numbers: tuple[int, ...]


class Directory(Protocol):
    """Who there is and how they are reached, as far as alerting needs it."""

    def chats(self) -> tuple[str, ...]:
        """The rooms that get alerts."""
        ...

    def persons(self) -> list[Person]:
        """Everybody who is known."""
        ...

    def contacts(self, person: str, *, with_sms: bool = False) -> list[str]:
        """Where a person is reached alone."""
        ...

    def is_quiet(self, person: str, now_ns: int) -> bool:
        """Whether they do not want to be disturbed now."""
        ...


def fingerprint(kind: str, labels: dict[str, str]) -> str:
    """What makes two alerts the same: SHA-256 over kind and labels, 16 hex digits."""
    content = msgspec.json.encode([kind, sorted(labels.items())])
    return hashlib.sha256(content).hexdigest()[:16]


def place_of(labels: dict[str, str]) -> str:
    """Where it is: an account, else a venue; "" = everywhere."""
    return labels.get("account") or labels.get("venue") or ""


def venue_of(labels: dict[str, str]) -> str:
    """The venue that labels speak of, "" when they speak of none."""
    account, instrument = labels.get("account", ""), labels.get("instrument", "")
    return labels.get("venue") or account.partition(":")[0] or instrument.partition(".")[2]
