"""`ControlRoom`: what the verbs work with. The desk trades; the rest belongs to the people in front of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bot import contacts, orders, strategies
from bot import settings as settings_
from bot.alerting.service import AlertRoom
from bot.buttons import ALERT, ORDER, PAGE, PREVIEW, VOTE, Subject, cancel_digest
from bot.charts.studio import Studio
from bot.config import BotConfig
from bot.confirm import Confirms
from bot.jobs import backtest
from bot.jobs.queue import Jobs
from bot.message import stamp
from bot.outbox import Outbox
from bot.people import People
from bot.reports import verbs as summaries
from bot.reports.ever import Ever
from bot.reports.schedules import Schedules
from bot.reports.service import Reports
from bot.store import OpsStore
from bot.streams.subscriptions import Subscriptions
from bot.tickets import Tickets
from domain.access import AccessDesk
from domain.facts import RequestStatus

if TYPE_CHECKING:
    from engine.desk import Desk


NO_CHANNELS = BotConfig()


class ControlRoom:
    """One for all doors: Telegram, Discord, dashboard and terminal."""

    def __init__(self, desk: Desk, store: OpsStore, config: BotConfig = NO_CHANNELS) -> None:
        self.desk = desk
        self.store = store
        self.config = config
        self.outbox = Outbox(store)
        self.directory = self.outbox.others = contacts.Directory(desk, config, self.outbox)
        self.people = People(store)
        self.studio = Studio()
        self.access: AccessDesk | None = None
        """Links, tokens and sessions of the gateway; None where it is switched off."""
        self.telegram_name = ""
        """Of the Telegram bot, once it has logged in."""
        self.confirms = Confirms(desk, store, self.outbox)
        self.tickets = Tickets(desk, store, self.outbox, self.confirms.bots)
        self.tickets.stamp = self.stamp
        for part in (orders, strategies, settings_, summaries):
            part.register(self.confirms)
        self.subscriptions = Subscriptions(store)
        self.schedules = Schedules(store)
        self.ever = Ever(desk)
        self.reports = Reports(self)
        self.alerts = AlertRoom(self)
        self.jobs = Jobs(store, self.outbox, store.path.parent / "jobs", backtest.shown)

    def subject(self, kind: str, subject: str) -> Subject | None:
        """What a button of this kind is about; None when it is not known (any more)."""
        if kind == PAGE:
            return Subject(subject, is_open=True)
        if kind == VOTE:
            view = self.desk.request(subject)
            return Subject(view.digest, view.status == RequestStatus.PENDING) if view is not None else None
        if kind == ORDER:
            return Subject(cancel_digest(subject), self.desk.by_hand.is_open(subject))
        if kind == ALERT:
            return self.alerts.subject(subject)
        return self.confirms.subject(subject) if kind == PREVIEW else None

    def zone(self, person: str) -> str:
        """The zone in which a person reads times."""
        return self.people.of(person).timezone

    def stamp(self, person: str = "") -> str:
        """The last line of a reply to a person: environment, market, time in UTC and in their zone, age of the data."""
        return stamp(self.desk.status(), time.time_ns(), self.zone(person))

    def contacts(self, person: str, *kinds: str) -> list[str]:
        """Where a person can be written to alone, best first; `kinds` are channels, none = the chats."""
        return contacts.contacts(self.desk, self.config, person, kinds or contacts.CHATS)

    @property
    def alert_chats(self) -> tuple[str, ...]:
        """The common chats that alerts go to."""
        return contacts.alert_chats(self.config)

    @property
    def alert_programs(self) -> tuple[str, ...]:
        """The webhooks, and what apprise reaches."""
        return contacts.alert_programs(self.config)
