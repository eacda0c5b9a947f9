"""When time goes on: groups are told, mutes end, people are called again, the digest goes out."""

from __future__ import annotations

from bot.alerting import ladder, words
from bot.alerting.book import Book, end, hidden_by, ns, plan
from bot.alerting.model import RANK, Alert, AlertState, Group, Held, Say, Sent
from bot.alerting.people import audience, concerns, is_editable, mentioned
from bot.message import Message
from domain.facts import Severity
from domain.settings import DAY_NS, HOUR_NS, MINUTE_NS

BURST = 5
"""Critical messages of one group in a minute; what else there is comes with the next."""
BURST_OF_ALL = 20
KEPT_MESSAGES = 5
"""Messages of a group that are edited when it is acknowledged or over."""


def on_time(book: Book, now_ns: int) -> None:
    """Whatever is due."""
    _end_mutes(book, now_ns)
    _settle(book, now_ns)
    for group in sorted(book.groups.values(), key=lambda one: _rank(book, one)):
        _remind(book, group, now_ns)
        if group.due_ns and now_ns >= group.due_ns:
            _tell(book, group, now_ns)
        if group.ended_ns and not group.due_ns and now_ns - group.ended_ns >= ns(book.config.renew_s):
            _forget(book, group)
    ladder.climb(book, now_ns)
    _wake(book, now_ns)
    _digest(book, now_ns)


def at_once(book: Book, now_ns: int) -> None:
    """What is critical and was just raised, before the next of its kind takes its place."""
    urgent, book.urgent = book.urgent, []
    for group in urgent:
        if group.due_ns and now_ns >= group.due_ns:
            _tell(book, group, now_ns)


def _rank(book: Book, group: Group) -> tuple[int, int]:
    worst = max((RANK[alert.severity] for alert in book.members(group) if alert.is_open), default=0)
    return -worst, group.id


def _end_mutes(book: Book, now_ns: int) -> None:
    """What a mute or an outage hid, and is not hidden any more, is told if it still stands."""
    for mute in [mute for mute in book.mutes.values() if mute.until_ns <= now_ns]:
        del book.mutes[mute.number]
        book.changed["mute", str(mute.number)] = None
    for alert in list(book.alerts.values()):
        if not (alert.is_open and alert.hidden):
            continue
        why = hidden_by(book, alert, now_ns)
        if why == alert.hidden:
            continue
        alert.hidden = why
        book.touch(alert)
        if not why:
            alert.since_ns = now_ns
            wait_ns = 0 if alert.severity is Severity.CRITICAL else ns(book.config.group_wait_s)
            plan(book, book.groups[alert.group], now_ns + wait_ns, is_loud=True)


def _settle(book: Book, now_ns: int) -> None:
    """What nothing ends, and is not critical, is over when nothing more has come for a while."""
    for alert in list(book.alerts.values()):
        is_old = now_ns - alert.touched_ns >= ns(book.config.settle_s)
        may_end = alert.is_open and not alert.lasts and (alert.is_told or alert.hidden)
        if is_old and may_end and alert.severity is not Severity.CRITICAL:
            end(book, alert, "nothing more has come", now_ns, is_quiet=True)
            _file(book, book.groups[alert.group], alert)


def _remind(book: Book, group: Group, now_ns: int) -> None:
    """What still stands is told again: hours after it was told, or an hour after somebody took it on."""
    config, members = book.config, book.members(group)
    for alert in members:
        is_late = alert.state is AlertState.ACKED and now_ns - alert.acked_ns >= ns(config.reopen_s)
        if is_late and not (alert.hidden or alert.is_meant):
            alert.state, alert.since_ns, alert.step, alert.is_acted = AlertState.FIRING, now_ns, 0, False
            book.touch(alert)
            plan(book, group, now_ns, is_loud=True)
    stands = any(a.state is AlertState.FIRING and a.lasts and not a.hidden for a in members)
    if stands and group.told_ns and now_ns - group.told_ns >= ns(config.repeat_s):
        plan(book, group, now_ns, is_loud=True)


def _tell(book: Book, group: Group, now_ns: int) -> None:
    """Send the group's message, or bring the last one up to date."""
    shown = [a for a in book.members(group) if a.is_told or (a.is_open and not hidden_by(book, a, now_ns))]
    if not shown:
        group.due_ns, group.is_loud = 0, False
        book.touch_group(group)
        return
    standing = [alert for alert in shown if alert.is_open]
    is_grave = any((a.severity is Severity.CRITICAL or a.is_urgent) for a in standing)
    wait_ns = _wait_ns(book, group, now_ns, is_grave=is_grave) if group.is_loud else 0
    if wait_ns:
        group.due_ns = now_ns + wait_ns
        return
    if group.is_loud or not group.sent:
        _send(book, group, shown, now_ns, is_grave=is_grave)
    else:
        _edit(book, group, shown, now_ns)
    group.due_ns, group.is_loud, group.edited_ns = 0, False, now_ns
    for alert in shown:
        alert.is_told, alert.pictures = True, ()
        book.touch(alert)
        if not alert.is_open:
            _file(book, group, alert)
    book.touch_group(group)


