"""`GET /api/v1/me`: who is asking, what that may be used for, and whom it may speak for."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from domain.views import PersonView
from gateway.access.caller import Caller
from gateway.gateway import Gateway

JSON: Final = "application/json"


class MeView(Struct, frozen=True, kw_only=True):
    """The caller: a person who is logged in, or a program with a token of that person."""

    id: str
    name: str
    role: str
    kind: str
    """`session` or `token`."""
    scopes: tuple[str, ...]
    """What it may be used for: everything, for a session."""
    expires_ns: int
    environment: str
    may_act_as: tuple[PersonView, ...]
    """Persons that it may speak for: itself, and in paper everybody for a session."""


async def me(request: Request) -> Response:
    """Tell the caller who it is."""
    gateway: Gateway = request.state.gateway
    caller: Caller = request.state.caller
    persons = gateway.persons(caller)
    own = next(one for one in persons if one.id == caller.person)
    view = MeView(
        id=own.id,
        name=own.name,
        role=own.role,
        kind=caller.kind.value,
        scopes=tuple(sorted(scope.value for scope in caller.scopes)),
        expires_ns=caller.identity.expires_ns,
        environment=gateway.config.environment.value,
        may_act_as=tuple(persons),
    )
    return Response(msgspec.json.encode(view), media_type=JSON)


ROUTES: Final = (Route("/api/v1/me", me, methods=["GET"]),)
