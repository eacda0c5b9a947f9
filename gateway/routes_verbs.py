"""What changes something: `POST /api/v1/verbs/{verb}` with named arguments, and `POST /api/v1/line` for a console.

A refusal is an answer (200, `ok` false). What takes a confirmation or votes answers with the question.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Final, TypeAlias, TypeVar

import msgspec
from msgspec import Meta, Raw, Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from domain.answer import Answer
from domain.commands import Actor
from gateway.arguments import checked
from gateway.gateway import Gateway
from gateway.idempotency import fingerprint
from gateway.refused import Refused

B = TypeVar("B", bound=Struct)
Work: TypeAlias = Callable[[str], Awaitable[Answer]]
KEY_HEADER: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotency-Replayed"
JSON: Final = "application/json"

PersonName = Annotated[
    str, Meta(max_length=100, description="In paper, another person to speak as; otherwise the caller's own.")
]


class VerbBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Named arguments of a verb."""

    arguments: dict[str, str | int | float] = {}
    person: PersonName = ""


class LineBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A line as people type it."""

    line: Annotated[str, Meta(min_length=1, max_length=1_000, description="For example `/status`.")]
    person: PersonName = ""


class VerbAnswer(Struct, frozen=True, kw_only=True):
    """What it came to. `ok` false is a refusal; `text` is all of it in plain text, `message` the same to be drawn."""

    ok: bool
    text: str
    message: Raw


async def run_verb(request: Request) -> Response:
    """Carry out one verb of the table."""
    gateway: Gateway = request.state.gateway
    verb = await gateway.verbs.find(request.path_params["verb"])
    raw = await request.body()
    body = _body(request, raw, VerbBody)
    arguments = checked(verb, body.arguments)
    actor = gateway.actor(request.state.caller, body.person)

    async def work(request_id: str) -> Answer:
        return await gateway.source.run(actor, verb.path, arguments, request_id)

    return await _answered(request, actor, raw, work, effect=verb.effect)


async def say_line(request: Request) -> Response:
    """Carry out a line as typed at a console, with its aliases and "did you mean"."""
    gateway: Gateway = request.state.gateway
    raw = await request.body()
    body = _body(request, raw, LineBody)
    actor = gateway.actor(request.state.caller, body.person)

    async def work(request_id: str) -> Answer:
        return await gateway.source.say(actor, body.line, request_id)

    return await _answered(request, actor, raw, work)


ROUTES: Final = (
    Route("/api/v1/verbs/{verb}", run_verb, methods=["POST"]),
    Route("/api/v1/line", say_line, methods=["POST"]),
)


def _body(request: Request, raw: bytes, kind: type[B]) -> B:
    """The body of a request. Raises `Refused`."""
    given = request.headers.get("content-type", "")
    if given.partition(";")[0].strip().lower() != JSON:
        raise Refused(415, f"the body is {JSON}")
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        raise Refused(422, f"the body is not as it should be: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refused(400, "the body is no JSON") from None


async def _answered(request: Request, actor: Actor, raw: bytes, work: Work, *, effect: str = "adds") -> Response:
    gateway: Gateway = request.state.gateway
    keys = request.headers.getlist(KEY_HEADER)
    if len(keys) > 1:
        raise Refused(422, f"{KEY_HEADER} is given twice")
    print_ = fingerprint(request.url.path, raw)
    answer, is_replayed = await gateway.once.run(actor.chat, keys[0] if keys else None, print_, work, effect=effect)
    body = VerbAnswer(ok=answer.ok, text=answer.text, message=Raw(answer.message))
    headers = {REPLAYED: "true"} if is_replayed else {}
    return Response(msgspec.json.encode(body), 200, headers, JSON)
