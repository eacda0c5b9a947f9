"""From facts to alerts: which fact raises one, which ends one, and which says that somebody looks after it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from msgspec import Struct

from bot.alerting import kinds
from bot.alerting.book import Book, acknowledge, agree, end, mute, plan, raise_alert, resolve, unmute
from bot.alerting.model import Alert, Mute, News, Say
from bot.message import Message, Text
from domain.facts import (
    Alerted,
    Fact,
    FactKey,
    Refused,
    Severity,
    StrategyChanged,
    StrategyStatus,
    TradingState,
    TradingStateChanged,
)
from domain.settings import SECOND_NS
from domain.verdict import Reason
from domain.views import BY_HAND

if TYPE_CHECKING:
    from engine.desk import Desk

STATE_SEVERITY = {
    TradingState.ACTIVE: Severity.INFO,
    TradingState.REDUCING: Severity.WARNING,
    TradingState.HALTED: Severity.CRITICAL,
}
GRACE_NS = 60 * SECOND_NS
"""An acknowledgement older than its alert by more than this was for another one of that name."""
HEALTHY = frozenset({StrategyStatus.RUNNING, StrategyStatus.UNLOADED})


class Ending(Struct, frozen=True):
    """A fact has ended these: what is read later but happened before is over already."""

    key: FactKey
    kinds: tuple[str, ...]
    labels: dict[str, str]
    by: str


class Intake:
    """Feeds a book with facts, those of now and those that were missed, in whatever order they come."""

    def __init__(self, book: Book, desk: Desk) -> None:
        self._book = book
        self._desk = desk
        self._endings: list[Ending] = []
        self.is_behind = False
        """Whether facts that happened earlier are still to come."""

    def take(self, fact: Fact, now_ns: int) -> None:
        """Let one fact change the book."""
        match fact:
            case Alerted(kind="alert_ack" | "alert_mute" | "alert_unmute" | "alert_route" | "incident_taken"):
                said(self._book, fact, now_ns)
            case Alerted() if fact.kind not in kinds.NOT_TOLD:
                self._alerted(fact, now_ns)
            case Refused() if fact.strategy.startswith(BY_HAND) and fact.reason is not Reason.NEEDS_APPROVAL:
                detail = f": {fact.detail}" if fact.detail else ""
                title = f"A person's order is refused ({fact.reason.value})"
                text = f"{fact.instrument}: {fact.reason.words}{detail}."
                labels = {"instrument": fact.instrument, "reason": fact.reason.value}
                self._raise(fact, "order_refused", labels, Severity.WARNING, text, now_ns, title=title)
            case TradingStateChanged():
                self._trading(fact, now_ns)
            case StrategyChanged(status=StrategyStatus.QUARANTINED):
                text = f"{fact.detail}\nIts quotes are pulled, its protections stay. /strategies show {fact.strategy}"
                title = f"{fact.strategy} is quarantined"
                labels = {"strategy": fact.strategy}
                self._raise(fact, "quarantine", labels, Severity.ERROR, text, now_ns, title=title)
            case StrategyChanged() if fact.status in HEALTHY:
                self._end(fact, kinds.WITH_STRATEGY, {"strategy": fact.strategy}, f"it is {fact.status}", now_ns)
            case _:
                pass

    def begin(self, began: FactKey, now_ns: int) -> None:
        """A new run of the engine: what it hears of its feeds it says anew."""
        by = "the service was started anew"
        for alert in self._book.open_alerts():
            if alert.kind in kinds.FEED and alert.seq <= began[0]:
                end(self._book, alert, by, now_ns)
        if self.is_behind:
            self._endings.append(Ending(began, kinds.FEED, {}, by))

    def caught_up(self) -> None:
        """Nothing earlier is to come any more."""
        self.is_behind = False
        self._endings.clear()

    def _alerted(self, fact: Alerted, now_ns: int) -> None:
        ended: tuple[str, ...] = kinds.ENDS.get(fact.kind, ())
        if fact.kind in kinds.ENDS_ITSELF and fact.severity is Severity.INFO:
            ended = kinds.WITH_VENUE if fact.kind in kinds.WITH_VENUE else (fact.kind,)
        if ended:
            over = self._end(fact, ended, fact.labels, fact.text, now_ns)
            if over or fact.severity is Severity.INFO:
                return
        self._raise(fact, fact.kind, fact.labels, fact.severity, fact.text, now_ns)

    def _trading(self, fact: TradingStateChanged, now_ns: int) -> None:
        by = f"By {fact.by or 'the engine'}"
        is_said = not fact.reason or fact.reason == f"halted by {fact.by}"
        text = f"{by}." if is_said else f"{by}: {fact.reason}"
        title = f"Trading is {fact.state.upper()}"
        if fact.state is not TradingState.ACTIVE:
            person = fact.by if self._desk.person(fact.by) is not None else ""
            severity = STATE_SEVERITY[fact.state]
            self._raise(fact, "trading", {}, severity, text, now_ns, title=title, by=person)
            return
        over = self._end(fact, kinds.WITH_TRADING, {}, text, now_ns, is_quiet=True)
        held = {view.venue for view in self._desk.status().trading_at if view.trading_state != TradingState.ACTIVE}
        for alert in self._book.open_alerts():
            if alert.kind in kinds.WITH_VENUE and alert.labels.get("venue", "") not in held:
                end(self._book, alert, text, now_ns)
        told = [alert for alert in over if alert.is_told]
        if told or fact.by:
            groups = {alert.group: self._book.groups[alert.group] for alert in told}
            heard = [one for group in groups.values() for sent in group.sent for one in sent.recipients]
            recipients = [*self._book.directory.chats(), *(one for one in heard if not one.startswith("sms:"))]
            message = Message(title=title, blocks=(Text(text),))
            event = f"fact:{fact.seq}:{fact.index}"
            self._book.out.append(Say(event=event, recipients=tuple(dict.fromkeys(recipients)), message=message))

    def _raise(
        self,
        fact: Fact,
        kind: str,
        labels: dict[str, str],
        severity: Severity,
        text: str,
        now_ns: int,
        *,
        title: str = "",
        by: str = "",
    ) -> None:
        news = News(
            kind=kind,
            labels=labels,
            severity=severity,
            text=text,
            ts_ns=fact.ts_ns,
            title=title,
            seq=fact.seq,
            lasts=kind in kinds.LASTING,
            is_urgent=kind in kinds.URGENT,
            by=by,
        )
        raise_alert(self._book, news, now_ns)
        for ending in self._endings:
            is_later = ending.key > (fact.seq, fact.index) and kind in ending.kinds
            if is_later and agree(labels, ending.labels):
                resolve(self._book, (kind,), labels, ending.by, now_ns)

    def _end(
        self,
        fact: Fact,
        ended: Iterable[str],
        labels: dict[str, str],
        by: str,
        now_ns: int,
        *,
        is_quiet: bool = False,
    ) -> list[Alert]:
        if self.is_behind:
            self._endings.append(Ending((fact.seq, fact.index), tuple(ended), labels, by))
        found = resolve(self._book, ended, labels, by, now_ns)
        for alert in found:
            if is_quiet:
                group = self._book.groups[alert.group]
                group.is_loud, group.due_ns = False, 0
                plan(self._book, group, now_ns, is_loud=False)
        return found


def said(book: Book, fact: Alerted, now_ns: int) -> None:
    """What a person has said about alerts, as it stands on record."""
    labels = fact.labels
    by = labels.get("by", "")
    match fact.kind:
        case "alert_ack":
            numbers = [int(name[1:]) for name in labels.get("alerts", "").split() if name[1:].isdecimal()]
            meant = [n for n in numbers if n in book.alerts and book.alerts[n].since_ns < fact.ts_ns + GRACE_NS]
            acknowledge(book, meant, by, now_ns)
        case "incident_taken":
            name = labels.get("incident", "")
            found = [a.number for a in book.open_alerts() if a.kind == "incident" and a.labels.get("incident") == name]
            acknowledge(book, found, by, now_ns)
        case "alert_mute":
            made = Mute(
                number=book.count("mutes"),
                kind=labels.get("kind_of", ""),
                labels={name[3:]: value for name, value in labels.items() if name.startswith("is_")},
                until_ns=int(labels.get("until_ns", "0")),
                by=by,
                reason=labels.get("reason", ""),
                made_ns=fact.ts_ns,
                is_critical=labels.get("critical") == "1",
            )
            mute(book, made, now_ns)
        case "alert_unmute":
            name = labels.get("mute", "")
            unmute(book, int(name[1:]) if name[1:].isdecimal() else 0)
        case "alert_route":
            setattr(book.duty, labels.get("duty", "on_call"), labels.get("persons", "").split())
            book.changed["state", "duty"] = book.duty
