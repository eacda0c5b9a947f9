"""What the guard answers instead of a route: problem+json (RFC 9457), with a `code` that programs go by."""

from __future__ import annotations

import json
from http import HTTPStatus

from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"


def refuse(status: int, code: str, detail: str, *, wait_s: int = 0) -> Response:
    """An answer that refuses; `wait_s` says after how many seconds it may be asked again."""
    title = HTTPStatus(status).phrase
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, "code": code}
    headers = {"Retry-After": str(wait_s)} if wait_s else {}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="moondev"'
    return Response(json.dumps(body), status, headers, MEDIA_TYPE)
