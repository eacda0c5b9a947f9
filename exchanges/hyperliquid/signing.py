"""Hyperliquid's signatures of trading actions ("L1 actions"), by the rules of its SDK, at native speed.

    action ── msgpack ── nonce, vault, expiry ──▶ payload ── keccak ──▶ connection id
    phantom agent (source, connection id) ── EIP-712 ──▶ digest ── secp256k1 ──▶ r, s, v

A `Signer` gets the whole payload and hashes it itself, so it reads the action's type in what it signs and need
not believe the caller. Withdrawals and transfers of the wallet are signed under another EIP-712 domain, which
nothing here can produce.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from coincurve import PrivateKey, PublicKey
from msgspec import Struct
from sha3 import keccak_256

from domain.errors import ConfigError, VenueError
from domain.ports import SignRequest
from exchanges.shared.setup import OTHER_NETWORK, PLAIN_KEY

ALLOWED = frozenset(
    {"order", "modify", "batchModify", "cancel", "cancelByCloid", "scheduleCancel", "updateLeverage", "noop"}
)
"""What an order path may sign; everything that moves money or gives rights is refused."""
MAINNET, TESTNET = b"a", b"b"


def keccak(data: bytes) -> bytes:
    """Keccak-256."""
    digest: bytes = keccak_256(data).digest()
    return digest


def _domain() -> bytes:
    kind = keccak(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
    contents = keccak(b"Exchange") + keccak(b"1") + (1337).to_bytes(32, "big") + bytes(32)
    return b"\x19\x01" + keccak(kind + contents)


_DOMAIN = _domain()
_AGENT = keccak(b"Agent(string source,bytes32 connectionId)")
_SOURCES = {source: _AGENT + keccak(source) for source in (MAINNET, TESTNET)}
_encoder = msgspec.msgpack.Encoder()


class Signature(Struct, frozen=True):
    """As the venue wants it: hexadecimal without leading zeros."""

    r: str
    s: str
    v: int


def l1_payload(
    action: Any,  # noqa: ANN401 - any encodable struct or object; its order of keys is what is signed
    nonce: int,
    *,
    is_mainnet: bool,
    vault: str = "",
    expires_ms: int = 0,
) -> bytes:
    """What a signer is given: the source, then exactly what the connection id is the hash of."""
    data = (MAINNET if is_mainnet else TESTNET) + _encoder.encode(action) + nonce.to_bytes(8, "big")
    data += b"\x01" + bytes.fromhex(vault.removeprefix("0x")) if vault else b"\x00"
    return data + b"\x00" + expires_ms.to_bytes(8, "big") if expires_ms else data


def digest_of(payload: bytes) -> bytes:
    """The 32 bytes that are signed. Raises `VenueError` for a payload of an unknown network."""
    source = _SOURCES.get(payload[:1])
    if source is None:
        raise VenueError("this is not a Hyperliquid payload: it names neither mainnet nor testnet")
    return keccak(_DOMAIN + keccak(source + keccak(payload[1:])))


def action_type(payload: bytes) -> str:
    """The type that the action in a payload has; empty where it cannot be read."""
    length = payload[7] - 0xA0 if len(payload) > 7 else -1
    if payload[2:7] != b"\xa4type" or payload[1] >> 4 != 8 or not 0 <= length < 32:
        return ""
    return payload[8 : 8 + length].decode("ascii", "replace")


def signature_of(signed: bytes) -> Signature:
    """A signer's 65 bytes (r, s, recovery id) as the wire has them."""
    r, s = int.from_bytes(signed[:32], "big"), int.from_bytes(signed[32:64], "big")
    return Signature(hex(r), hex(s), 27 + signed[64])


def signed_bytes(signature: Signature) -> bytes:
    """The reverse of `signature_of`. Raises `ValueError` for what is no signature."""
    r, s = int(signature.r, 16), int(signature.s, 16)
    return r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes([signature.v - 27])


def address_of(public: PublicKey) -> str:
    """The address of a public key, lower case."""
    return "0x" + keccak(public.format(compressed=False)[1:])[-20:].hex()


def recover(payload: bytes, signed: bytes) -> str:
    """Whose signature of a payload this is. Raises `ValueError` for one that nobody can have made."""
    return address_of(PublicKey.from_signature_and_message(signed, digest_of(payload), hasher=None))


class LocalSigner:
    """The `Signer` port with the keys in this process: the vault's signer, or tests, local venues and testnet.

    `keys` maps names to private keys (0x and 64 hexadecimal digits). They sign for one network: mainnet, or the others;
    see `exchanges.shared.setup.signs_mainnet`. Raises `ConfigError`, without the key, for one that is none.
    """

    def __init__(self, keys: Mapping[str, str], *, is_mainnet: bool = False) -> None:
        self._is_mainnet = is_mainnet
        self._keys: dict[str, PrivateKey] = {}
        for name, text in keys.items():
            try:
                self._keys[name] = PrivateKey(bytes.fromhex(text.removeprefix("0x")))
            except (ValueError, TypeError):
                raise ConfigError(
                    f"the Hyperliquid key {name!r} is not a private key: expected 0x and 64 hexadecimal digits"
                ) from None

    def __repr__(self) -> str:
        return f"LocalSigner({', '.join(self._keys)})"

    @property
    def addresses(self) -> list[str]:
        """Of all its keys."""
        return [address_of(key.public_key) for key in self._keys.values()]

    async def sign(self, requests: Sequence[SignRequest]) -> list[bytes]:
        """65 bytes each: r, s, recovery id. Raises `VenueError` for an action outside `ALLOWED` or an unknown key."""
        return [self._sign(request) for request in requests]

    def _sign(self, request: SignRequest) -> bytes:
        found = action_type(request.payload)
        if found not in ALLOWED or found != request.action:
            raise VenueError(f"the signer refuses {found or 'an unreadable action'!r}, asked for as {request.action!r}")
        if (request.payload[:1] == MAINNET) is not self._is_mainnet:
            raise VenueError(OTHER_NETWORK if self._is_mainnet else PLAIN_KEY)
        key = self._keys.get(request.key)
        if key is None:
            raise VenueError(f"the signer has no key {request.key!r}")
        return key.sign_recoverable(digest_of(request.payload), hasher=None)
