"""Signatures outside ccxt: a placeholder inside it, the `Signer` port outside.

    ccxt builds a request ── hmac(payload) ──▶ a mark in URL, body or headers
                                                 │ before it leaves
                        SignRequest(payload) ◀───┘──▶ Signer ──▶ the signature in the mark's place

ccxt holds `PLACEHOLDER` where the secret belongs, so nothing that it logs, raises or sends can give one away. What is
signed is decided twice: here by the endpoint (`ClientSpec.actions`), and by the signer from the payload itself. A
payload of Binance or Bybit does not name its endpoint, so the signer knows an action by the names of its parameters:
a withdrawal or transfer has some that no allowed action has.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence

from domain.errors import ConfigError, VenueError
from domain.ports import SignRequest

PLACEHOLDER = "the-secret-is-with-the-signer"
"""What ccxt believes to be the secret."""
KEPT = 1_000
PLAIN = re.compile(r"[A-Za-z0-9_.,:/%+-]*")
"""What a value in a query looks like: nothing in it is an end of the parameter for whoever reads it differently."""
_MARK = re.compile(r"unsigned[0-9a-f]{16}")


class Seal:
    """Marks what ccxt wants signed, and puts the signatures there."""

    def __init__(self) -> None:
        self._marks: dict[str, tuple[bytes, str]] = {}
        self._number = 0

    def mark(self, payload: bytes | str, digest: str) -> str:
        """A mark for a signature over `payload`, in the text form `digest` (hex or base64)."""
        self._number += 1
        mark = f"unsigned{self._number:016x}"
        self._marks[mark] = (payload.encode() if isinstance(payload, str) else payload, digest)
        if len(self._marks) > KEPT:
            del self._marks[next(iter(self._marks))]
        return mark

    def wanted(self, text: str) -> list[tuple[str, bytes, str]]:
        """The marks in a text, each with its payload and the form of its signature; they are forgotten here."""
        marks = [mark for mark in dict.fromkeys(_MARK.findall(text)) if mark in self._marks]
        return [(mark, *self._marks.pop(mark)) for mark in marks]


def as_text(signature: bytes, digest: str) -> str:
    """A signature as the venue wants it."""
    return base64.b64encode(signature).decode() if digest == "base64" else signature.hex()


class HmacSigner:
    """The `Signer` port for venues that sign with HMAC-SHA256, with the keys in this process.

    `keys` maps names to secrets; `names` reads the names of the parameters out of a payload; `allowed` gives, for each
    action, those that it may have. An HMAC does not tell networks apart: whether keys may sign for mainnet is decided
    before one is made, by `exchanges.shared.setup.signs_mainnet`. Raises `ConfigError` for an empty secret.
    """

    def __init__(
        self,
        keys: Mapping[str, str],
        names: Callable[[bytes], frozenset[str] | None],
        allowed: Mapping[str, frozenset[str]],
    ) -> None:
        empty = sorted(name for name, secret in keys.items() if not secret.strip())
        if empty:
            raise ConfigError(f"the API secret {empty[0]!r} is empty; put the secret half of the API key there")
        self._keys = {name: secret.strip().encode() for name, secret in keys.items()}
        self._names = names
        self._allowed = dict(allowed)

    def __repr__(self) -> str:
        return f"HmacSigner({', '.join(self._keys)})"

    async def sign(self, requests: Sequence[SignRequest]) -> list[bytes]:
        """32 bytes each. Raises `VenueError` for what is not an allowed action, and for an unknown key."""
        return [self._sign(request) for request in requests]

    def _sign(self, request: SignRequest) -> bytes:
        allowed = self._allowed.get(request.action)
        if allowed is None:
            raise VenueError(f"the signer does not know the action {request.action!r:.40}")
        names = self._names(request.payload)
        if names is None:
            raise VenueError(f"the signer cannot read what it should sign as {request.action!r:.40}")
        odd = sorted(names - allowed)
        if odd:
            raise VenueError(f"the signer refuses {request.action!r:.40}: it may not have {', '.join(odd)[:200]}")
        key = self._keys.get(request.key)
        if key is None:
            raise VenueError(f"the signer has no key {request.key!r:.40}")
        return hmac.new(key, request.payload, hashlib.sha256).digest()
