"""Who asks, as every route finds it in `request.state.caller`."""

from __future__ import annotations

import enum

from msgspec import Struct

from domain.access import Scope
from domain.commands import Actor, Door
from domain.settings import RoleName

EVERYTHING = frozenset(Scope)


class Kind(enum.StrEnum):
    """How somebody came in."""

    SESSION = "session"
    """A person in a browser that logged in."""
    TOKEN = "token"  # noqa: S105 - the name of a kind
    """A program that acts for a person."""


class Identity(Struct, frozen=True, kw_only=True):
    """What the access database knows of a cookie or token that is good now."""

    person: str
    kind: Kind
    key: str
    """The SHA-256 of a session's cookie; the id of a token, `T12`."""
    expires_ns: int
    scopes: frozenset[Scope] = EVERYTHING
    networks: tuple[str, ...] = ()
    proved_ns: int = 0
    """When the session last gave a one-time code, 0 = never."""


class Caller(Struct, frozen=True, kw_only=True):
    """A person, or a program for a person: an identity, with the role that its person has now."""

    identity: Identity
    role: RoleName
    ip: str

    @property
    def person(self) -> str:
        """Whose rights it has."""
        return self.identity.person

    @property
    def kind(self) -> Kind:
        """How it came in."""
        return self.identity.kind

    @property
    def scopes(self) -> frozenset[Scope]:
        """What it may be used for: everything, for a person."""
        return self.identity.scopes

    @property
    def key(self) -> str:
        """Which session or token it is, without saying its secret."""
        return self.identity.key

    @property
    def is_person(self) -> bool:
        """False for programs, which neither vote nor give one-time codes."""
        return self.kind is Kind.SESSION

    def may(self, role: RoleName, scope: Scope) -> bool:
        """Whether role and scopes suffice: a token does no more than its person, and no more than its scopes."""
        return self.role >= role and scope in self.scopes

    def actor(self, person: str = "") -> Actor:
        """As the engine knows it; `person` is somebody else that a session speaks for, where paper allows that."""
        door = Door.DASHBOARD if self.is_person else Door.API
        return Actor(person=person or self.person, door=door, chat=f"{self.kind.value}:{self.key[:12]}")
