"""One browser tab: reads the shared snapshot at a fixed pace, updates the widgets, submits what is pressed.

Nothing is sent per event: a tab gets what changed since its last refresh, and its timer ends with its connection.
"""

from __future__ import annotations

import structlog
from nicegui import ui

from domain.commands import Command
from gateway.access.caller import Caller
from gateway.dashboard.chart import EquityChart
from gateway.dashboard.console import ConsolePanel
from gateway.dashboard.formats import breaker_trouble, venue_trouble
from gateway.dashboard.header import Header
from gateway.dashboard.parts import box, text
from gateway.dashboard.risk import RiskPanel
from gateway.dashboard.tables import Tables
from gateway.dashboard.tiles import Tiles
from gateway.gateway import Gateway, NotAllowed, Snapshot

log = structlog.get_logger(__name__)


class Screen:
    """A tab of a session; `person` is who its actions carry."""

    def __init__(self, gateway: Gateway, session: Caller) -> None:
        self.gateway = gateway
        self.session = session
        self.person = session.person

    def build(self) -> None:
        """Make the widgets and start refreshing."""
        with box("page"):
            self._header = Header(self)
            self._trouble = text("", "trouble")
            self._notice = text("", "notice")
            self._tiles = Tiles()
            with box("panels"):
                self._chart = EquityChart()
                self._risk = RiskPanel()
                self._tables = Tables(self)
                self._console = ConsolePanel(self)
        self._trouble.set_visibility(False)
        self._notice.set_visibility(False)
        config = self.gateway.config
        ui.timer(config.refresh_s, self.refresh)
        ui.timer(config.chart_refresh_s, self._draw)

    def refresh(self, newer: bool = False) -> None:
        """Show the desk as it is; a desk that fails is said on the screen instead of old figures passing as new."""
        if not self.gateway.may_act(self.session):
            ui.navigate.to("/login")
            return
        try:
            snapshot = self.gateway.reader.snapshot(newer)
            self._header.update(snapshot)
            self._show_notice(snapshot)
            self._tiles.update(snapshot)
            self._tables.update(snapshot, self.gateway.activity.newest())
        except Exception as error:
            log.exception("the dashboard could not be refreshed")
            self._trouble.set_text(f"These figures are old: the engine's views failed ({error!r}).")
            self._trouble.set_visibility(True)
        else:
            self._trouble.set_visibility(False)

    def _show_notice(self, snapshot: Snapshot) -> None:
        """Say which chat channels and venues do not do their part, and which breakers are not closed."""
        ill = [f"{door.name.capitalize()} is {door.text}." for door in snapshot.status.doors if not door.ok]
        ill += [text for view in snapshot.venues if (text := venue_trouble(view))]
        ill += [breaker_trouble(view) for view in snapshot.status.breakers]
        self._notice.set_text(" ".join(ill))
        self._notice.set_visibility(bool(ill))

    def _draw(self) -> None:
        self._chart.update(self.gateway.reader.equity())
        self._risk.update(self.gateway.reader.risk())

    def become(self, person: str) -> None:
        """Let this tab act as another person, where that is allowed."""
        try:
            self.person = self.gateway.actor(self.session, person).person
        except NotAllowed as refusal:
            ui.notify(str(refusal), type="negative", position="bottom")

    async def submit(self, command: Command) -> None:
        """Send a command to the desk as this tab's person, and show its answer."""
        try:
            actor = self.gateway.actor(self.session, self.person)
        except NotAllowed as refusal:
            ui.notify(str(refusal), type="negative", position="bottom")
            return
        done = await self.gateway.desk.submit(command, actor)
        ui.notify(done.text, type="positive" if done.ok else "negative", position="bottom", multi_line=True)
        self.refresh(newer=True)

    async def run_line(self, line: str) -> str:
        """Run a console line as this tab's person; returns the answer."""
        try:
            answer = await self.gateway.console(self.gateway.actor(self.session, self.person), line)
        except NotAllowed as refusal:
            return str(refusal)
        self.refresh(newer=True)
        return answer
