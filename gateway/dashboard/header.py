"""The top bar: what this is, whether it trades, who acts, and the button that stops it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from nicegui import ui

from domain.commands import Flatten, Halt, Resume
from domain.facts import TradingState
from gateway.dashboard.formats import clock
from gateway.dashboard.parts import Button, Picker, box, text
from gateway.gateway import Snapshot

if TYPE_CHECKING:
    from gateway.dashboard.screen import Screen


FLATTEN = "Flatten"
SURE_WITHIN_S = 5.0


class Header:
    """The bar of one tab. HALT asks nothing: it only ever lowers risk."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._armed_s = float("-inf")
        config = screen.gateway.config
        with box("header"):
            with box("brand"):
                box("moon")
                text(config.product, "product")
            with box("badges"):
                text(config.environment.value.upper(), f"badge env-{config.environment.value}")
                self._market = text("", "badge market")
                self._state = text("", "badge state")
                self._overrides = text("", "badge overrides")
                self._reason = text("", "reason")
            with box("controls"):
                self._clock = text("", "clock wide")
                with box("person"):
                    text("acting as")
                    self._picker()
                Button("Log out", "quiet log-out", lambda: ui.run_javascript(LOG_OUT))
                self._resume = Button("Resume", "resume", lambda: screen.submit(Resume(reason="dashboard button")))
                self._flatten = Button(FLATTEN, "resume", self._close_everything)
                Button("HALT", "halt", lambda: screen.submit(Halt(reason="dashboard button")))

    async def _close_everything(self) -> None:
        """The second press within some seconds closes every position: one beside HALT is too easily hit."""
        now_s = time.monotonic()
        if now_s - self._armed_s > SURE_WITHIN_S:
            self._armed_s = now_s
            self._flatten.set_text("Flatten: sure?")
            return
        self._armed_s = float("-inf")
        await self._screen.submit(Flatten(reason="dashboard button"))

    def _picker(self) -> None:
        screen = self._screen
        persons = screen.gateway.persons(screen.session)
        options = {person.id: f"{person.name} ({person.role})" for person in persons}
        Picker(options, screen.person, screen.become)

    def update(self, snapshot: Snapshot) -> None:
        """Show the market, the trading state and the engine's time."""
        status = snapshot.status
        simulated = "simulated" in status.market.lower()
        self._market.set_text(status.market if "market" in status.market.lower() else f"market: {status.market}")
        self._market.classes(replace=f"badge market {'simulated' if simulated else 'real'}")
        self._state.set_text(status.trading_state.upper())
        self._state.classes(replace=f"badge state {status.trading_state.lower()}")
        held_back = [at for at in status.trading_at if at.reason and at.trading_state != status.trading_state]
        reasons = [status.trading_reason, *(f"{at.venue} {at.trading_state.upper()}: {at.reason}" for at in held_back)]
        self._reason.set_text("; ".join(reason for reason in (status.incident, *reasons) if reason))
        if time.monotonic() - self._armed_s > SURE_WITHIN_S:
            self._flatten.set_text(FLATTEN)
        loosened = [f"{o.rule} of {o.scope} until {clock(o.until_ns)}" for o in status.overrides]
        self._overrides.set_text(f"OVERRIDE {'; '.join(loosened)}")
        self._overrides.set_visibility(bool(loosened))
        self._clock.set_text(f"{clock(status.ts_ns)} UTC")
        held = any(at.is_held for at in status.trading_at)
        self._resume.set_visibility(held or status.trading_state.lower() != TradingState.ACTIVE)


LOG_OUT = """
fetch("/logout", {method: "POST"}).finally(() => { window.location.href = "/login" })
"""
