"""Approving an API wallet (agent): the one thing that an account's own key signs here.

    ApproveAgent ── EIP-712, domain HyperliquidSignTransaction ──▶ digest ── secp256k1 ──▶ r, s, v

There is no revoking at Hyperliquid: approving another key under the same name replaces the agent that had it, and a key
that was an agent once is never approved again. So an old agent ends when a key that nobody has takes its name. A name
may carry an end: `name valid_until MILLISECONDS`, half a year ahead at most. One agent more may have no name.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence

import msgspec
from coincurve import PrivateKey
from msgspec import Struct

from domain.errors import ConfigError, VenueError
from domain.ports import Signer, SignRequest
from exchanges.hyperliquid.signing import address_of, keccak

ACTION = "approveAgent"
LONGEST_NAME = 16
VALID_UNTIL = " valid_until "
CHAIN_ID = "0x66eee"
"""Of the wallet that signs; the venue takes any. The network is `hyperliquid_chain`."""
_DOMAIN = keccak(
    keccak(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
    + keccak(b"HyperliquidSignTransaction")
    + keccak(b"1")
    + int(CHAIN_ID, 16).to_bytes(32, "big")
    + bytes(32)
)
_TYPE = keccak(
    b"HyperliquidTransaction:ApproveAgent(string hyperliquidChain,address agentAddress,string agentName,uint64 nonce)"
)


class ApproveAgent(Struct, frozen=True, tag_field="type", tag=ACTION, rename="camel", forbid_unknown_fields=True):
    """The action; `agent_name` "" is the agent without a name."""

    hyperliquid_chain: str
    agent_address: str
    agent_name: str
    nonce: int
    signature_chain_id: str = CHAIN_ID

    @property
    def digest(self) -> bytes:
        """The 32 bytes that the account's own key signs."""
        message = (
            _TYPE
            + keccak(self.hyperliquid_chain.encode())
            + bytes(12)
            + bytes.fromhex(self.agent_address.removeprefix("0x"))
            + keccak(self.agent_name.encode())
            + self.nonce.to_bytes(32, "big")
        )
        return keccak(b"\x19\x01" + _DOMAIN + keccak(message))


_decoder = msgspec.msgpack.Decoder(ApproveAgent)


def approval(address: str, name: str, nonce: int, *, is_mainnet: bool) -> ApproveAgent:
    """The approval of one key under a name, which may carry its end."""
    return ApproveAgent("Mainnet" if is_mainnet else "Testnet", address, name, nonce)


def name_until(name: str, until_ms: int) -> str:
    """An agent's name that ends then. Raises `ConfigError` for one that the venue would not take."""
    if not 0 < len(name) <= LONGEST_NAME or VALID_UNTIL in name:
        raise ConfigError(f"an API wallet's name has 1 to {LONGEST_NAME} letters, not {name!r:.40}")
    return f"{name}{VALID_UNTIL}{until_ms}"


def new_key() -> tuple[str, str]:
    """A new private key and its address."""
    secret = secrets.token_hex(32)
    return f"0x{secret}", address_of(PrivateKey(bytes.fromhex(secret)).public_key)


class ApprovingSigner:
    """Signs as `signer` does, and approvals with the accounts' own keys `owners`, of nothing but the addresses `ours`.

    An own key signs nothing else: not an order, and no approval of a key that is not in this vault. Whoever takes the
    engine over can therefore not make himself an agent. Raises `ConfigError` for a key that is none.
    """

    def __init__(self, signer: Signer, owners: Iterable[str], ours: Iterable[str], *, is_mainnet: bool) -> None:
        self._signer = signer
        self._chain = "Mainnet" if is_mainnet else "Testnet"
        self._ours = {address.lower() for address in ours}
        found: dict[str, PrivateKey] = {}
        for text in owners:
            try:
                key = PrivateKey(bytes.fromhex(text.strip().removeprefix("0x")))
            except (ValueError, TypeError):
                raise ConfigError(
                    "an owner's key is not a private key: expected 0x and 64 hexadecimal digits"
                ) from None
            found[address_of(key.public_key)] = key
        self._owners: Mapping[str, PrivateKey] = found

    def __repr__(self) -> str:
        return f"ApprovingSigner({self._signer!r}, {', '.join(self._owners)})"

    def with_typed(self, owner: str) -> ApprovingSigner:
        """The same with an own key that a person has typed, which is kept nowhere. Raises `ConfigError`."""
        is_mainnet = self._chain == "Mainnet"
        return ApprovingSigner(self._signer, [owner], self._ours, is_mainnet=is_mainnet)

    async def sign(self, requests: Sequence[SignRequest]) -> list[bytes]:
        """65 bytes each. For an approval `key` is the account's address and the payload the action in MessagePack."""
        if any(request.action == ACTION for request in requests):
            return [self._approve(request) for request in requests]
        return await self._signer.sign(requests)

    def _approve(self, request: SignRequest) -> bytes:
        key = self._owners.get(request.key.lower())
        if request.action != ACTION or key is None:
            raise VenueError(
                f"the vault has no key of kind owner for {request.key!r:.50}: add it (`moondev vault add NAME --kind "
                "owner`), or type it when you rotate at a terminal"
            )
        try:
            action = _decoder.decode(request.payload)
            digest = action.digest
        except (msgspec.MsgspecError, ValueError, OverflowError):
            raise VenueError("the signer cannot read the approval that it should sign") from None
        if action.hyperliquid_chain != self._chain or action.signature_chain_id != CHAIN_ID:
            raise VenueError(f"the owner's key signs for {self._chain}, not for {action.hyperliquid_chain!r:.20}")
        if action.agent_address.lower() not in self._ours:
            raise VenueError(f"the owner's key approves keys of this vault alone, not {action.agent_address!r:.50}")
        return key.sign_recoverable(digest, hasher=None)


def with_typed(signer: Signer, owner: str) -> Signer:
    """A venue's signer whose account's own key a person has typed. Raises `ConfigError`."""
    if not isinstance(signer, ApprovingSigner):
        raise ConfigError("only Hyperliquid's accounts approve keys with their own")
    return signer.with_typed(owner)


def request_of(owner: str, action: ApproveAgent) -> SignRequest:
    """What `ApprovingSigner` is asked."""
    return SignRequest(key=owner, action=ACTION, payload=msgspec.msgpack.encode(action))
