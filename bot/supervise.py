"""Keeps a bot running without ever taking the service down: restart with back-off, health, and no secrets in logs."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

import structlog
from msgspec import Struct

from bot.message import utc_text
from domain.views import DoorView

log = structlog.get_logger("bot.supervise")

FIRST_PAUSE_S = 1.0
MAX_PAUSE_S = 60.0
DISABLED_PAUSE_S = 300.0
GOOD_RUN_S = 60.0
CHATTY_LOGGERS = ("httpx", "httpcore", "telegram", "discord")
"""Client libraries that log requests; httpx writes the whole URL, and Telegram's holds the token."""


STATE_WORDS = {
    "off": "not started",
    "starting": "not connected",
    "restarting": "not connected, trying again,",
    "degraded": "in trouble",
    "disabled": "switched off",
}


class Disabled(Exception):
    """The bot cannot work until a person changes something; the text says what."""


class Health(Struct):
    """How a bot is: off, starting, up, degraded, restarting or disabled, and why."""

    state: str = "off"
    detail: str = ""
    since_ns: int = 0
    last_ok_ns: int = 0
    down_ns: int = 0
    """Since when it has not been up; 0 while it is."""
    ignored: int = 0
    """Messages and presses of unknown people, not answered."""

    def set(self, state: str, detail: str = "") -> bool:
        """Change the state; True when it is news."""
        if (state, detail) == (self.state, self.detail):
            return False
        self.state, self.detail, self.since_ns = state, detail, time.time_ns()
        self.down_ns = 0 if state == "up" else self.down_ns or self.since_ns
        return True

    def text(self) -> str:
        """State and reason in one line."""
        return f"{self.state}: {self.detail}" if self.detail else self.state

    def view(self, name: str) -> DoorView:
        """How a channel is, for the screens: its reason says what to do where a person must do something."""
        since_ns = self.down_ns or self.since_ns
        since = f" since {utc_text(since_ns)}" if since_ns else ""
        if self.state == "up":
            return DoorView(name=name, ok=True, text=f"connected{since}")
        words = f"{STATE_WORDS[self.state]}{since}"
        return DoorView(name=name, ok=False, text=f"{words}: {self.detail}" if self.detail else words)


def quiet_libraries() -> None:
    """Keep the client libraries' request logs out of ours."""
    for name in CHATTY_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)


def scrub(text: str, secret: str) -> str:
    """The text with a secret taken out."""
    return text.replace(secret, "***") if secret else text


async def keep_running(
    name: str,
    session: Callable[[], Awaitable[None]],
    health: Health,
    *,
    secret: Callable[[], str] = str,
    first_pause_s: float = FIRST_PAUSE_S,
) -> None:
    """Run `session` for ever; whatever ends it is written down, and it starts again after a growing pause.

    Ends only by cancellation.
    """
    pause_s = first_pause_s
    while True:
        began = time.monotonic()
        health.set("starting")
        try:
            await session()
            why, wait_s = "ended", pause_s
        except Disabled as error:
            health.set("disabled", scrub(str(error), secret()))
            log.error("bot disabled, trading goes on", bot=name, why=health.detail, retry_s=DISABLED_PAUSE_S)  # noqa: TRY400
            await asyncio.sleep(DISABLED_PAUSE_S)
            continue
        except Exception as error:
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise asyncio.CancelledError from error  # what broke was the session's way out
            cause = _first(error)
            why, wait_s = f"{type(cause).__name__}: {scrub(str(cause), secret())}", pause_s
        if time.monotonic() - began > GOOD_RUN_S:
            wait_s = first_pause_s
        pause_s = min(MAX_PAUSE_S, wait_s * 2)
        health.set("restarting", why)
        log.warning("bot stopped and starts again", bot=name, why=why, wait_s=wait_s)
        await asyncio.sleep(wait_s)


def _first(error: BaseException) -> BaseException:
    """What went wrong, where a task group only says that something did."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
