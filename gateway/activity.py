"""What happened lately, in words: alerts, refusals and changes of state, kept from the fact stream for the screens."""

from __future__ import annotations

import asyncio
from collections import deque

import structlog
from msgspec import Struct

from domain.facts import (
    Alerted,
    Fact,
    Refused,
    RequestChanged,
    Severity,
    StrategyChanged,
    StrategyStatus,
    TradingState,
    TradingStateChanged,
)
from domain.verdict import Reason
from domain.views import owner_words
from engine.desk import Desk

KEPT = 200
RETRY_S = 1.0

log = structlog.get_logger(__name__)


class Happening(Struct, frozen=True, kw_only=True):
    """One line of the alerts panel; `key` is unique and ordered."""

    key: str
    ts_ns: int
    severity: Severity
    what: str
    text: str


def happening(fact: Fact) -> Happening | None:
    """Put a fact into words; None for the facts that have a table of their own."""
    match fact:
        case Alerted():
            severity, what, text = fact.severity, fact.kind, fact.text
        case TradingStateChanged():
            severity = Severity.INFO if fact.state is TradingState.ACTIVE else Severity.WARNING
            why = ", ".join(filter(None, (fact.reason, fact.by and f"by {fact.by}")))
            what, text = fact.state.value, f"Trading is {fact.state.upper()}" + (f" ({why})" if why else "")
        case Refused() if fact.reason is not Reason.NEEDS_APPROVAL:
            severity, what = Severity.INFO, "refused"
            text = (
                f"{owner_words(fact.strategy)} on {fact.instrument}: {fact.reason.words}. {fact.detail}".removesuffix(
                    ". "
                )
            )
        case RequestChanged():
            severity, what = Severity.INFO, fact.status.value
            text = (
                f"{fact.request} is {fact.status.value}, {len(fact.votes)} of {fact.votes_needed} votes, "
                f"asked by {fact.requester or 'a strategy'}: {fact.text}"
            )
        case StrategyChanged():
            severity = Severity.ERROR if fact.status is StrategyStatus.QUARANTINED else Severity.INFO
            what, text = fact.status.value, f"{fact.strategy}: {fact.detail or fact.status.value}"
        case _:
            return None
    return Happening(key=f"{fact.seq}.{fact.index}", ts_ns=fact.ts_ns, severity=severity, what=what, text=text)


class Activity:
    """The newest happenings, newest first; `run` keeps them coming."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._newest: deque[Happening] = deque(maxlen=KEPT)

    def newest(self) -> list[Happening]:
        """Up to `KEPT` happenings since the gateway started, newest first."""
        return list(self._newest)

    async def run(self) -> None:
        """Follow the facts until cancelled; if following breaks it is logged and begun anew."""
        while True:
            try:
                async with self._desk.facts() as facts:
                    async for fact in facts:
                        if (item := happening(fact)) is not None:
                            self._newest.appendleft(item)
            except Exception:  # a screen's helper must not end the engine's task group
                log.exception("the dashboard lost the fact stream", retry_s=RETRY_S)
            await asyncio.sleep(RETRY_S)
