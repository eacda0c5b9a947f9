"""What people read: a group's message, a call, the summary after quiet hours, the digest."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from msgspec import structs

from bot.alerting.kinds import words_of
from bot.alerting.model import RANK, Alert, AlertState, Group, Held, Mute, Noted, venue_of
from bot.message import Block, Message, Text, age_text, utc_text
from domain.facts import Severity
from domain.settings import SECOND_NS, Person

if TYPE_CHECKING:
    from bot.alerting.book import Book
    from bot.config import AlertConfig

MOST_SHOWN = 10
LATE_NS = 60 * SECOND_NS
MOST_TEXT = 300
"""Characters of one alert where several stand in a message; /alerts list ID has all."""


def group_message(book: Book, group: Group, shown: Sequence[Alert], now_ns: int, *, is_edit: bool) -> Message:
    """The alerts of a group as they are now; news are marked by their severity, also when somebody has them already."""
    firing = [alert for alert in shown if alert.state is AlertState.FIRING]
    standing = [alert for alert in shown if alert.is_open]
    marked = firing if is_edit else firing or standing
    severity = max((alert.severity for alert in marked), key=RANK.__getitem__, default=Severity.INFO)
    front = "" if marked else "Acknowledged: " if standing or any(_is_taken(a) for a in shown) else "Over: "
    pictures = tuple(picture for alert in shown for picture in alert.pictures)
    if len(shown) == 1:
        alert = shown[0]
        title = f"{front}{title_of(alert)}"
        blocks: tuple[Block, ...] = (Text(alert.text), *_late(alert, now_ns), Text(status_of(alert)))
    else:
        place = f" · {group.place}" if group.place else ""
        title = f"{front}{words_of(group.kind)}{place}: {len(shown)} alerts"
        newest = sorted(shown, key=lambda alert: (alert.is_open, RANK[alert.severity], alert.number), reverse=True)
        rows = [Text(f"{alert.id} {_short(alert)} [{_state(alert)}{_times(alert)}]") for alert in newest[:MOST_SHOWN]]
        more = len(shown) - len(rows)
        blocks = (*rows, *((Text(f"and {more} more: /alerts list"),) if more else ()))
    ids = {alert.id for alert in standing}
    hidden = [alert for alert in book.alerts.values() if alert.hidden in ids and alert.is_open]
    if hidden:
        names = ", ".join(dict.fromkeys(words_of(a.kind).lower() for a in hidden))
        blocks = (*blocks, Text(f"What follows from it is not told by itself: {names} ({len(hidden)})."))
    if firing:
        names = " ".join(alert.id for alert in firing[:MOST_SHOWN])
        blocks = (*blocks, Text(f"/ack {names} says that you look after it."))
    return Message(title=title, blocks=blocks, severity=severity, pictures=pictures)


def at_text(ts_ns: int) -> str:
    """When, short and without doubt: `29 Nov 03:12:05 UTC`."""
    return f"{datetime.fromtimestamp(ts_ns / 1e9, tz=UTC):%d %b %H:%M:%S} UTC"


def title_of(alert: Alert) -> str:
    """What it is and where."""
    place = alert.labels.get("account") or venue_of(alert.labels)
    return f"{alert.title} · {place}" if place and place not in alert.title else alert.title


def _short(alert: Alert) -> str:
    return alert.text if len(alert.text) <= MOST_TEXT else f"{alert.text[:MOST_TEXT]}..."


def _times(alert: Alert) -> str:
    return f", {alert.count} times" if alert.count > 1 else ""


def _state(alert: Alert) -> str:
    if alert.state is AlertState.ACKED or _is_taken(alert):
        return f"acknowledged by {alert.by} at {at_text(alert.acked_ns)}"
    if not alert.is_open:
        by = f", {alert.by} looked after it" if alert.by else ""
        return f"over at {at_text(alert.ended_ns)}{by}"
    return f"since {at_text(alert.first_ns)}"


def _is_taken(alert: Alert) -> bool:
    """Whether it is over because somebody has taken it on: nothing else ends it."""
    return not alert.is_open and bool(alert.by) and not alert.lasts


def status_of(alert: Alert) -> str:
    """One line: which, how often, since when, who looks after it."""
    parts = [alert.id]
    if alert.count > 1:
        parts.append(f"{alert.count} times, the last at {at_text(alert.last_ns)}")
    if alert.state is AlertState.FIRING and alert.by:
        parts.append(f"{alert.by} acknowledged it at {at_text(alert.acked_ns)}, and it still stands")
    else:
        parts.append(_state(alert))
    if not alert.is_open and not alert.by and alert.ended_by:
        parts.append(alert.ended_by)
    return " · ".join(parts)


def row_of(alert: Alert) -> str:
    """One alert in a list: which, what, what it says, and how it stands."""
    return f"{alert.id} {title_of(alert)}: {_short(alert)} [{_state(alert)}{_times(alert)}]"


def _late(alert: Alert, now_ns: int) -> tuple[Text, ...]:
    """When it was, for something that is told late."""
    is_late = not alert.is_told and now_ns - alert.last_ns > LATE_NS
    return (Text(f"That was at {utc_text(alert.last_ns)}."),) if is_late else ()


def calling(message: Message, persons: Sequence[Person]) -> Message:
    """The same message, for these persons to look at."""
    return structs.replace(message, mentions=tuple(persons)) if persons else message


def call(alerts: Sequence[Alert], level: int, now_ns: int, config: AlertConfig) -> Message:
    """Nobody has answered: what waits, and what happens if it goes on so."""
    oldest = min(alert.since_ns for alert in alerts)
    age = age_text((now_ns - oldest) / SECOND_NS)
    rows = [Text(f"{alert.id} {title_of(alert)}: {_short(alert)}") for alert in alerts[:MOST_SHOWN]]
    more = len(alerts) - len(rows)
    last = [Text(f"and {more} more: /alerts list")] if more else []
    if config.safe_action != "none" and not all(alert.is_acted for alert in alerts):
        left_s = config.safe_action_s - (now_ns - oldest) / SECOND_NS
        when = f"in {age_text(left_s)}" if left_s > 0 else "now"
        last.append(Text(f"If nobody acknowledges: {SAFE_WORDS[config.safe_action]} {when}."))
    last.append(Text("/ack all says that you look after it."))
    many = f"{len(alerts)} critical alerts" if len(alerts) > 1 else "a critical alert"
    title = f"Nobody has acknowledged {many} for {age} (call {level})"
    return Message(title=title, blocks=(*rows, *last), severity=Severity.CRITICAL)


SAFE_WORDS = {
    "pause": "every running strategy is paused",
    "halt": "trading is halted",
    "none": "nothing is done",
}


def answered(alerts: Sequence[Alert], numbers: Sequence[int]) -> Message:
    """A call that somebody has answered."""
    rows = tuple(Text(f"{alert.id} {title_of(alert)}: {_state(alert)}.") for alert in alerts[:MOST_SHOWN])
    names = ", ".join(f"A{number}" for number in numbers[:MOST_SHOWN])
    return Message(title=f"Nobody is called any more for {names}", blocks=rows)


def safe_action(alerts: Sequence[Alert], text: str, now_ns: int) -> Message:
    """What was done because nobody has acted."""
    age = age_text((now_ns - min(alert.since_ns for alert in alerts)) / SECOND_NS)
    names = ", ".join(f"{alert.id} ({title_of(alert)})" for alert in alerts[:MOST_SHOWN])
    why = f"Nobody has acknowledged {names} for {age}. {text}"
    return Message(title="SAFE ACTION taken", blocks=(Text(why),), severity=Severity.CRITICAL)


def summary(book: Book, held: Sequence[Held]) -> Message:
    """After quiet hours: what was held, and what has become of it."""
    rows = []
    for one in held[-MOST_SHOWN * 2 :]:
        alert = book.alerts.get(one.number) or next((a for a in book.over if a.number == one.number), None)
        state = _state(alert) if alert is not None else "over"
        rows.append(Text(f"A{one.number} at {at_text(one.ts_ns)}, {state}: {one.text[:MOST_TEXT]}"))
    more = len(held) - len(rows)
    note = (Text(f"and {more} before: /alerts list"),) if more else ()
    return Message(title=f"While you wanted quiet: {len(held)}", blocks=(*rows, *note))


def digest(noted: Sequence[Noted]) -> Message:
    """The small news since the last one."""
    rows = tuple(
        Text(f"{words_of(one.kind)}: {one.count}, the last at {utc_text(one.last_ns)}: {one.text[:MOST_TEXT]}")
        for one in noted
    )
    return Message(title=f"Digest: {sum(one.count for one in noted)} small news", blocks=rows)


def mute_words(mute: Mute) -> str:
    """A mute in a line."""
    labels = " ".join(f"{key}={value}" for key, value in sorted(mute.labels.items()))
    what = " ".join(part for part in (mute.kind or "every kind", labels) if part)
    critical = ", critical ones too" if mute.is_critical else ""
    why = mute.reason or "no reason given"
    return f"{mute.id}: {what}{critical}, until {utc_text(mute.until_ns)}, by {mute.by}: {why}"
