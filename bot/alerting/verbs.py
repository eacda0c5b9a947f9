"""The verbs of alerts: what stands, who looks after it, what is not told for a while, who is called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import structs

from bot.alerting import people, quiet, words
from bot.alerting.book import acknowledge
from bot.alerting.model import Alert, AlertState
from bot.call import Call, Effect, Verb
from bot.contacts import EVERY
from bot.message import Block, Message, Text, clock_text, refusal
from bot.outcome import outcome, submit
from bot.parse import Argument, UsageError, suggest
from bot.render import MARKS
from bot.rows import REASON, acts, lowers, reads
from bot.times import span_of
from domain import commands as c
from domain.facts import Severity
from domain.settings import RoleName

if TYPE_CHECKING:
    from bot.alerting.service import AlertRoom
    from engine.desk import Desk

MOST_LISTED: Final = 30
MOST_ACKED: Final = 500
SHOWN_TO_CHOOSE: Final = 5
OFF: Final = "off"
CRITICAL: Final = {"severity": "critical"}
DUTIES: Final = {"oncall": "on_call", "on_call": "on_call", "secondary": "secondary"}
DEFAULT: Final = "default"


async def list_alerts(call: Call) -> Message:
    """What stands now, or one alert in full, or what is over."""
    room, what = call.room.alerts, call.arguments.get("what", "").upper()
    if what == "OVER":
        over = room.recent()[:MOST_LISTED]
        return Message(title=f"Alerts that are over: {len(over)}", blocks=tuple(_row(alert) for alert in over))
    if what == "MUTES":
        return Message(title=f"Mutes: {len(room.book.mutes)}", blocks=tuple(_mutes(room)) or (Text("None."),))
    if what and what != "OPEN":
        return _one(room, what)
    found = room.open()
    rows: list[Block] = [_row(alert) for alert in found[:MOST_LISTED]]
    if len(found) > MOST_LISTED:
        rows.append(Text(f"and {len(found) - MOST_LISTED} more"))
    rows += _mutes(room)
    names = ", ".join(person.name for person in people.on_call(room.book))
    rows.append(Text(f"On call: {names or 'nobody'}. Also: /alerts list over, /alerts list A7 for one in full."))
    worst = found[0].severity if found else Severity.INFO
    return Message(title=f"Alerts: {len(found)}" if found else "No alert stands", blocks=tuple(rows), severity=worst)


def _row(alert: Alert) -> Text:
    hidden = f" (not told: {alert.hidden})" if alert.hidden else ""
    return Text(f"{MARKS[alert.severity]}{words.row_of(alert)}{hidden}")


def _mutes(room: AlertRoom) -> list[Block]:
    return [Text(f"Muted, {words.mute_words(mute)}. /alerts unmute {mute.id}") for mute in room.book.mutes.values()]


def _one(room: AlertRoom, name: str) -> Message:
    known = {alert.id: alert for alert in [*room.recent(), *room.open()]}
    alert = known.get(name)
    if alert is None:
        raise UsageError(f"no alert is called {name!r}: {suggest(name, list(known))}")
    labels = ", ".join(f"{key} {value}" for key, value in sorted(alert.labels.items()))
    facts = [words.status_of(alert), f"{alert.kind}{': ' if labels else ''}{labels}"]
    if alert.hidden:
        facts.append(f"not told: {alert.hidden}")
    if alert.is_open and alert.state is AlertState.FIRING:
        facts.append(f"/ack {alert.id} says that you look after it")
    blocks = (Text(alert.text), *(Text(line) for line in facts))
    return Message(title=words.title_of(alert), blocks=blocks, severity=alert.severity)


def _named(call: Call) -> list[str]:
    """The alerts that are meant; without a word the one that nobody looks after yet."""
    if "id" in call.arguments:
        return call.arguments["id"].replace(",", " ").split()
    firing = [alert.id for alert in call.room.alerts.open() if alert.state is AlertState.FIRING]
    if len(firing) > 1:
        raise UsageError(f"say which: {', '.join(f'/ack {name}' for name in firing[:SHOWN_TO_CHOOSE])}, or /ack all")
    return firing or ["all"]


async def ack(call: Call) -> Message:
    """The caller looks after alerts: on record first, then nobody is called for them any more."""
    room = call.room.alerts
    found: list[Alert] = []
    for name in _named(call):
        numbers = room.numbers_of(name)
        if not numbers:
            return _nothing_to_ack(room, name)
        found += [alert for number in numbers if (alert := room.book.alerts[number]) not in found]
    if call.person.role < RoleName.TRADER:
        # whoever cannot act must not end the calls to those who can, nor the safe action
        found = [alert for alert in found if alert.severity is not Severity.CRITICAL]
        if not found:
            return refusal(
                "ack: refused", "A critical alert is looked after by somebody who may act: trader or higher."
            )
    found = found[:MOST_ACKED]
    text = "; ".join(f"{alert.id} {words.title_of(alert)}" for alert in found)
    command = c.AcknowledgeAlert(alerts=tuple(alert.id for alert in found), text=text[:400])
    done = await call.desk.submit(command, call.actor, request_id=call.request_id, sent_ts_ns=call.sent_ts_ns)
    if not done.ok:
        return outcome(call.verb, done)
    acknowledge(room.book, [alert.number for alert in found], call.person.id, room.now_ns())
    await room.tick()
    rows = [Text(words.row_of(alert)) for alert in found[:MOST_LISTED]]
    stand = [alert for alert in found if alert.is_open]
    if stand:
        again_ns = room.now_ns() + int(room.config.reopen_s * 1e9)
        again = f"if it still stands at {clock_text(again_ns)} UTC, it is told again"
        rows.append(Text(f"Nobody is called for it any more; {again}."))
    if any(alert.kind == "incident" for alert in found):
        rows.append(await _ack_incident(call))
    return Message(title=f"ack: you look after {', '.join(alert.id for alert in found[:10])}", blocks=tuple(rows))


def _nothing_to_ack(room: AlertRoom, name: str) -> Message:
    known = {alert.id: alert for alert in [*room.recent(), *room.open()]}
    alert = known.get(name.upper())
    if alert is not None:
        return refusal("Nothing to acknowledge", words.row_of(alert))
    firing = [alert.id for alert in room.open() if alert.state is AlertState.FIRING]
    if name.upper() == "ALL" or "." in name:
        return refusal("Nothing to acknowledge", "Somebody looks after everything that stands: /alerts list.")
    raise UsageError(f"no alert is called {name!r}: {suggest(name, firing)}")


async def _ack_incident(call: Call) -> Text:
    """The incident behind it is theirs, too."""
    if call.person.role < RoleName.TRADER:
        return Text("The incident itself needs a trader: /incident ack.")
    key = f"{call.request_id}:incident"
    done = await call.desk.submit(c.AcknowledgeIncident(), call.actor, request_id=key, sent_ts_ns=call.sent_ts_ns)
    return Text(done.text)


async def mute(call: Call) -> Message:
    """Alerts that match are not told for a while; critical ones only if a second person agrees."""
    room, now_ns = call.room.alerts, call.desk.status().ts_ns
    kind, labels, is_critical = _matcher(room, call.arguments["what"])
    try:
        until_ns = now_ns + span_of(call.arguments["time"])
    except ValueError as error:
        raise UsageError(str(error)) from None
    command = c.MuteAlerts(
        kind=kind, labels=labels, until_ns=until_ns, critical=is_critical, reason=call.arguments.get("reason", "")
    )
    return await submit(call, command)


def _matcher(room: AlertRoom, text: str) -> tuple[str, dict[str, str], bool]:
    """What is meant: an alert that stands, or a kind and labels, joined by commas."""
    alert = next((alert for alert in room.open() if alert.id == text.upper()), None)
    if alert is not None:
        return alert.kind, dict(alert.labels), alert.severity is Severity.CRITICAL
    kind, labels = "", {}
    for part in text.split(","):
        name, equals, value = part.partition("=")
        if equals:
            labels[name.strip().lower()] = value.strip()
        elif part.strip():
            kind = part.strip().lower()
    is_critical = labels.pop("severity", "") == "critical"
    kinds = sorted({alert.kind for alert in [*room.open(), *room.recent()]})
    if kind and kind not in kinds and not labels:
        seen = f" Seen so far: {', '.join(kinds)}." if kinds else ""
        raise UsageError(
            f"no alert of the kind {kind!r} was seen.{seen} For example: /alerts mute A7 2h, "
            "/alerts mute feed_stale,venue=BYBIT 30m maintenance"
        )
    if not kind and not labels:
        raise UsageError("say what: an alert (A7), a kind (feed_stale), or labels (venue=BYBIT), joined by commas")
    return kind, labels, is_critical


async def unmute(call: Call) -> Message:
    """What was muted is told again."""
    wanted = call.arguments["id"].upper()
    known = [mute.id for mute in call.room.alerts.book.mutes.values()]
    if wanted not in known:
        raise UsageError(f"no mute is called {wanted!r}: {suggest(wanted, known)}")
    return await submit(call, c.UnmuteAlerts(mute=wanted))


async def set_quiet(call: Call) -> Message:
    """The caller's own quiet hours."""
    text, person = call.arguments.get("hours", ""), call.person.id
    chosen = call.room.people.of(person)
    if text:
        try:
            hours = "" if text.lower() == OFF else quiet.window_of(text)
        except ValueError as error:
            raise UsageError(str(error)) from None
        kept = await call.room.people.change(person, quiet=hours)
        chosen = call.room.people.of(person)
        lost = () if kept else (Text("The disk refused it: it holds only until the next start."),)
    else:
        lost = ()
    if not chosen.quiet:
        hint = Text("For example: /alerts quiet 22:00-07:00")
        return Message(title="quiet: you have no quiet hours", blocks=(*lost, hint))
    text = (
        f"From {chosen.quiet.replace('-', ' to ')} ({chosen.timezone}, see /timezone) only critical alerts reach you "
        "in person; what was held back comes in one message afterwards. Rooms get everything."
    )
    return Message(title=f"quiet: {chosen.quiet}", blocks=(*lost, Text(text)))


