"""Links of chat accounts to persons: a code asked for at one door, sent by the new account, confirmed at the first.

What is here lives in memory, codes as digests: a restart ends every exchange. Nothing is linked by it: a confirmed
account becomes a change of the settings that other people agree to.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from domain.commands import Actor, Door
from domain.ports import Clock
from domain.security import PressRefused
from domain.settings import MINUTE_NS
from domain.views import LinkView
from engine.core.core import Core

LINK_TTL_NS = 10 * MINUTE_NS
"""From asking for a code to confirming who sent it."""
ALPHABET = "ABCDEFGHJKMNPQRSTVWXYZ23456789"
CODE_LENGTH = 10
"""49 bits: out of reach of guesses that lock."""
MOST_GUESSERS = 1_000
"""Accounts whose wrong codes are counted at a time; with more, no code of another account is looked at."""


class _Exchange(Struct):
    """One person's exchange, and the digest of its code."""

    view: LinkView
    digest: bytes


class _Guesses(Struct):
    """Wrong codes of one account, forgotten at `until_ns`."""

    count: int
    until_ns: int


class Links:
    """Every open exchange, one a person."""

    def __init__(self, core: Core, clock: Clock, report: Callable[[PressRefused], None]) -> None:
        """Refused codes go to `report`, for the record."""
        self._core = core
        self._clock = clock
        self._report = report
        self._open: dict[str, _Exchange] = {}
        self._guesses: dict[tuple[Door, int], _Guesses] = {}

    def begin(self, actor: Actor, channel: Door) -> tuple[str, int]:
        """A new code for a person, and until when it counts; an earlier one no longer does."""
        code = new_code()
        until_ns = self._clock.now_ns() + LINK_TTL_NS
        view = LinkView(asked_by=actor, channel=channel, until_ns=until_ns)
        self._open[actor.person] = _Exchange(view, _digest(code))
        return code, until_ns

    def of(self, person: str) -> LinkView | None:
        """A person's exchange, None when there is none, or no longer."""
        found = self._open.get(person)
        if found is not None and self._clock.now_ns() >= found.view.until_ns:
            del self._open[person]
            return None
        return found.view if found is not None else None

    def end(self, person: str) -> None:
        """The exchange is over: confirmed, or given up."""
        self._open.pop(person, None)

    def claim(self, channel: Door, account: int, name: str, code: str) -> LinkView | None:
        """A code from an account that nobody knows: whose exchange it is, once. A wrong one is counted, on record."""
        if self._is_locked(channel, account):
            return None
        wanted = _digest(code)
        for person, exchange in list(self._open.items()):
            view = self.of(person)
            if view is None or view.channel is not channel or view.account or exchange.digest != wanted:
                continue
            self._guesses.pop((channel, account), None)
            exchange.view = replace(view, account=account, name=name)
            return exchange.view
        self._missed(channel, account)
        return None

    def _is_locked(self, channel: Door, account: int) -> bool:
        now = self._clock.now_ns()
        known = self._guesses.get((channel, account))
        if known is not None and now < known.until_ns:
            return known.count >= self._core.state.settings.approvals.code_misses
        self._guesses.pop((channel, account), None)
        if len(self._guesses) >= MOST_GUESSERS:
            self._guesses = {key: one for key, one in self._guesses.items() if now < one.until_ns}
        return len(self._guesses) >= MOST_GUESSERS

    def _missed(self, channel: Door, account: int) -> None:
        approvals = self._core.state.settings.approvals
        guesses = self._guesses.setdefault((channel, account), _Guesses(0, 0))
        guesses.count, guesses.until_ns = guesses.count + 1, self._clock.now_ns() + approvals.code_lock_ns
        text = f"a wrong link code, {guesses.count} of {approvals.code_misses}"
        if guesses.count >= approvals.code_misses:
            text += f"; it is not heard for {approvals.code_lock_ns // MINUTE_NS} min"
        self._report(PressRefused(source=channel.value, who=f"user {account}", request="", text=text))


def new_code() -> str:
    """A code that nobody guesses, of letters and digits that are not mistaken for each other."""
    return "".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH))


def _digest(code: str) -> bytes:
    return hashlib.sha256(code.upper().encode()).digest()
