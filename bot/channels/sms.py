"""Text messages over a REST interface of Twilio's shape.

The interface knows no idempotency key: before one is repeated, the server is asked whether it has it already.
"""

from __future__ import annotations

from typing import Any

import httpx
import msgspec

from bot.carrier import ChannelRefused, OutcomeUnknown, RefusedForGood
from bot.channels.http import Answer, ask, open_client, outcome
from bot.config import SmsConfig
from bot.store import Letter
from bot.supervise import scrub

FAILED = frozenset({"failed", "undelivered", "canceled"})
RECENT = 20
REF = " ref "
"""What stands behind it is a letter's own; what stands before may say that it comes again."""
UNAUTHORISED = frozenset({401, 403})


class SmsCarrier:
    """Delivers letters to `sms:+NUMBER`. `client` is of `open_client`, logged in as the account."""

    def __init__(self, config: SmsConfig, client: httpx.AsyncClient) -> None:
        self._config = config
        self._client = client
        self._path = f"/2010-04-01/Accounts/{config.account}"

    @classmethod
    def open(cls, config: SmsConfig, token: str) -> SmsCarrier:
        """A carrier with a client of its own."""
        return cls(config, open_client(config.api_url, (config.account, token)))

    async def aclose(self) -> None:
        """Close the client."""
        await self._client.aclose()

    async def deliver(self, letter: Letter, _replaces_id: str) -> str:
        """Send; see `bot.outbox.Carrier`. An update is a message of its own. The id is the provider's."""
        number = letter.recipient.partition(":")[2]
        if letter.unsure and (known := await self._known(number, letter)):
            return known
        form = {"To": number, "From": self._config.sender, "Body": letter.parcel.text}
        answer = await ask(self._client, "POST", f"{self._path}/Messages.json", data=form)
        said = _object(answer)
        self._check(answer, said, number)
        if said.get("status") in FAILED:
            raise RefusedForGood(_words(said) or str(said["status"]))
        sid = said.get("sid")
        if not isinstance(sid, str) or not sid:
            raise OutcomeUnknown("an answer without a sid")
        return sid

    async def probe(self, _recipient: str) -> bool:
        """Ask for the account, which sends nothing. Raises as `deliver` does."""
        answer = await ask(self._client, "GET", f"{self._path}.json")
        said = _object(answer)
        self._check(answer, said)
        if said.get("status") != "active":
            raise ChannelRefused(f"the account is {said.get('status')}")
        return True

    async def _known(self, number: str, letter: Letter) -> str:
        """The id of the message, when the server has it from an earlier attempt."""
        query = {"To": number, "From": self._config.sender, "PageSize": str(RECENT)}
        answer = await ask(self._client, "GET", f"{self._path}/Messages.json", params=query)
        said = _object(answer)
        self._check(answer, said)
        rows = said.get("messages")
        for row in rows if isinstance(rows, list) else ():
            if not isinstance(row, dict) or row.get("status") in FAILED:
                continue
            if str(row.get("body") or "").rpartition(REF)[2] == letter.parcel.plain.rpartition(REF)[2]:
                return str(row.get("sid") or "")
        return ""

    def _check(self, answer: Answer, said: dict[str, Any], number: str = "") -> None:
        error = outcome(answer, scrub(_words(said), number))
        if error is None:
            return
        raise ChannelRefused(str(error)) if answer.status in UNAUTHORISED else error


def _object(answer: Answer) -> dict[str, Any]:
    try:
        said = msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return said if isinstance(said, dict) else {}


def _words(said: dict[str, Any]) -> str:
    code = said.get("code") or said.get("error_code") or ""
    return f"{code} {said.get('message') or said.get('error_message') or ''}".strip()[:200]
