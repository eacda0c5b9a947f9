"""What a door saw that nobody honest does, or that did not count: journaled, so that it can be counted and audited."""

from __future__ import annotations

import enum

from msgspec import Struct

from domain.breakers import BreachSource


class SecurityBreach(Struct, kw_only=True, tag="security_breach", array_like=True):
    """Something was forged or tampered with; `source` is the door or part that saw it. One for each time.

    `kind` is what was tried: the breaker `security` counts by it.
    """

    seq: int = 0
    ts_ns: int = 0
    source: str
    text: str
    kind: BreachSource = BreachSource.BUTTON


class PressRefused(Struct, kw_only=True, tag="press_refused", array_like=True):
    """A button was pressed, or a vote sent, that did not reach a person's command; `who` as the door knows them."""

    seq: int = 0
    ts_ns: int = 0
    source: str
    who: str
    request: str
    text: str


class CodeMissed(Struct, kw_only=True, tag="code_missed", array_like=True):
    """A person gave a wrong one-time code at a door; enough of them lock their votes. The code is not here."""

    seq: int = 0
    ts_ns: int = 0
    person: str
    source: str


class AccessKind(enum.StrEnum):
    """What became of a way in."""

    LOGIN = "login"
    LOGIN_FAILED = "login_failed"
    LOCKED = "locked"
    """So much failed from one address that it has to wait."""
    LINK_MADE = "link_made"
    LOGGED_OUT = "logged_out"
    STEPPED_UP = "stepped_up"
    """A session gave a one-time code."""
    CREATED = "token_created"
    REVOKED = "token_revoked"
    RESUMED = "token_resumed"
    REFUSED = "token_refused"
    """A token that is known was used when or where it may not be."""


class AccessNoted(Struct, kw_only=True, tag="access_noted", array_like=True):
    """A link, session or token was made, used or ended; `by` did it, from `ip`. The secret itself is not in it."""

    seq: int = 0
    ts_ns: int = 0
    kind: AccessKind
    person: str
    by: str
    ip: str
    text: str
    noted_ns: int = 0
    """Wall time at which it happened; it is journaled some moments later."""
