"""Read models of what summaries tell beside the figures: what people decided, what was warned of, the audit chain."""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct

from domain.views import RequestView


class AlertCount(Struct, frozen=True, kw_only=True):
    """Alerts of one kind and severity in a period, and the last of them."""

    kind: str
    severity: str
    count: int
    last_ns: int
    last_text: str


class StateChange(Struct, frozen=True, kw_only=True):
    """The trading state became `state`; `by` whom ("" = the engine), and why."""

    ts_ns: int
    state: str
    by: str
    reason: str


class OverrideRow(Struct, frozen=True, kw_only=True):
    """A limit that was loosened, as it was last told in the period; `ended` says why it is over ("" = not told yet)."""

    rule: str
    scope: str
    value: Decimal
    since_ns: int
    until_ns: int
    persons: tuple[str, ...]
    ended: str


class Happened(Struct, frozen=True, kw_only=True):
    """What happened in a period, oldest first; with `problem` it is not known, and that says why.

    `requests` stand as they were last, `refused` counts by reason what risk did not let through.
    """

    since_ns: int
    until_ns: int
    problem: str = ""
    requests: tuple[RequestView, ...] = ()
    overrides: tuple[OverrideRow, ...] = ()
    alerts: tuple[AlertCount, ...] = ()
    states: tuple[StateChange, ...] = ()
    refused: tuple[tuple[str, int], ...] = ()


class Verified(Struct, frozen=True, kw_only=True):
    """The audit chain: `head` (hex) after record `seq`, and the last verification, `verified_ns` 0 = none in this run.

    `is_sound` = everything up to `verified_seq` is as it was written; else `detail` says what is not.
    """

    seq: int
    head: str
    verified_ns: int = 0
    verified_seq: int = 0
    is_sound: bool = False
    detail: str = ""
