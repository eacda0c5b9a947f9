"""Read models of one thing in full, for screens: a limit, a request with its voters, a setting, a parameter."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from msgspec import Struct

from domain.record_views import ParamsRow


class LimitSetView(Struct, frozen=True, kw_only=True):
    """A value of a limit at one scope, and what says it: a path in the settings, `default`, or an override."""

    scope: str
    value: Decimal
    source: str
    until_ns: int = 0
    """When an override ends; 0 = it stays."""


class LimitView(Struct, frozen=True, kw_only=True):
    """A limit: what holds where most of it is used, where that is from, and everywhere it is set.

    `used` is counted as the gate counts it; None = it is held against each order and has no standing measure. `share`
    is used over limit. `value` None: it is set nowhere, and what it would judge is refused unless it `is_optional`.
    """

    rule: str
    guards: str
    unit: str
    scope: str
    value: Decimal | None
    source: str
    used: Decimal | None
    share: Decimal | None
    default: Decimal | None
    scopes: tuple[str, ...]
    """Kinds of scopes that it can be set for."""
    is_hard: bool
    """No override loosens it."""
    is_optional: bool
    is_least: bool
    """It asks for at least so much; any other for at most."""
    sets: tuple[LimitSetView, ...]


class VoterView(Struct, frozen=True, kw_only=True):
    """Whether a person's vote would count now, and in words why not."""

    person: str
    name: str
    role: str
    may: bool
    why_not: str = ""
    has_voted: bool = False


class RequestDetail(Struct, frozen=True, kw_only=True):
    """A request, waiting or decided, with everything that a vote is for.

    `digest` is over all of it; `content` is what will be carried out, field by field.
    """

    id: str
    what: str
    text: str
    requester: str
    """The person behind it, "" = the configuration."""
    asker: str
    """Who asks: a person or a strategy."""
    status: str
    votes: tuple[str, ...]
    votes_needed: int
    role: str
    """Least role of its voters."""
    requester_counts: bool
    created_ns: int
    expires_ns: int
    digest: str
    settings_hash: str
    """Of the settings under which it was asked."""
    content: tuple[tuple[str, str], ...]
    voters: tuple[VoterView, ...]
    needs_code: bool
    denied_by: str = ""
    """Who denied it without saying why, and may still say it."""


class SettingView(Struct, frozen=True, kw_only=True):
    """One setting in force. `default` "" = it has none. `source`: `default`, `file`, or `version N`."""

    path: str
    value: str
    default: str
    source: str
    by: str = ""
    ts_ns: int = 0


class ParamView(Struct, frozen=True, kw_only=True):
    """One parameter of a strategy: its value in force, what the code says of it, and when a change adds risk."""

    name: str
    value: Any
    default: Any
    is_given: bool
    adds_risk: str
    text: str
    bounds: str


class StrategyDetail(Struct, frozen=True, kw_only=True):
    """A strategy's parameters and who gave them; `problem` says why the code cannot tell of them."""

    id: str
    params: tuple[ParamView, ...]
    history: tuple[ParamsRow, ...]
    text: str = ""
    """What the code says of itself."""
    problem: str = ""
