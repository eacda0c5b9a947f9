"""Escalation: who is called about critical alerts that nobody has acknowledged, and what is done when nobody acts.

2 min: on call again. 5 min: the second in line, too. 10 min: everybody, then every 10 min for an hour, then hourly.
After 15 min the configured safe action is taken. One message speaks of everything that waits: ten alerts are no ten
calls.
"""

from __future__ import annotations

from bot.alerting import people, words
from bot.alerting.book import Book, ns
from bot.alerting.model import Act, Alert, AlertState, Say, Sent
from domain.facts import Severity
from domain.settings import HOUR_NS, SECOND_NS, Person

GAP_NS = 60 * SECOND_NS
"""Between two messages of the escalation."""
EVERYBODY = 3
OFTEN_NS = HOUR_NS
"""So long everybody is called at the quick pace."""
KEPT_CALLS = 5


def waiting(book: Book) -> list[Alert]:
    """Critical alerts that people were told of and nobody has acknowledged, oldest first."""
    found = [a for a in book.alerts.values() if a.severity is Severity.CRITICAL and a.state is AlertState.FIRING]
    return sorted((a for a in found if a.is_told and not a.hidden), key=lambda alert: alert.number)


def climb(book: Book, now_ns: int) -> None:
    """Call whoever is due to be called, and act when nobody has."""
    _answered(book)
    alerts = waiting(book)
    due = [alert for alert in alerts if steps(book, now_ns - alert.since_ns) > alert.step]
    if due and now_ns - book.numbers.ladder_ns >= GAP_NS:
        level = max(steps(book, now_ns - alert.since_ns) for alert in due)
        _call(book, alerts, level, now_ns)
        for alert in due:
            alert.step = steps(book, now_ns - alert.since_ns)
            book.touch(alert)
    if book.config.safe_action != "none":
        late = [a.number for a in alerts if not a.is_acted and now_ns - a.since_ns >= ns(book.config.safe_action_s)]
        if late:
            book.out.append(Act(numbers=tuple(late)))


def steps(book: Book, age_ns: int) -> int:
    """How many calls are due for an alert of this age."""
    config = book.config
    first = sum(age_ns >= ns(after_s) for after_s in (config.again_s, config.secondary_s, config.everyone_s))
    beyond_ns = age_ns - ns(config.everyone_s)
    if first < EVERYBODY or beyond_ns <= 0:
        return first
    often = min(beyond_ns, OFTEN_NS) // ns(config.escalate_s)
    return EVERYBODY + often + max(0, beyond_ns - OFTEN_NS) // HOUR_NS


def called(book: Book, level: int) -> list[Person]:
    """Who is called at this step."""
    if level >= EVERYBODY:
        return book.directory.persons()
    first = people.called_first(book)
    return first if level == 1 else [*first, *(one for one in people.secondary(book) if one not in first)]


def _call(book: Book, alerts: list[Alert], level: int, now_ns: int) -> None:
    persons = called(book, level)
    alone = [chat for person in persons for chat in book.directory.contacts(person.id, with_sms=True)]
    recipients = tuple(dict.fromkeys([*book.directory.chats(), *alone]))
    book.numbers.ladder_ns = now_ns
    event = f"alert:call:{book.count('ladders')}"
    numbers = tuple(alert.number for alert in alerts)
    message = words.calling(words.call(alerts, level, now_ns, book.config), persons)
    book.out.append(Say(event=event, recipients=recipients, message=message, ack=f"C.{max(numbers)}", digest="calls"))
    book.calls = [*book.calls, Sent(event=event, recipients=recipients, numbers=numbers)][-KEPT_CALLS:]
    book.changed["state", "calls"] = book.calls


def _answered(book: Book) -> None:
    """Calls about what somebody has acknowledged by now, or what is over, say so and lose their button."""
    for sent in list(book.calls):
        alerts = [book.alerts[number] for number in sent.numbers if number in book.alerts]
        if any(alert.state is AlertState.FIRING for alert in alerts):
            continue
        book.calls.remove(sent)
        book.changed["state", "calls"] = book.calls
        recipients = tuple(one for one in sent.recipients if people.is_editable(one))
        if recipients:
            message = words.answered(alerts, sent.numbers)
            event = f"{sent.event}:over"
            book.out.append(Say(event=event, recipients=recipients, message=message, replaces=sent.event))


def acted(book: Book, numbers: tuple[int, ...], text: str, now_ns: int) -> None:
    """The safe action was taken, or was found to be of no use: everybody hears of it."""
    alerts = [book.alerts[number] for number in numbers if number in book.alerts]
    for alert in alerts:
        alert.is_acted = True
        book.touch(alert)
    if not text or not alerts:
        return
    persons = book.directory.persons()
    alone = [chat for person in persons for chat in book.directory.contacts(person.id, with_sms=True)]
    recipients = tuple(dict.fromkeys([*book.directory.chats(), *alone]))
    event = f"alert:safe:{min(numbers)}:{max(numbers)}:{alerts[0].since_ns}"
    message = words.safe_action(alerts, text, now_ns)
    ack = f"C.{max(numbers)}"
    book.out.append(Say(event=event, recipients=recipients, message=message, ack=ack, digest="calls"))
