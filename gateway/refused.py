"""`Refused`: a request that is refused for its form, before anything is done with it."""

from __future__ import annotations

from typing import Final

from domain.errors import MoonDevError

CODES: Final = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_long",
    415: "media_type",
    422: "bad_argument",
}


class Refused(MoonDevError):
    """A request that is refused for its form: an HTTP status, and what to send instead."""

    def __init__(self, status: int, text: str, code: str = "") -> None:
        self.status = status
        self.code = code or CODES.get(status, "refused")
        super().__init__(text)