async def route(call: Call) -> Message:
    """Who hears of what; or who is called from now on."""
    duty, names = call.arguments.get("duty", "").lower(), call.arguments.get("persons", "")
    if not duty:
        return _routes(call.room.alerts)
    if duty not in DUTIES or not names:
        raise UsageError("for example: /alerts route oncall tina,rosa, or /alerts route oncall default")
    chosen = () if names.lower() == DEFAULT else tuple(names.replace(",", " ").lower().split())
    told = await submit(call, c.RouteAlerts(duty=DUTIES[duty], persons=chosen))
    deaf = [name for name in chosen if not call.room.contacts(name, *EVERY)] if told.ok else []
    if not deaf:
        return told
    why = f"Nothing reaches {', '.join(deaf)} alone: no chat is linked, no address is in the settings."
    more = " Until one of them can be reached, everybody who may trade is called." if len(deaf) == len(chosen) else ""
    return structs.replace(told, blocks=(*told.blocks, Text(f"{why}{more}")), severity=Severity.WARNING)


def _routes(room: AlertRoom) -> Message:
    config, book = room.config, room.book
    first = ", ".join(person.name for person in people.on_call(book)) or "nobody"
    second = ", ".join(person.name for person in people.secondary(book)) or "nobody"
    chats = ", ".join(room.book.directory.chats()) or "no chat is configured for alerts"
    minutes = [f"{after_s / 60:g} min" for after_s in (config.again_s, config.secondary_s, config.everyone_s)]
    safe = f"After {config.safe_action_s / 60:g} min {words.SAFE_WORDS[config.safe_action]}."
    rows = (
        f"info: the digest. warning: {chats}. error: there, and those on call are named.",
        f"critical: there, and those on call alone, by every way and SMS, until somebody acknowledges: {first}.",
        (
            f"After {minutes[0]} they again, after {minutes[1]} the second in line too ({second}), "
            f"after {minutes[2]} everybody. {safe}"
        ),
        "/alerts route oncall NAMES and /alerts route secondary NAMES change who; default takes it back.",
    )
    return Message(title="Who hears of alerts", blocks=tuple(Text(row) for row in rows))


