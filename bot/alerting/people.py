"""Who is told: by severity, by who is on call, and by when they want to be left alone."""

from __future__ import annotations

from collections.abc import Iterable

from bot.alerting.book import Book
from bot.alerting.model import RANK, Alert, AlertState, Group
from domain.facts import Severity
from domain.settings import SECOND_NS, Person, RoleName

EDITABLE = ("telegram:", "discord:")
"""Where a message can be changed; anywhere else a change would be one more message."""
SMS = "sms:"
SMS_GAP_NS = 60 * SECOND_NS
"""Between two text messages to the same telephones; the calls speak of everything that waits."""


def is_editable(recipient: str) -> bool:
    """Whether what was sent there can be changed."""
    return recipient.startswith(EDITABLE)


def on_call(book: Book) -> list[Person]:
    """Who is called first: those named by people, else by the configuration, else everybody who may trade."""
    return _named(book, book.duty.on_call or list(book.config.on_call), RoleName.TRADER)


def called_first(book: Book) -> list[Person]:
    """Those on call who can be reached alone; where none of them can, everybody who may trade: somebody must hear."""
    first = [person for person in on_call(book) if book.directory.contacts(person.id, with_sms=True)]
    return first or [person for person in book.directory.persons() if person.role >= RoleName.TRADER]


def secondary(book: Book) -> list[Person]:
    """Who is called when those do not answer; where nobody is named, whoever answers for risk."""
    return _named(book, book.duty.secondary or list(book.config.secondary), RoleName.RISK)


def _named(book: Book, names: Iterable[str], least: RoleName) -> list[Person]:
    persons = book.directory.persons()
    wanted = frozenset(names)
    named = [person for person in persons if person.id in wanted]
    return named or [person for person in persons if person.role >= least] or persons


def mentioned(book: Book, now_ns: int) -> list[Person]:
    """Who is named in a message of an error: those on call who are not in their quiet hours."""
    return [person for person in on_call(book) if not book.directory.is_quiet(person.id, now_ns)]


def concerns(book: Book, alert: Alert, person: str) -> bool:
    """Whether somebody would be told of an alert in person."""
    if alert.is_urgent:
        return any(one.id == person and one.role >= RoleName.TRADER for one in book.directory.persons())
    return any(one.id == person for one in on_call(book))


def audience(book: Book, group: Group, standing: list[Alert], now_ns: int) -> tuple[str, ...]:
    """Who gets a message about these alerts; about what is over, whoever had heard of it."""
    directory = book.directory
    if not standing:
        asleep = {
            chat
            for person in directory.persons()
            if directory.is_quiet(person.id, now_ns)
            for chat in directory.contacts(person.id)
        }
        heard = [one for sent in group.sent for one in sent.recipients if not one.startswith(SMS)]
        return tuple(dict.fromkeys(one for one in heard if one not in asleep))
    recipients = list(directory.chats())
    worst = max(RANK[alert.severity] for alert in standing)
    is_critical = worst == RANK[Severity.CRITICAL]
    persons: list[Person] = []
    if any(alert.is_urgent for alert in standing):
        persons += [person for person in directory.persons() if person.role >= RoleName.TRADER]
    if is_critical or (worst == RANK[Severity.ERROR] and not recipients):
        persons += called_first(book)
    calls = any(a.severity is Severity.CRITICAL and a.state is AlertState.FIRING for a in standing)
    calls = calls and now_ns - book.numbers.sms_ns >= SMS_GAP_NS
    if calls:
        book.numbers.sms_ns = now_ns
    for person in persons:
        if is_critical or not directory.is_quiet(person.id, now_ns):
            recipients += directory.contacts(person.id, with_sms=calls)
    return tuple(dict.fromkeys(recipients))
