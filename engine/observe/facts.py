"""What happened, in the log: the facts that an operator looks for afterwards, one line each, without money figures."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import structlog

from domain import facts as f

_LEVEL = {
    f.Severity.INFO: logging.INFO,
    f.Severity.WARNING: logging.WARNING,
    f.Severity.ERROR: logging.ERROR,
    f.Severity.CRITICAL: logging.CRITICAL,
}
log = structlog.get_logger("engine")


def log_facts(facts: Sequence[f.Fact]) -> None:
    """Write alerts, trading states, strategies, requests and commands; fills and orders are in the journal."""
    for fact in facts:
        match fact:
            case f.Alerted():
                log.log(_LEVEL[fact.severity], fact.text, action=fact.kind, seq=fact.seq)
            case f.TradingStateChanged():
                text = f"trading is {fact.state}: {fact.reason}"
                log.info(text, action="trading_state", by=fact.by, seq=fact.seq)
            case f.StrategyChanged():
                text = f"{fact.strategy} is {fact.status} {fact.detail}".rstrip()
                log.info(text, action="strategy", seq=fact.seq)
            case f.RequestChanged():
                text = f"{fact.request} is {fact.status}: {fact.text}"
                log.info(text, action="request", seq=fact.seq)
            case f.CommandDone():
                text = f"{fact.verb}: {'done' if fact.ok else 'refused'}"
                log.info(
                    text,
                    action="command",
                    person=fact.actor.person,
                    door=fact.actor.door.value,
                    trace_id=fact.request_id,
                    seq=fact.seq,
                )
            case _:
                continue