def _wait_ns(book: Book, group: Group, now_ns: int, *, is_grave: bool) -> int:
    """How long a message of its own has to wait, so that nobody is flooded; 0 = it may go."""
    if not group.told_ns:
        recent, burst = book.numbers.urgent_ns, BURST_OF_ALL
    elif is_grave:
        recent, burst = group.recent_ns, BURST
    else:
        return max(0, group.told_ns + ns(book.config.update_s) - now_ns)
    if not is_grave or len(recent) < burst:
        return 0
    return max(0, recent[-burst] + MINUTE_NS - now_ns)


def _send(book: Book, group: Group, shown: list[Alert], now_ns: int, *, is_grave: bool) -> None:
    standing = [alert for alert in shown if alert.is_open]
    firing = [alert for alert in standing if alert.state is AlertState.FIRING]
    recipients = audience(book, group, standing, now_ns)
    _hold(book, standing, now_ns)
    message = words.group_message(book, group, shown, now_ns, is_edit=False)
    if any(RANK[alert.severity] >= RANK[Severity.ERROR] for alert in firing):
        message = words.calling(message, mentioned(book, now_ns))
    sent = Sent(event=_event(group), recipients=recipients, numbers=tuple(alert.number for alert in shown))
    book.out.append(_say(group, sent.event, recipients, message, shown))
    group.sent = [*group.sent, sent][-KEPT_MESSAGES:]
    group.told_ns = now_ns
    group.recent_ns = [*group.recent_ns, now_ns][-BURST:]
    if is_grave:
        book.numbers.urgent_ns = [*book.numbers.urgent_ns, now_ns][-BURST_OF_ALL:]
        book.changed["state", "numbers"] = book.numbers


def _edit(book: Book, group: Group, shown: list[Alert], now_ns: int) -> None:
    """Bring the last message up to date, and once nobody has to act any more, the earlier ones too."""
    message = words.group_message(book, group, shown, now_ns, is_edit=True)
    is_open = any(alert.state is AlertState.FIRING for alert in shown)
    for sent in group.sent[-1:] if is_open else group.sent:
        recipients = tuple(one for one in sent.recipients if is_editable(one))
        if recipients:
            book.out.append(_say(group, _event(group), recipients, message, shown, replaces=sent.event))


def _say(
    group: Group, event: str, recipients: tuple[str, ...], message: Message, shown: list[Alert], replaces: str = ""
) -> Say:
    firing = [alert.number for alert in shown if alert.state is AlertState.FIRING]
    ack = f"G{group.id}.{max(firing)}" if firing else ""
    return Say(
        event=event,
        recipients=recipients,
        message=message,
        replaces=replaces,
        ack=ack,
        digest=f"{group.id}:{group.born_ns}",
    )


def _event(group: Group) -> str:
    group.said += 1
    return f"alert:G{group.id}:{group.said}"


def _file(book: Book, group: Group, alert: Alert) -> None:
    """It was told to be over: from here on it is history, unless it comes again soon."""
    if alert not in book.over:
        book.over.append(alert)
    group.numbers.remove(alert.number)
    book.touch_group(group)


def _forget(book: Book, group: Group) -> None:
    """Nothing in it has been open for a while: the next one of its kind begins anew."""
    for alert in book.members(group):
        if alert not in book.over:
            book.over.append(alert)
    del book.groups[group.name]
    book.changed["group", group.name] = None
    for alert in [a for a in book.by_print.values() if a.group == group.name and not a.is_open]:
        del book.by_print[alert.fingerprint]
        book.alerts.pop(alert.number, None)


def _hold(book: Book, standing: list[Alert], now_ns: int) -> None:
    """What those who are called do not hear of in their quiet hours is kept for the morning."""
    for alert in standing:
        if alert.severity is Severity.CRITICAL or RANK[alert.severity] < RANK[Severity.ERROR]:
            continue
        for person in book.directory.persons():
            if book.directory.is_quiet(person.id, now_ns) and concerns(book, alert, person.id):
                held = book.held.setdefault(person.id, [])
                if all(one.number != alert.number for one in held):
                    held.append(Held(number=alert.number, ts_ns=alert.last_ns, text=f"{alert.title}: {alert.text}"))
                    book.changed["held", person.id] = held


def _wake(book: Book, now_ns: int) -> None:
    """Quiet hours are over: what was held is told in one message."""
    for person in [person for person in book.held if not book.directory.is_quiet(person, now_ns)]:
        held = book.held.pop(person)
        book.changed["held", person] = None
        recipients = tuple(book.directory.contacts(person))
        if recipients and held:
            event = f"alert:quiet:{person}:{held[0].number}:{now_ns}"
            book.out.append(Say(event=event, recipients=recipients, message=words.summary(book, held)))


def _digest(book: Book, now_ns: int) -> None:
    """Once a day: the small news, kind by kind."""
    hour = book.config.digest_hour_utc
    if hour < 0:
        return
    due_ns = now_ns - (now_ns - hour * HOUR_NS) % DAY_NS
    if book.numbers.digest_ns >= due_ns:
        return
    is_first = book.numbers.digest_ns == 0
    book.numbers.digest_ns = now_ns
    book.changed["state", "numbers"] = book.numbers
    if is_first or not book.noted:
        return
    noted = sorted(book.noted.values(), key=lambda one: one.kind)
    for one in noted:
        book.changed["noted", one.kind] = None
    book.noted.clear()
    recipients = book.directory.chats()
    if recipients:
        book.out.append(Say(event=f"alert:digest:{due_ns}", recipients=recipients, message=words.digest(noted)))
