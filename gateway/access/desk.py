"""`Accounts`: what people ask of access in chat, at the terminal and with a token: links, tokens, sessions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ipaddress import ip_network
from typing import Final

from msgspec.structs import replace
from sqlalchemy import Connection

from domain.access import ROLE_OF_SCOPE, AccessRefused, NewToken, SessionView, TokenView
from domain.commands import Actor
from domain.security import AccessKind
from domain.settings import MINUTE_NS, RoleName
from domain.views import PersonView
from gateway.access import sessions, tokens
from gateway.access.access import DAY_NS, Access, who
from gateway.access.proof import Proof
from gateway.access.secret import digest, new_token

MOST_TOKENS: Final = 50
"""Of one person, that are not over."""
MOST_NETWORKS: Final = 20
NAME_LENGTH: Final = 40


class Accounts:
    """An `AccessDesk`. `address` is the gateway's own, `persons` who may be given anything."""

    def __init__(self, access: Access, address: Callable[[], str], persons: Callable[[], Sequence[PersonView]]) -> None:
        self._access = access
        self._address = address
        self._persons = persons
        self._proof = Proof(access)

    async def login_link(self, person: str, by: Actor) -> str:
        """The address of a login link. Raises `AccessRefused`, `AccessLost`."""
        self._role(person)

        def make(connection: Connection) -> str:
            path = self._access.link_in(connection, person)
            self._access.note(connection, AccessKind.LINK_MADE, "a login link was made", person=person, by=who(by))
            return path

        return self._address() + await self._access.write(make)

    async def tokens(self, person: str = "") -> list[TokenView]:
        """Tokens, newest first."""
        access = self._access
        return await access.read(
            lambda connection: tokens.listed(connection, person, access.now_ns(), access.locked_ns(connection))
        )

    async def create_token(self, wanted: NewToken, by: Actor) -> tuple[str, TokenView]:
        """Make a token. Raises `AccessRefused`."""
        wanted, secret, access = self._checked(wanted), new_token(), self._access

        def make(connection: Connection) -> TokenView:
            now_ns = max(access.now_ns(), access.locked_ns(connection) + 1)
            alive = [view for view in tokens.listed(connection, wanted.person, now_ns, 0) if view.state == "active"]
            if len(alive) >= MOST_TOKENS:
                raise AccessRefused(f"{wanted.person} has {MOST_TOKENS} tokens: revoke some first")
            made = tokens.create(connection, wanted, digest(secret), by.person, now_ns)
            scopes = ", ".join(made.scopes)
            text = f"token {made.id} {made.name} ({scopes}) was created"
            access.note(connection, AccessKind.CREATED, text, person=made.person, by=who(by))
            return made

        return secret, await access.write(make)

    async def revoke_token(self, token: str, by: Actor) -> TokenView:
        """End a token for good. Raises `AccessRefused`."""
        return await self._change(token, by, AccessKind.REVOKED)

    async def resume_token(self, token: str, by: Actor) -> TokenView:
        """Let a suspended token be used again. Raises `AccessRefused`."""
        return await self._change(token, by, AccessKind.RESUMED)

    async def _change(self, token: str, by: Actor, kind: AccessKind) -> TokenView:
        access, revokes = self._access, kind is AccessKind.REVOKED

        def change(connection: Connection) -> TokenView:
            now_ns, locked_ns = access.now_ns(), access.locked_ns(connection)
            if revokes:
                row = tokens.revoke(connection, token, now_ns)
            else:
                row = tokens.resume(connection, token, max(now_ns, locked_ns + 1), locked_ns)
            text = f"token {tokens.ID}{row.id} {row.name} was {'revoked' if revokes else 'resumed'}"
            access.note(connection, kind, text, person=row.person, by=who(by))
            return tokens.view(row, now_ns, locked_ns)

        changed = await access.write(change)
        access.forget()
        return changed

    async def token_of(self, token: str) -> TokenView:
        """A token by its id. Raises `AccessRefused`."""
        access = self._access
        return await access.read(
            lambda connection: tokens.view(
                tokens.by_id(connection, token), access.now_ns(), access.locked_ns(connection)
            )
        )

    async def before_code(self, by: Actor) -> None:
        """Raises `MustWait`."""
        await self._proof.before(by)

    async def after_code(self, by: Actor, *, is_right: bool) -> bool:
        """A session gave a code; False when it has ended."""
        return await self._proof.after(by, is_right=is_right)

    async def has_proved(self, by: Actor) -> bool:
        """Whether the session that asks gave a code lately."""
        return await self._proof.has(by)

    async def sessions(self, person: str = "") -> list[SessionView]:
        """Browsers that are logged in now."""
        access = self._access
        return await access.read(
            lambda connection: sessions.listed(
                connection,
                person,
                now_ns=access.now_ns(),
                idle_ns=access.rules.idle_ns,
                lock_down_ns=access.locked_ns(connection),
            )
        )

    async def end_sessions(self, person: str, by: Actor) -> int:
        """Log a person out everywhere."""

        def leave(connection: Connection) -> int:
            count = sessions.end_of(connection, person)
            text = f"all sessions were ended ({count})"
            self._access.note(connection, AccessKind.LOGGED_OUT, text, person=person, by=who(by))
            return count

        count = await self._access.write(leave)
        self._access.forget()
        return count

    def _role(self, person: str) -> RoleName:
        for view in self._persons():
            if view.id == person:
                return RoleName[view.role.upper()]
        raise AccessRefused(f"there is no person {person!r}")

    def _checked(self, wanted: NewToken) -> NewToken:
        """The token that is asked for, in its plain form. Raises `AccessRefused`."""
        role = self._role(wanted.person)
        name = wanted.name.strip()
        if not (0 < len(name) <= NAME_LENGTH and name.isprintable()):
            raise AccessRefused(f"a token has a name of at most {NAME_LENGTH} characters, which says what uses it")
        if not wanted.scopes:
            raise AccessRefused("say what it is for: read, trade, risk or admin, several with commas")
        for scope in wanted.scopes:
            if role < ROLE_OF_SCOPE[scope]:
                needed = ROLE_OF_SCOPE[scope].name.lower()
                raise AccessRefused(
                    f"the scope {scope} takes the role {needed}; {wanted.person} is {role.name.lower()}"
                )
        longest_ns = self._access.rules.token_ns
        if not MINUTE_NS <= wanted.life_ns <= longest_ns:
            raise AccessRefused(f"a token lives from 1 minute to {longest_ns // DAY_NS} days")
        if len(wanted.networks) > MOST_NETWORKS:
            raise AccessRefused(f"at most {MOST_NETWORKS} networks")
        try:
            networks = tuple(str(ip_network(network)) for network in wanted.networks)
        except ValueError as error:
            raise AccessRefused(f"a network is written like 10.0.0.0/8 or 203.0.113.7: {error}") from None
        return replace(wanted, name=name, networks=networks)
