"""What people say about alerts, on record: who looks after one, what is not told for a while, who is called.

The alerts themselves belong to the control room; it hears of this like of any fact. Muting critical alerts takes a
second person.
"""

from __future__ import annotations

import datetime as dt

from domain import commands as c
from domain.facts import Severity
from domain.settings import HOUR_NS
from domain.text import plain
from domain.verdict import Reason, Veto
from engine.core.core import Core

MUTE_MAX_NS = 24 * HOUR_NS
MOST_ALERTS = 500
MOST_LABELS = 8
MOST_TEXT = 400
DUTIES = ("on_call", "secondary")


def utc_text(ts_ns: int) -> str:
    """Day and time in UTC, for people."""
    return f"{dt.datetime.fromtimestamp(ts_ns // 1_000_000_000, tz=dt.UTC):%Y-%m-%d %H:%M} UTC"


def carry_out(core: Core, who: str, command: c.AcknowledgeAlert | c.UnmuteAlerts | c.RouteAlerts) -> Veto | str:
    """Put it on record and tell the control room."""
    match command:
        case c.AcknowledgeAlert():
            if len(command.alerts) > MOST_ALERTS:
                return Veto(Reason.BAD_VALUE, f"at most {MOST_ALERTS} alerts at a time")
            names = " ".join(plain(name, 20) for name in command.alerts)
            text = f"{who} looks after {plain(command.text, MOST_TEXT) or names}."
            core.alert(Severity.INFO, "alert_ack", text, alerts=names, by=who)
            return text
        case c.UnmuteAlerts():
            text = f"{who} ended the mute {plain(command.mute, 40)}."
            core.alert(Severity.INFO, "alert_unmute", text, mute=plain(command.mute, 40), by=who)
            return text
        case c.RouteAlerts():
            return route(core, who, command)


def route(core: Core, who: str, command: c.RouteAlerts) -> Veto | str:
    """Other people are called."""
    unknown = [plain(name, 40) for name in command.persons if name not in core.persons]
    if command.duty not in DUTIES or unknown:
        detail = f"nobody is called {', '.join(unknown)}" if unknown else f"the duty is one of {', '.join(DUTIES)}"
        return Veto(Reason.BAD_VALUE, detail)
    names = " ".join(dict.fromkeys(command.persons))
    called = names.replace(" ", ", ") or "whoever the configuration says"
    text = f"{command.duty.replace('_', '-')} for alerts: {called}, says {who}."
    core.alert(Severity.INFO, "alert_route", text, duty=command.duty, persons=names, by=who)
    return text


def objection(core: Core, command: c.MuteAlerts) -> Veto | None:
    """Why alerts cannot be muted so."""
    left_ns = command.until_ns - core.state.ts_ns
    if left_ns <= 0 or left_ns > MUTE_MAX_NS:
        return Veto(Reason.BAD_VALUE, "a mute ends within 24 hours, and not in the past")
    words = [command.kind, command.reason, *command.labels, *command.labels.values()]
    if len(command.labels) > MOST_LABELS or any(len(word) > MOST_TEXT for word in words):
        return Veto(Reason.BAD_VALUE, f"at most {MOST_LABELS} labels, {MOST_TEXT} characters each")
    return None


def mute(core: Core, who: str, command: c.MuteAlerts) -> Veto | str:
    """Alerts that match are not told for a while; they go on being watched."""
    refusal = objection(core, command)
    if refusal is not None:
        return refusal
    text = f"{describe(command)}, by {who}"
    labels = {f"is_{name}": value for name, value in command.labels.items()}
    core.alert(
        Severity.INFO,
        "alert_mute",
        f"Muted: {text}. {command.reason}".strip(),
        kind_of=command.kind,
        until_ns=str(command.until_ns),
        critical=str(int(command.critical)),
        reason=command.reason,
        by=who,
        **labels,
    )
    return f"Muted: {text}."


def describe(command: c.MuteAlerts) -> str:
    """A mute in words, with its end."""
    labels = " ".join(f"{name}={plain(value, 60)}" for name, value in sorted(command.labels.items()))
    what = " ".join(part for part in (plain(command.kind, 60) or "every kind", labels) if part)
    critical = ", critical ones too" if command.critical else ""
    return f"alerts {what}{critical} until {utc_text(command.until_ns)}"


def asked(command: c.MuteAlerts) -> str:
    """What a second person is asked to agree to."""
    return f"mute {describe(command)}: {command.reason or 'no reason given'}"
