"""Approve and deny buttons: `ap:<request>:<y|n>:<mac>`, 64 bytes at most, the same on every channel.

The mac (96 bits) covers the request, its digest and the answer under a key made from the bot's own token,
so nothing is stored, buttons survive a restart, and a button does not fit a request that has changed.
A button proves what is asked, never who presses: that is checked like any command.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from typing import Final

from bot.message import Button
from domain.errors import ConfigError
from domain.ports import Secrets
from domain.views import RequestView

PATTERN: Final = r"ap:(?P<request>[^:]{1,34}):(?P<answer>[yn]):(?P<mac>[0-9a-f]{24})"
VERBS: Final = {"y": "approve", "n": "deny"}


class Signer:
    """Makes and checks the data behind a bot's buttons."""

    def __init__(self, token: str) -> None:
        self._key = hmac.digest(token.encode(), b"moondev approval buttons", hashlib.sha256)

    def buttons(self, request: str, digest: str) -> tuple[Button, ...]:
        """Approve and deny for a request whose content has this digest."""
        return (
            Button("Approve", f"ap:{request}:y:{self._mac(request, digest, 'y')}"),
            Button("Deny", f"ap:{request}:n:{self._mac(request, digest, 'n')}"),
        )

    def line(self, data: str, pending: Iterable[RequestView]) -> str | None:
        """The command line that a button stands for; None when it is forged or its request is no longer open."""
        match = re.fullmatch(PATTERN, data)
        if match is None:
            return None
        request, answer = match["request"], match["answer"]
        digest = next((view.digest for view in pending if view.id == request), None)
        if digest is None or not hmac.compare_digest(match["mac"], self._mac(request, digest, answer)):
            return None
        return f"/{VERBS[answer]} {request}"

    def _mac(self, request: str, digest: str, answer: str) -> str:
        content = f"{request}\0{digest}\0{answer}".encode()
        return hmac.digest(self._key, content, hashlib.sha256).hex()[:24]


def signer_for(secrets: Secrets, name: str) -> Signer | None:
    """The signer of the bot whose token is the secret `name`; None while it cannot be had."""
    try:
        return Signer(secrets.get(name))
    except ConfigError:
        return None