def _ids(_: Desk) -> list[str]:
    return ["all"]


_WHAT = Argument(name="what", help="an alert (A7), a kind, or labels: feed_stale,venue=BYBIT")
_ACK = (Argument(name="id", help="alerts, for example A7, or all", required=False, rest=True, complete=_ids),)
VERBS: Final = (
    reads(
        "alerts list",
        "What stands, one alert in full, what is over, or mutes",
        list_alerts,
        Argument(name="what", help="open (default), over, mutes, or one: A7", required=False),
        examples=("/alerts", "/alerts list over", "/alerts list A7"),
    ),
    *(
        Verb(
            name=name,
            help="You look after an alert: nobody is called for it any more",
            handler=ack,
            arguments=_ACK,
            effect=Effect.LOWERS,
            examples=(f"/{name}", f"/{name} A7", f"/{name} all"),
        )
        for name in ("ack", "alerts ack")
    ),
    acts(
        "alerts mute",
        "Do not tell some alerts for a while; critical ones take a second person",
        mute,
        _WHAT,
        Argument(name="time", help="how long, at most 24h: 30m, 2h"),
        REASON,
        examples=("/alerts mute A7 2h known", "/alerts mute feed_stale,venue=BYBIT 30m maintenance"),
        gate="P1 if critical",
    ),
    lowers(
        "alerts unmute",
        "Tell muted alerts again",
        unmute,
        Argument(name="id", help="the mute, see /alerts list"),
        examples=("/alerts unmute M1",),
    ),
    reads(
        "alerts quiet",
        "Your quiet hours: only critical alerts reach you in person then",
        set_quiet,
        Argument(name="hours", help="for example 22:00-07:00 of your own clock, or off", required=False),
        examples=("/alerts quiet 22:00-07:00", "/alerts quiet off"),
    ),
    acts(
        "alerts route",
        "Who hears of alerts, and who is called first",
        route,
        Argument(name="duty", help="oncall or secondary", required=False, choices=("oncall", "secondary")),
        Argument(
            name="persons", help="who, joined by commas; default leaves it to the settings", required=False, rest=True
        ),
        role=RoleName.RISK,
        examples=("/alerts route", "/alerts route oncall tina,rosa", "/alerts route oncall default"),
    ),
)
