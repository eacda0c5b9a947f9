"""Approve and deny buttons: `ap:<request>:<y|n>:<key>:<mac>`, 64 bytes at most, the same on every channel.

The mac (96 bits) covers the request, the SHA-256 of its content and the answer, under a key made from the bot's own
token and the installation, so nothing is stored, buttons survive a restart, and a button does not fit a request that
has changed. `key` names that key: what was made under another one (an older token, another data folder) is old, what
names this one and does not fit it was forged. A button proves what is asked, never who presses: that is checked like
any command.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from bot.message import Button
from domain.errors import ConfigError
from domain.facts import RequestStatus
from domain.ports import Secrets
from domain.views import RequestView

PATTERN: Final = r"ap:(?P<request>[^:]{1,24}):(?P<answer>[yn]):(?:(?P<key>[0-9a-f]{6}):)?(?P<mac>[0-9a-f]{24})"
VERBS: Final = {"y": "approve", "n": "deny"}
SHOWN_DIGEST: Final = 8


class Press(Struct, frozen=True):
    """What a pressed button stands for: a command line, "" when its request is closed; or it was forged."""

    line: str = ""
    request: str = ""
    forged: bool = False


class Signer:
    """Makes and checks the data behind a bot's buttons."""

    def __init__(self, token: str, installation: Callable[[], str] = str) -> None:
        self._token = token
        self._installation = installation

    def buttons(self, request: str, digest: str) -> tuple[Button, ...]:
        """Approve and deny for a request whose content has this digest."""
        return (
            Button("Approve", f"ap:{request}:y:{self._name}:{self._mac(request, digest, 'y')}"),
            Button("Deny", f"ap:{request}:n:{self._name}:{self._mac(request, digest, 'n')}"),
        )

    def read(self, data: str, find: Callable[[str], RequestView | None]) -> Press:
        """What the data of a pressed button stands for; `find` gives a request, waiting or decided."""
        match = re.fullmatch(PATTERN, data)
        if match is None or not hmac.compare_digest(match["key"] or "", self._name):
            return Press()
        request, answer = match["request"], match["answer"]
        view = find(request)
        if view is None:
            return Press(request=request)
        if not hmac.compare_digest(match["mac"], self._mac(request, view.digest, answer)):
            return Press(request=request, forged=True)
        if view.status != RequestStatus.PENDING:
            return Press(request=request)
        shown = f" {view.digest[:SHOWN_DIGEST]}" if answer == "y" else ""
        return Press(line=f"/{VERBS[answer]} {request}{shown}", request=request)

    @property
    def _key(self) -> bytes:
        content = f"moondev approval buttons\0{self._installation()}".encode()
        return hmac.digest(self._token.encode(), content, hashlib.sha256)

    @property
    def _name(self) -> str:
        return hmac.digest(self._key, b"name", hashlib.sha256).hex()[:6]

    def _mac(self, request: str, digest: str, answer: str) -> str:
        content = f"{request}\0{digest}\0{answer}".encode()
        return hmac.digest(self._key, content, hashlib.sha256).hex()[:24]


def signer_for(secrets: Secrets, name: str, installation: Callable[[], str] = str) -> Signer | None:
    """The signer of the bot whose token is the secret `name`; None while it cannot be had."""
    try:
        return Signer(secrets.get(name), installation)
    except ConfigError:
        return None
