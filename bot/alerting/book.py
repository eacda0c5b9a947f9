"""`Book`: everything that alerting knows, and the transitions that facts and people cause.

Pure: time is passed in, nothing is sent from here. What is to be said or done collects in `out`, and the names of what
has changed in `changed`; whoever drives the book writes both down in one transaction.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from msgspec import Struct

from bot.alerting.kinds import HIDDEN_BY_OUTAGE, STATES, words_of
from bot.alerting.model import (
    RANK,
    Act,
    Alert,
    AlertState,
    Directory,
    Duty,
    Group,
    Held,
    Mute,
    News,
    Noted,
    Numbers,
    Say,
    Sent,
    fingerprint,
    place_of,
    venue_of,
)
from bot.config import AlertConfig
from domain.facts import Severity
from domain.settings import SECOND_NS

REMEMBERED = 300
"""Alerts that are over, for the list."""
MOST_IN_GROUP = 500
"""Open alerts of one kind at one place; what else comes is counted as one more."""
OTHERS = "others"
GROUPS_SINCE_S = 1_767_225_600
"""Numbers of groups begin with the seconds since 2026: a button of before a new database is of none that is known."""


class Book:
    """The state. `config` says how long things wait, `directory` who there is."""

    def __init__(self, config: AlertConfig, directory: Directory) -> None:
        self.config = config
        self.directory = directory
        self.alerts: dict[int, Alert] = {}
        self.by_print: dict[str, Alert] = {}
        """Open alerts, and those that ended a moment ago: the same again is not a new one."""
        self.groups: dict[str, Group] = {}
        self.mutes: dict[int, Mute] = {}
        self.noted: dict[str, Noted] = {}
        self.held: dict[str, list[Held]] = {}
        """By person."""
        self.duty = Duty()
        self.numbers = Numbers()
        self.calls: list[Sent] = []
        """Messages of the escalation that nobody has answered."""
        self.over: deque[Alert] = deque(maxlen=REMEMBERED)
        self.changed: dict[tuple[str, str], Struct | list[Held] | list[Sent] | None] = {}
        """Rows to be written, by table and name; None = to be deleted."""
        self.out: list[Say | Act] = []
        self.urgent: list[Group] = []
        """Groups with something critical that was just raised."""

    def touch(self, alert: Alert) -> None:
        """It has changed."""
        self.changed["alert", str(alert.number)] = alert

    def touch_group(self, group: Group) -> None:
        """As above."""
        self.changed["group", group.name] = group

    def count(self, name: str) -> int:
        """The next number of a kind of thing."""
        value = int(getattr(self.numbers, name)) + 1
        setattr(self.numbers, name, value)
        self.changed["state", "numbers"] = self.numbers
        return value

    def open_alerts(self) -> list[Alert]:
        """What is not over, worst and oldest first."""
        found = [alert for alert in self.alerts.values() if alert.is_open]
        return sorted(found, key=lambda alert: (-RANK[alert.severity], alert.number))

    def members(self, group: Group) -> list[Alert]:
        """The alerts of a group, in order."""
        return [self.alerts[number] for number in group.numbers if number in self.alerts]


def raise_alert(book: Book, news: News, now_ns: int) -> Alert | None:
    """Something is wrong, or wrong again; None when it is only noted for the digest."""
    if RANK[news.severity] < RANK[book.config.min_severity] and not news.is_urgent:
        note(book, news.kind, news.text, news.ts_ns)
        return None
    alert = book.by_print.get(fingerprint(news.kind, news.labels))
    if alert is None:
        alert = _new(book, news, now_ns)
        is_new, is_worse = True, False
    else:
        is_new = _again(book, alert, news, now_ns)
        is_worse = RANK[news.severity] > RANK[alert.severity]
    differs = news.text != alert.text
    if is_worse or news.kind in STATES:
        alert.severity = news.severity
    opens = alert.is_urgent and news.severity is Severity.CRITICAL and differs and alert.state is AlertState.ACKED
    if is_worse or opens:
        _fire_again(alert, now_ns)
    if news.ts_ns >= alert.last_ns:
        alert.text, alert.title = news.text, news.title or alert.title
    alert.pictures = news.pictures or alert.pictures
    alert.is_meant = bool(news.by)
    if news.by and alert.state is AlertState.FIRING:
        _acked(alert, news.by, now_ns)
    book.touch(alert)
    _plan(book, alert, now_ns, is_new=is_new or is_worse, differs=differs)
    return alert


def _new(book: Book, news: News, now_ns: int) -> Alert:
    group = _group_of(book, news.kind, news.labels, now_ns)
    labels = news.labels
    if len(group.numbers) >= MOST_IN_GROUP:
        labels = {**({"account": group.place} if group.place else {}), "which": OTHERS}
        others = book.by_print.get(fingerprint(news.kind, labels))
        if others is not None:
            _again(book, others, news, now_ns)
            return others
    alert = Alert(
        number=book.count("alerts"),
        fingerprint=fingerprint(news.kind, labels),
        kind=news.kind,
        labels=labels,
        severity=news.severity,
        title=news.title or words_of(news.kind),
        text=news.text,
        first_ns=news.ts_ns,
        last_ns=news.ts_ns,
        since_ns=now_ns,
        touched_ns=now_ns,
        group=group.name,
        seq=news.seq,
        lasts=news.lasts,
        is_urgent=news.is_urgent,
    )
    book.alerts[alert.number] = book.by_print[alert.fingerprint] = alert
    group.numbers.append(alert.number)
    group.ended_ns = 0
    book.touch_group(group)
    return alert


def _again(book: Book, alert: Alert, news: News, now_ns: int) -> bool:
    """The same once more; True when it had been over."""
    if not (news.seq and news.seq == alert.seq):
        alert.count += 1
    alert.seq, alert.last_ns, alert.touched_ns = news.seq, max(alert.last_ns, news.ts_ns), now_ns
    alert.lasts, alert.is_urgent = alert.lasts or news.lasts, alert.is_urgent or news.is_urgent
    if alert.is_open:
        return False
    group = _group_of(book, alert.kind, alert.labels, now_ns)
    if alert.number not in group.numbers:
        group.numbers.append(alert.number)
    group.ended_ns = 0
    book.touch_group(group)
    if alert in book.over:
        book.over.remove(alert)
    book.alerts[alert.number] = alert
    alert.severity, alert.ended_ns, alert.ended_by = news.severity, 0, ""
    _fire_again(alert, now_ns)
    return True


def _fire_again(alert: Alert, now_ns: int) -> None:
    alert.state, alert.by, alert.acked_ns = AlertState.FIRING, "", 0
    alert.since_ns, alert.step, alert.is_acted = now_ns, 0, False


def _group_of(book: Book, kind: str, labels: dict[str, str], now_ns: int) -> Group:
    name = f"{place_of(labels)}/{kind}"
    group = book.groups.get(name)
    if group is None:
        book.numbers.groups = max(book.numbers.groups, now_ns // SECOND_NS - GROUPS_SINCE_S)
        group = Group(id=book.count("groups"), name=name, kind=kind, place=place_of(labels), born_ns=now_ns)
        book.groups[name] = group
    return group


def _plan(book: Book, alert: Alert, now_ns: int, *, is_new: bool, differs: bool) -> None:
    """When and how loudly the group of an alert that was just raised is told."""
    group, config = book.groups[alert.group], book.config
    alert.hidden = hidden_by(book, alert, now_ns)
    if alert.hidden:
        return
    wait_ns, update_ns = ns(config.group_wait_s), ns(config.update_s)
    if (alert.severity is Severity.CRITICAL or alert.is_urgent) and (is_new or differs):
        plan(book, group, now_ns, is_loud=True)
        book.urgent.append(group)
    elif not group.told_ns or now_ns - group.told_ns >= ns(config.renew_s):
        plan(book, group, now_ns + wait_ns, is_loud=True)
    elif RANK[alert.severity] >= RANK[Severity.ERROR] and is_new:
        plan(book, group, max(group.told_ns + update_ns, now_ns + wait_ns), is_loud=True)
    else:
        plan(book, group, max(group.edited_ns + update_ns, now_ns), is_loud=False)


def plan(book: Book, group: Group, at_ns: int, *, is_loud: bool) -> None:
    """Something about a group is to be said at this time, or before it."""
    if is_loud and not group.is_loud:
        group.due_ns = 0
    if not is_loud and group.is_loud:
        return
    group.is_loud = group.is_loud or is_loud
    group.due_ns = min(group.due_ns or at_ns, at_ns)
    book.touch_group(group)


def ns(seconds: float) -> int:
    """Nanoseconds."""
    return int(seconds * SECOND_NS)


def hidden_by(book: Book, alert: Alert, now_ns: int) -> str:
    """The alert or mute for whose sake it is not told, "" when it is."""
    is_critical = alert.severity is Severity.CRITICAL
    for mute in book.mutes.values():
        if mute.until_ns > now_ns and (mute.is_critical or not is_critical) and matches(mute, alert):
            return mute.id
    if is_critical or alert.kind not in HIDDEN_BY_OUTAGE:
        return ""
    venue = venue_of(alert.labels)
    outage = book.groups.get(f"{venue}/venue_down") if venue else None
    return next((other.id for other in book.members(outage) if other.is_open), "") if outage is not None else ""


def matches(mute: Mute, alert: Alert) -> bool:
    """Whether a mute is about an alert: of its kind ("" = any), with all of its labels."""
    return mute.kind in {"", alert.kind} and mute.labels.items() <= alert.labels.items()


def resolve(book: Book, kinds: Iterable[str], labels: dict[str, str], by: str, now_ns: int) -> list[Alert]:
    """What of these kinds has labels that agree with these is over; returns it. `by` says what ended it."""
    wanted = frozenset(kinds)
    found = [a for a in book.alerts.values() if a.is_open and a.kind in wanted and agree(a.labels, labels)]
    for alert in found:
        end(book, alert, by, now_ns)
    return found


def agree(a: dict[str, str], b: dict[str, str]) -> bool:
    """Whether one of two sets of labels says everything that the other one does."""
    return a.items() <= b.items() or b.items() <= a.items()


def end(book: Book, alert: Alert, by: str, now_ns: int, *, is_quiet: bool = False) -> None:
    """An alert is over. What was told is told to be over; what never was stands in the digest."""
    alert.state, alert.ended_ns, alert.ended_by = AlertState.RESOLVED, now_ns, by
    book.touch(alert)
    group = book.groups[alert.group]
    if alert.is_told and not is_quiet:
        is_grave = RANK[alert.severity] >= RANK[Severity.ERROR]
        plan(book, group, now_ns, is_loud=is_grave)
    elif not alert.is_told:
        note(book, alert.kind, f"{alert.id}: {alert.text} It was over before it was told.", alert.last_ns)
    if all(not member.is_open for member in book.members(group)):
        group.ended_ns = now_ns
        book.touch_group(group)


def acknowledge(book: Book, numbers: Iterable[int], by: str, now_ns: int) -> list[Alert]:
    """A person looks after alerts: nobody is called for them any more. What nothing else ends is over by it."""
    found = []
    for number in numbers:
        alert = book.alerts.get(number)
        if alert is None or alert.state is not AlertState.FIRING:
            continue
        found.append(alert)
        if not alert.lasts:
            alert.by, alert.acked_ns = by, now_ns
            end(book, alert, by, now_ns, is_quiet=True)
        else:
            _acked(alert, by, now_ns)
            book.touch(alert)
        plan(book, book.groups[alert.group], now_ns, is_loud=False)
    return found


def _acked(alert: Alert, by: str, now_ns: int) -> None:
    alert.state, alert.by, alert.acked_ns = AlertState.ACKED, by, now_ns


def mute(book: Book, made: Mute, now_ns: int) -> None:
    """Alerts that match are not told for a while."""
    book.mutes[made.number] = made
    book.changed["mute", str(made.number)] = made
    for alert in book.alerts.values():
        if alert.is_open and not alert.hidden and (why := hidden_by(book, alert, now_ns)):
            alert.hidden = why
            book.touch(alert)


def unmute(book: Book, number: int) -> Mute | None:
    """They are told again."""
    found = book.mutes.pop(number, None)
    if found is not None:
        book.changed["mute", str(number)] = None
    return found


def note(book: Book, kind: str, text: str, ts_ns: int) -> None:
    """Keep small news for the digest."""
    noted = book.noted.setdefault(kind, Noted(kind=kind, count=0, first_ns=ts_ns, last_ns=ts_ns, text=text))
    noted.count, noted.last_ns, noted.text = noted.count + 1, ts_ns, text
    book.changed["noted", kind] = noted
