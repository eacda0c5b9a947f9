"""Who may come in beside the chats: scopes of tokens, and what rooms tell one another about tokens and sessions."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from domain.commands import Actor
from domain.errors import MoonDevError
from domain.settings import RoleName


class Scope(enum.StrEnum):
    """What a token may be used for. Its person's role bounds it as well, whatever its scopes say."""

    READ = "read"
    """Views, and verbs that only look."""
    TRADE = "trade"
    """Verbs of a trader: orders, halts, strategies."""
    RISK = "risk"
    """Verbs of the role risk: limits, overrides, resumes."""
    ADMIN = "admin"
    """Verbs of an admin."""


ROLE_OF_SCOPE = {
    Scope.READ: RoleName.VIEWER,
    Scope.TRADE: RoleName.TRADER,
    Scope.RISK: RoleName.RISK,
    Scope.ADMIN: RoleName.ADMIN,
}
"""Least role of a person who may have a token with this scope."""


def scope_of(role: RoleName, *, changes: bool) -> Scope:
    """The scope that a token needs for what takes this role; `changes` False: it only looks."""
    if role is RoleName.VIEWER:
        return Scope.TRADE if changes else Scope.READ
    return {RoleName.TRADER: Scope.TRADE, RoleName.RISK: Scope.RISK, RoleName.ADMIN: Scope.ADMIN}[role]


STOPS = frozenset({"halt", "flatten", "breakglass"})
"""Verbs that stop trading: nothing limits them, and they wait behind nobody."""


class VerbRule(Struct, frozen=True, kw_only=True):
    """What has to be known of a verb to let somebody use it; the control room judges every use again."""

    role: RoleName
    changes: bool
    """False: it only looks."""
    by_person: bool = False
    """Never by a token: votes, one-time codes, links and tokens."""
    stops: bool = False
    """It stops trading: never limited."""
    aliases: tuple[str, ...] = ()
    """Other names that people type."""


class AccessRefused(MoonDevError):
    """A link, token or session cannot be had as it was asked for; says why, and what can."""


class AccessLost(MoonDevError):
    """The access database does not answer: nobody new can come in, chat and terminal work."""


class NewToken(Struct, frozen=True, kw_only=True):
    """A token that is asked for. `networks` are CIDRs from which it may be used, none = from everywhere."""

    name: str
    person: str
    scopes: tuple[Scope, ...]
    life_ns: int
    networks: tuple[str, ...] = ()


class TokenView(Struct, frozen=True, kw_only=True):
    """A token as people see it: never the token itself, nor its hash. Times are UTC, 0 = never."""

    id: str
    name: str
    person: str
    scopes: tuple[Scope, ...]
    networks: tuple[str, ...]
    created_ns: int
    created_by: str
    expires_ns: int
    last_used_ns: int
    last_ip: str
    state: str
    """active, expired, revoked, or suspended: a lock-down came after it, and nobody has resumed it since."""


class SessionView(Struct, frozen=True, kw_only=True):
    """A browser that is logged in."""

    id: str
    person: str
    created_ns: int
    seen_ns: int
    expires_ns: int
    ip: str
    agent: str


class AccessDesk(Protocol):
    """What the chats ask of the gateway's access. All raise `AccessRefused`, and `AccessLost`."""

    async def login_link(self, person: str, by: Actor) -> str:
        """The address of a login link that works once, for some minutes. It is a secret."""
        ...

    async def tokens(self, person: str = "") -> Sequence[TokenView]:
        """Tokens, newest first: of a person, or all."""
        ...

    async def create_token(self, wanted: NewToken, by: Actor) -> tuple[str, TokenView]:
        """Make a token: the token itself, which is told this once, and how it is listed."""
        ...

    async def token_of(self, token: str) -> TokenView:
        """A token by its id."""
        ...

    async def revoke_token(self, token: str, by: Actor) -> TokenView:
        """End a token, by its id, for good."""
        ...

    async def resume_token(self, token: str, by: Actor) -> TokenView:
        """Let a token that a lock-down suspended be used again."""
        ...

    async def before_code(self, by: Actor) -> None:
        """A browser's session is about to give a one-time code. Raises `AccessRefused` while it has to wait."""
        ...

    async def after_code(self, by: Actor, *, is_right: bool) -> bool:
        """It gave one; False when its session has ended: too many were wrong."""
        ...

    async def has_proved(self, by: Actor) -> bool:
        """Whether the session that asks gave a one-time code lately."""
        ...

    async def sessions(self, person: str = "") -> Sequence[SessionView]:
        """Browsers that are logged in now: of a person, or all."""
        ...

    async def end_sessions(self, person: str, by: Actor) -> int:
        """Log a person out everywhere, links that were not used yet included; how many sessions there were."""
        ...
