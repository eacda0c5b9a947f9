"""Signed buttons: `kind:subject:answer:key:mac`, 64 bytes at most, the same on every channel.

The mac (96 bits) covers the kind, the subject, the digest of its content and the answer, under a key made from the
bot's own token and the installation, so nothing is stored, buttons survive a restart, and a button does not fit a
subject that has changed. `key` names that key: what was made under another one (an older token, another data folder) is
old, what names this one and does not fit it was forged. A button proves what is asked, never who presses: that is
checked like any command.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Sequence
from typing import Final, Protocol, TypeAlias

from msgspec import Struct

from bot.message import Button
from domain.errors import ConfigError
from domain.ports import Secrets

VOTE: Final = "ap"
PREVIEW: Final = "cf"
ORDER: Final = "co"
PAGE: Final = "tp"
ALERT: Final = "ak"
LINES: Final = {
    (VOTE, "y"): "/approve {subject} {digest}",
    (VOTE, "n"): "/deny {subject}",
    (PREVIEW, "y"): "/confirm {subject}",
    (PREVIEW, "n"): "/confirm {subject} no",
    (ORDER, "n"): "/cancel {subject}",
    (PAGE, "y"): "/trades {subject}",
    (ALERT, "y"): "/ack {subject}",
}
"""The command line that a press stands for, by kind and answer; `n` is the red one."""
LABELS: Final = {
    (VOTE, "y"): "Approve",
    (VOTE, "n"): "Deny",
    (PREVIEW, "y"): "Confirm",
    (PREVIEW, "n"): "Cancel",
    (ORDER, "n"): "Cancel order",
    (PAGE, "y"): "More",
    (ALERT, "y"): "Acknowledge",
}
PATTERN: Final = (
    r"(?P<kind>[a-z]{2}):(?P<subject>[^:]{1,24}):(?P<answer>[yn]):(?:(?P<key>[0-9a-f]{6}):)?(?P<mac>[0-9a-f]{24})"
)
SHOWN_DIGEST: Final = 8
LONGEST_SUBJECT: Final = 24


class Subject(Struct, frozen=True):
    """What a button is about: the digest of its content, and whether an answer still counts."""

    digest: str
    is_open: bool


Find: TypeAlias = Callable[[str, str], Subject | None]
"""The subject of a kind and an id; None when it is not known (any more)."""


class Press(Struct, frozen=True):
    """What a pressed button stands for: a command line, "" when its subject is closed; or it was forged."""

    line: str = ""
    request: str = ""
    forged: bool = False
    kind: str = ""


class Bot(Protocol):
    """A bot, as far as buttons need it: who signs them, None while it has no token."""

    signer: Signer | None


class Signer:
    """Makes and checks the data behind a bot's buttons."""

    def __init__(self, token: str, installation: Callable[[], str] = str) -> None:
        self._token = token
        self._installation = installation

    def buttons(self, subject: str, digest: str, kind: str = VOTE) -> tuple[Button, ...]:
        """The buttons of a subject whose content has this digest: yes and no."""
        return tuple(self.button(subject, digest, kind, answer) for answer in "yn" if (kind, answer) in LINES)

    def button(self, subject: str, digest: str, kind: str, answer: str, label: str = "") -> Button:
        """One button; without a `label` it has the one of its kind."""
        data = f"{kind}:{subject}:{answer}:{self._name}:{self._mac(kind, subject, digest, answer)}"
        return Button(label or LABELS[kind, answer], data)

    def read(self, data: str, find: Find) -> Press:
        """What the data of a pressed button stands for."""
        match = re.fullmatch(PATTERN, data)
        if match is None or not hmac.compare_digest(match["key"] or "", self._name):
            return Press()
        kind, subject, answer = match["kind"], match["subject"], match["answer"]
        found = find(kind, subject)
        line = LINES.get((kind, answer), "")
        if found is None:
            return Press(request=subject, kind=kind)
        if not line or not hmac.compare_digest(match["mac"], self._mac(kind, subject, found.digest, answer)):
            return Press(request=subject, kind=kind, forged=True)
        if not found.is_open:
            return Press(request=subject, kind=kind)
        return Press(line.format(subject=subject, digest=found.digest[:SHOWN_DIGEST]), subject, kind=kind)

    @property
    def _key(self) -> bytes:
        content = f"moondev buttons\0{self._installation()}".encode()
        return hmac.digest(self._token.encode(), content, hashlib.sha256)

    @property
    def _name(self) -> str:
        return hmac.digest(self._key, b"name", hashlib.sha256).hex()[:6]

    def _mac(self, kind: str, subject: str, digest: str, answer: str) -> str:
        content = f"{kind}\0{subject}\0{digest}\0{answer}".encode()
        return hmac.digest(self._key, content, hashlib.sha256).hex()[:24]


def signer_for(secrets: Secrets, name: str, installation: Callable[[], str] = str) -> Signer | None:
    """The signer of the bot whose token is the secret `name`; None while it cannot be had."""
    try:
        return Signer(secrets.get(name), installation)
    except ConfigError:
        return None


def cancel_digest(order: str) -> str:
    """What a button that cancels an order is about: that order."""
    return hashlib.sha256(order.encode()).hexdigest()


def cancel_buttons(bot: Bot | None, orders: Sequence[tuple[str, str]]) -> tuple[Button, ...]:
    """A button for each order, by id and label; none where the door has no buttons."""
    if bot is None or bot.signer is None:
        return ()
    return tuple(
        bot.signer.button(order, cancel_digest(order), ORDER, "n", label)
        for order, label in orders
        if len(order) <= LONGEST_SUBJECT and ":" not in order
    )
