"""The gate in front of every route and WebSocket: names, origin, the table of routes, who asks, limits.

    host, origin → row of the table → who asks → CSRF → role and scope → limits → the route

Everything that is not allowed is refused with a reason and a `code`; what the table does not know is refused too. Who
may pass is in `request.state.caller`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from msgspec import Struct, field, structs
from starlette.datastructures import Headers, QueryParams
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from domain.access import AccessLost
from domain.settings import RoleName
from domain.views import PersonView
from gateway.access.access import Access, Denied
from gateway.access.caller import Caller, Identity
from gateway.access.line import looked_at
from gateway.access.network import SAFE_METHODS, Network, cookie_name
from gateway.access.proof import Proof
from gateway.access.refuse import refuse
from gateway.access.scrape import is_scraper
from gateway.access.secret import digest
from gateway.access.table import Csrf, Rule, Table
from gateway.limits import Limits, Rate
from gateway.refused import Refused
from gateway.source import SourceLost

CSRF_HEADER: Final = "x-requested-with"
"""Sent by our own pages with everything that changes something; its value does not matter. Forms cannot send it."""
METRICS_PATH: Final = "/metrics"
MOST_LET_IN: Final = 4_096
BEARER: Final = "bearer "
TOO_LONG: Final = "The body is longer than {most} bytes, which is what is taken here"

Persons: TypeAlias = Callable[[], Sequence[PersonView]]


def no_codes() -> bool:
    """Votes need none."""
    return False


class Front(Struct, frozen=True, kw_only=True):
    """What the guard judges by: all that is decided before the app is made."""

    access: Access
    table: Table = Table()
    network: Network = Network()
    limits: Limits = field(default_factory=Limits)
    scrape: str = ""
    """The token of `/metrics`; "" = nobody scrapes."""
    codes_needed: Callable[[], bool] = no_codes
    """Whether votes need codes: then an admin's verbs do as well."""


