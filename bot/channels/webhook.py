"""Webhooks: JSON by POST, signed as the Standard Webhooks specification says (standardwebhooks.com).

webhook-id          the same for every repetition: who has seen it need not act again
webhook-timestamp   seconds; refuse what is older than minutes
webhook-signature   "v1," and base64 of HMAC-SHA256 over "id.timestamp.body"
"""

from __future__ import annotations

import base64
import hmac
import time
from collections.abc import Callable, Mapping
from hashlib import sha256

import msgspec

from bot.carrier import RefusedForGood
from bot.channels.http import ask, open_client, outcome
from bot.store import Letter

PREFIX = "whsec_"


class WebhookCarrier:
    """Delivers letters to `hook:NAME`: the address of each is in the settings, or is a secret itself."""

    def __init__(self, hooks: Mapping[str, tuple[str, bytes]], clock_ns: Callable[[], int] = time.time_ns) -> None:
        """`hooks` are (address, key) by name; an empty key leaves a hook unsigned."""
        self._hooks = dict(hooks)
        self._clock_ns = clock_ns
        self._client = open_client()

    async def aclose(self) -> None:
        """Close the client."""
        await self._client.aclose()

    async def deliver(self, letter: Letter, replaces_id: str) -> str:
        """Post; see `bot.outbox.Carrier`. The id is that of the letter, which an update names in `replaces`."""
        number = letter_id(letter)
        await self._post(letter.recipient, number, body_of(letter, replaces_id))
        return replaces_id or number

    async def probe(self, recipient: str) -> bool:
        """Post a `ping`, which says nothing and asks for nothing. Raises as `deliver` does."""
        now_ns = self._clock_ns()
        body = msgspec.json.encode({"type": "ping", "sent_ts_ns": now_ns})
        await self._post(recipient, f"ping_{now_ns}", body)
        return True

    async def _post(self, recipient: str, number: str, body: bytes) -> None:
        name = recipient.partition(":")[2]
        if name not in self._hooks:
            raise RefusedForGood(f"there is no hook {name!r} in the settings")
        url, key = self._hooks[name]
        headers = {"content-type": "application/json", "webhook-id": number, "idempotency-key": number}
        headers |= signed(key, number, self._clock_ns() // 1_000_000_000, body)
        answer = await ask(self._client, "POST", url, content=body, headers=headers)
        if (error := outcome(answer, "")) is not None:
            raise error


def letter_id(letter: Letter) -> str:
    """The same for every repetition of a letter."""
    return "msg_" + sha256(f"{letter.event}\n{letter.part}\n{letter.recipient}".encode()).hexdigest()[:32]


def body_of(letter: Letter, replaces_id: str) -> bytes:
    """The JSON of a letter."""
    parcel = letter.parcel
    return msgspec.json.encode(
        {
            "type": "message",
            "event": letter.event,
            "severity": parcel.severity,
            "title": parcel.title,
            "text": parcel.plain,
            "created_ts_ns": letter.created_ns,
            "may_be_repeated": letter.unsure,
            "replaces": replaces_id,
        }
    )


def key_of(secret: str) -> bytes:
    """The key of a secret: base64 behind `whsec_`, else the text itself."""
    if secret.startswith(PREFIX):
        try:
            return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
        except ValueError:
            return secret.encode()
    return secret.encode()


def signed(key: bytes, number: str, timestamp_s: int, body: bytes) -> dict[str, str]:
    """The headers that prove who sent a body, and when."""
    headers = {"webhook-timestamp": str(timestamp_s)}
    if key:
        made = hmac.digest(key, f"{number}.{timestamp_s}.".encode() + body, "sha256")
        headers["webhook-signature"] = "v1," + base64.b64encode(made).decode()
    return headers
