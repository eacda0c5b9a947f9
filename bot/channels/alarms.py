"""Trouble of the channels as alerts."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bot.message import Message, Text
from domain.facts import Severity

if TYPE_CHECKING:
    from bot.alerts import Alerts


class Told:
    """Says each trouble once when it begins and once when it is over."""

    def __init__(self, alerts: Alerts) -> None:
        self._alerts = alerts

    async def raise_alert(
        self, kind: str, labels: dict[str, str], severity: Severity, title: str, text: str, *, lasts: bool = False
    ) -> None:
        """To the alert chats."""
        event = f"{kind}:{'/'.join(labels.values())}:{time.time_ns() if lasts else 0}"
        await self._alerts.tell(event, Message(title=title, blocks=(Text(text),), severity=severity))

    async def resolve(self, kind: str, labels: dict[str, str], by: str = "") -> bool:
        """To the alert chats."""
        event = f"{kind}:{'/'.join(labels.values())}:over:{time.time_ns()}"
        return await self._alerts.tell(event, Message(title=by or f"{kind} is over"))