class Guard:
    """ASGI middleware: lets through what may pass."""

    def __init__(self, app: ASGIApp, front: Front, persons: Persons, *, is_play: bool = False) -> None:
        """With `is_play` (paper) a session may speak for anybody: its own role says nothing about verbs."""
        self._app = app
        self._is_play = is_play
        self._front = front
        self._persons = persons
        self._let_in: set[str] = set()
        """Digests of what let somebody in before: a stranger who floods their address makes none of them wait."""

    def _caller(self, identity: Identity, ip: str) -> Caller | None:
        """An identity with its person's present role; None when the person is gone."""
        for view in self._persons():
            if view.id == identity.person:
                return Caller(identity=identity, role=RoleName[view.role.upper()], ip=ip)
        return None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check one request or WebSocket handshake, then hand it on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        try:
            answer, receive = await self._check(scope, receive)
        except AccessLost as lost:
            answer = refuse(503, "access_lost", f"{str(lost)[:1].upper()}{str(lost)[1:]}", wait_s=5)
        except SourceLost as lost:  # who may act is not known yet
            answer = refuse(503, "engine_lost", f"{str(lost)[:1].upper()}{str(lost)[1:]}", wait_s=2)
        if answer is None:
            await self._app(scope, _limited(receive, scope["state"]["body_bytes"]), send)
        elif scope["type"] == "websocket" and "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": 4401 if answer.status_code == 401 else 4403})
        else:
            await answer(scope, receive, send)

    async def _check(self, scope: Scope, receive: Receive) -> tuple[Response | None, Receive]:
        """The answer that refuses a request, or None when it may pass; and what it is received from."""
        rule, refusal = self._look(scope)
        if refusal is None and rule is not None and rule.is_line:
            stops, receive = await looked_at(receive, self._front.table.stops)
            rule = structs.replace(rule, rate=Rate.HALT) if stops else rule
        return refusal or self._crowded(scope, rule) or await self._judge(scope, rule), receive

    def _look(self, scope: Scope) -> tuple[Rule | None, Response | None]:
        """The row of the table, and what is wrong before anybody is asked for."""
        front, headers = self._front, Headers(scope=scope)
        state = scope.setdefault("state", {})
        state["caller"], state["ip"] = None, front.network.client_ip(scope)
        is_socket = scope["type"] == "websocket"
        method = "WS" if is_socket else scope["method"]
        if problem := front.network.foreign_host(scope):
            return None, refuse(403, "host", problem)
        changes = is_socket or method not in SAFE_METHODS
        is_program = bool(_token(headers) or (is_socket and QueryParams(scope["query_string"]).get("ticket")))
        if problem := front.network.foreign_origin(scope, required=changes and not is_program):
            return None, refuse(403, "origin", problem)
        rule = front.table.find(method, scope["path"])
        state["body_bytes"] = rule.body_bytes if rule is not None and not is_socket else None
        return rule, _too_long(headers, rule) if rule is not None else None

    def _crowded(self, scope: Scope, rule: Rule | None) -> Response | None:
        rate = Rate.OPEN if rule is None else rule.rate
        wait_s = self._front.limits.of_address(rate, scope["state"]["ip"])
        if not wait_s or digest(self._secret(scope, Headers(scope=scope))) in self._let_in:
            return None
        return refuse(429, "rate", f"Too many requests from this address: wait {wait_s} s", wait_s=wait_s)

    async def _judge(self, scope: Scope, rule: Rule | None) -> Response | None:
        front, state, headers = self._front, scope["state"], Headers(scope=scope)
        if rule is not None and rule.role is None:
            return None
        token = _token(headers)
        if scope["path"] == METRICS_PATH and rule is not None and token and is_scraper(front.scrape, token):
            return None
        found = await self._who(scope, headers, token, rule)
        self._remember(self._secret(scope, headers), is_good=isinstance(found, Caller))
        if not isinstance(found, Caller):
            return found
        state["caller"] = found
        if rule is None:
            return self._nothing(scope["path"])
        if (refusal := self._may(headers, found, rule)) is not None:
            return refusal
        if wait_s := front.limits.of_caller(rule.rate, found.key):
            return refuse(429, "rate", f"Too many requests: wait {wait_s} s", wait_s=wait_s)
        return None

    def _secret(self, scope: Scope, headers: Headers) -> str:
        """The token or the session's cookie that is shown; "" where neither is."""
        cookie = cookie_name(scope, is_tls=self._front.network.scheme(scope) == "https")
        return _token(headers) or cookie_parser(headers.get("cookie", "")).get(cookie, "")

    def _remember(self, secret: str, *, is_good: bool) -> None:
        if not is_good:
            self._let_in.discard(digest(secret))
        elif secret:
            if len(self._let_in) >= MOST_LET_IN:
                self._let_in.clear()
            self._let_in.add(digest(secret))

    def _nothing(self, path: str) -> Response:
        """What the table does not know: other methods of an address, or nothing at all."""
        methods = self._front.table.methods(path)
        if not methods:
            return refuse(404, "not_found", "There is nothing at this address")
        answer = refuse(405, "method_not_allowed", f"This address takes {', '.join(sorted(methods))}")
        answer.headers["Allow"] = ", ".join(sorted(methods))
        return answer

    async def _who(self, scope: Scope, headers: Headers, token: str, rule: Rule | None) -> Caller | Response:
        front, ip = self._front, scope["state"]["ip"]
        shown: Identity | Denied | None = None
        if token:
            shown = await front.access.token(token, ip)
        elif scope["type"] == "websocket" and (ticket := QueryParams(scope["query_string"]).get("ticket")):
            shown = await front.access.spend_ticket(ticket, ip)
        elif secret := self._secret(scope, headers):
            shown = await front.access.session(secret)
        if isinstance(shown, Denied):
            if shown.wait_s:
                return refuse(429, "locked", f"{shown.text}: wait {shown.wait_s} s", wait_s=shown.wait_s)
            return refuse(401, "token", shown.text)
        caller = self._caller(shown, ip) if shown is not None else None
        if caller is not None:
            return caller
        if rule is not None and rule.is_page and scope.get("method") == "GET":
            return RedirectResponse("/login", 303)
        return refuse(401, "not_logged_in", "Not logged in: open a login link first, or send a token")

    def _may(self, headers: Headers, caller: Caller, rule: Rule) -> Response | None:
        if caller.is_person and rule.csrf is Csrf.HEADER and CSRF_HEADER not in headers:
            return refuse(403, "csrf", "The header X-Requested-With is required here: send X-Requested-With: dashboard")
        is_lent = self._is_play and rule.is_verb and caller.is_person
        if rule.role is not None and caller.role < rule.role and not is_lent:
            needed = rule.role.name.lower()
            return refuse(
                403, "role", f"This needs the role {needed} or higher; {caller.person} is {caller.role.name.lower()}"
            )
        if not caller.is_person:
            if rule.scope is None:
                return refuse(403, "needs_person", "This takes a person who is logged in, not a token")
            if rule.scope not in caller.scopes:
                return refuse(403, "scope", f"This needs a token with the scope {rule.scope}")
        elif (
            rule.needs_code and self._front.codes_needed() and not Proof(self._front.access).is_proved(caller.identity)
        ):
            return refuse(403, "code_needed", "This needs a one-time code first: POST /api/v1/step-up")
        return None


def _token(headers: Headers) -> str:
    said = headers.get("authorization", "")
    return said[len(BEARER) :] if said.lower().startswith(BEARER) else ""


def _limited(receive: Receive, most: int | None) -> Receive:
    """What is received of a body, at most so many bytes, whatever was said of its length. Raises `Refused`."""
    if most is None:
        return receive
    seen = 0

    async def limited() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > most:
            raise Refused(413, TOO_LONG.format(most=most))
        return message

    return limited


def _too_long(headers: Headers, rule: Rule) -> Response | None:
    """A body that says it is longer than the route takes; one that lies is cut off while it is read."""
    length = headers.get("content-length", "0")
    most = rule.body_bytes
    if length.isascii() and length.isdecimal() and int(length[:12]) <= most:
        return None
    return refuse(413, "too_long", TOO_LONG.format(most=most))
