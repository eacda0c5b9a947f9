"""Errors as RFC 9457 has them: whatever a route raises becomes one problem+json with a `code` that programs go by.

NotKnown 404   BadArgument 422   NotAllowed 403   SourceLost, NotNow 503   everything that fails inside 500
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from domain.access import AccessLost
from domain.answer import BadArgument, NotKnown, NotNow
from domain.errors import MoonDevError
from gateway.access.refuse import refuse
from gateway.gateway import NotAllowed
from gateway.refused import CODES, Refused
from gateway.source import SourceLost

RETRY_S: Final = 2
KINDS: Final = (
    (BadArgument, 422, "bad_argument"),
    (NotKnown, 404, "not_found"),
    (NotAllowed, 403, "not_allowed"),
    (AccessLost, 503, "access_lost"),
    (NotNow, 503, "not_now"),
    (SourceLost, 503, "engine_lost"),
)


def add_handlers(app: FastAPI) -> None:
    """Let an app answer with problems."""
    for kind in (MoonDevError, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, on_error)


async def on_error(_: Request, error: Exception) -> Response:
    """The answer to a request that ended with an error. What was sent is not repeated."""
    for kind, status, code in KINDS:
        if isinstance(error, kind):
            wait_s = RETRY_S if status == HTTPStatus.SERVICE_UNAVAILABLE else 0
            return refuse(status, code, sentence(error), wait_s=wait_s)
    match error:
        case Refused():
            return refuse(error.status, error.code, sentence(error))
        case RequestValidationError():
            said = [f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in error.errors()]
            return refuse(422, "bad_argument", _text("; ".join(said)))
        case HTTPException():
            answer = refuse(error.status_code, CODES.get(error.status_code, "refused"), _text(str(error.detail)))
            answer.headers.update(error.headers or {})
            return answer
        case _:
            raise error


def method_not_allowed(methods: set[str]) -> Response:
    """There is this address, and it takes other methods."""
    allowed = ", ".join(sorted(methods))
    answer = refuse(HTTPStatus.METHOD_NOT_ALLOWED, CODES[405], f"This address takes {allowed}")
    answer.headers["Allow"] = allowed
    return answer


def sentence(error: Exception) -> str:
    """An error's text, beginning with a capital and fit for JSON."""
    text = _text(str(error))
    return f"{text[:1].upper()}{text[1:]}"


def _text(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
