"""What only looks: one GET route for each row of the table of views, and the audit as a file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Final, TypeAlias

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from domain.answer import BadArgument
from domain.views import PersonView
from gateway.access.caller import Caller
from gateway.asked import MOST_ROWS, Nothing, bind
from gateway.gateway import Gateway
from gateway.source import Source
from gateway.views import VIEWS

Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]
JSON: Final = "application/json"
JSON_LINES: Final = "application/jsonl"


def reader_of(name: str) -> Endpoint:
    """The route of a view."""

    async def read(request: Request) -> Response:
        gateway: Gateway = request.state.gateway
        return Response(await gateway.source.view(name, arguments_of(request)), media_type=JSON)

    return read


async def verbs(request: Request) -> Response:
    """The verb table, as the gateway has it."""
    gateway: Gateway = request.state.gateway
    bind(Nothing, arguments_of(request))
    return Response(await gateway.verbs.raw(), media_type=JSON)


def arguments_of(request: Request) -> dict[str, str]:
    """The query of a request. Raises `BadArgument` for what is given twice."""
    found: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name in found:
            raise BadArgument(f"{name[:40]} is given twice")
        found[name] = value
    return found


class Rows(msgspec.Struct):
    """A page of any view, its rows as they are."""

    items: list[msgspec.Raw]
    next: str


async def export_audit(request: Request) -> Response:
    """Everything that matches, oldest pages last, a row a line: for who keeps copies."""
    gateway: Gateway = request.state.gateway
    asked = {"limit": str(MOST_ROWS), **arguments_of(request)}
    first = await _page(gateway.source, asked)  # what is wrong with the question is said before anything is sent
    headers = {"content-disposition": 'attachment; filename="audit.jsonl"'}
    return StreamingResponse(_lines(gateway.source, asked, first), 200, headers, JSON_LINES)


async def _page(source: Source, asked: Mapping[str, str]) -> Rows:
    return msgspec.json.decode(await source.view("audit", asked), type=Rows)


async def _lines(source: Source, asked: dict[str, str], page: Rows) -> AsyncIterator[bytes]:
    while True:
        yield b"".join(bytes(row) + b"\n" for row in page.items)
        if not page.next:
            return
        page = await _page(source, {**asked, "cursor": page.next})


class MeView(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks. `kind` is `session` or `token`; a token does no more than its scopes and its person's role."""

    person: str
    name: str
    role: str
    kind: str
    scopes: tuple[str, ...]
    expires_ns: int
    environment: str
    may_act_as: tuple[PersonView, ...]
    """In paper, whom a session may speak as, itself too."""


async def me(request: Request) -> Response:
    """Who asks."""
    gateway: Gateway = request.state.gateway
    caller: Caller = request.state.caller
    known = {one.id: one for one in gateway.source.persons()}
    found = MeView(
        person=caller.person,
        name=known[caller.person].name if caller.person in known else caller.person,
        role=caller.role.name.lower(),
        kind=caller.kind.value,
        scopes=tuple(sorted(caller.scopes)),
        expires_ns=caller.identity.expires_ns,
        environment=gateway.config.environment.value,
        may_act_as=tuple(gateway.persons(caller)),
    )
    return Response(msgspec.json.encode(found), media_type=JSON)


ROUTES: Final = (
    Route("/api/v1/me", me, methods=["GET"]),
    *(Route(f"/api/v1/{name}", verbs if name == "verbs" else reader_of(name), methods=["GET"]) for name in VIEWS),
    Route("/api/v1/audit.jsonl", export_audit, methods=["GET"]),
)
