"""The signer of dYdX's transactions: it sees the whole document, and believes nobody about what is in it.

Only placing and cancelling orders is signed, without a fee, and only as a permissioned key: each message names the
authenticator of the account that is to judge it. What such a key may sign is limited by the chain too; see
`authenticators`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from coincurve import PrivateKey

from domain.errors import ConfigError, VenueError
from domain.ports import SignRequest
from exchanges.dydx.chain import BATCH_CANCEL, CANCEL, PLACE, digest_of, read_sign_doc
from exchanges.dydx.config import MAINNET
from exchanges.shared.setup import OTHER_NETWORK, PLAIN_KEY

ALLOWED = {PLACE: "place", CANCEL: "cancel", BATCH_CANCEL: "batchCancel"}
"""The messages that are signed, and what a request for them is called."""


class LocalSigner:
    """The `Signer` port with the keys in this process: the vault's signer, or tests, local venues and testnet.

    `keys` maps names to private keys (64 hexadecimal digits). They sign for one network: mainnet, or the others; see
    `exchanges.shared.setup.signs_mainnet`. Raises `ConfigError`, without the key, for one that is none.
    """

    def __init__(self, keys: Mapping[str, str], *, is_mainnet: bool = False) -> None:
        self._is_mainnet = is_mainnet
        self._keys: dict[str, PrivateKey] = {}
        for name, text in keys.items():
            try:
                self._keys[name] = PrivateKey(bytes.fromhex(text.removeprefix("0x")))
            except (ValueError, TypeError):
                raise ConfigError(
                    f"the dYdX key {name!r} is not a private key: expected 64 hexadecimal digits"
                ) from None

    def __repr__(self) -> str:
        return f"LocalSigner({', '.join(self._keys)})"

    async def sign(self, requests: Sequence[SignRequest]) -> list[bytes]:
        """65 bytes each: r, s, recovery id. Raises `VenueError` for anything outside `ALLOWED` or an unknown key."""
        return [self._sign(request) for request in requests]

    def _sign(self, request: SignRequest) -> bytes:
        found = read_sign_doc(request.payload)
        names = [ALLOWED.get(kind, kind) for kind in found.kinds]
        if not found.kinds or any(kind not in ALLOWED for kind in found.kinds) or set(names) != {request.action}:
            raise VenueError(f"the signer refuses {', '.join(names) or 'nothing'}, asked for as {request.action!r:.40}")
        if found.pays or found.extended or len(found.authenticators) != len(found.kinds):
            raise VenueError(
                "the signer refuses a transaction that pays a fee, carries other extensions, or does not name an "
                "authenticator for each message"
            )
        if (found.chain_id == MAINNET.chain_id) is not self._is_mainnet:
            raise VenueError(OTHER_NETWORK if self._is_mainnet else PLAIN_KEY)
        key = self._keys.get(request.key)
        if key is None:
            raise VenueError(f"the signer has no key {request.key!r}")
        return key.sign_recoverable(digest_of(request.payload), hasher=None)
