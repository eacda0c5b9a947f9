"""A vault that is open in this process, exchanged key by key; a signer that runs beside it hears of each swap."""

from __future__ import annotations

import asyncio

from domain.ports import Signer
from vault.signer.client import SignerClient
from vault.signer.ring import KeyRing


class LocalKeys:
    """What `exchanges.shared.rotation` asks of keys. `beside` is the signer that signs for the engine, if one runs."""

    def __init__(self, ring: KeyRing, beside: SignerClient | None = None) -> None:
        self.ring = ring
        self._beside = beside

    def signer(self, venue: str) -> Signer:
        """The venue's signer, with the keys as they are now."""
        return self.ring.signers[venue]

    async def make(self, venue: str, name: str) -> None:
        """Have a successor of a key made. Raises `ConfigError`."""
        self.ring.make(venue, name)

    async def burn(self, venue: str) -> str:
        """The public half of a key that nobody has."""
        return self.ring.burn(venue)

    async def switch(self, name: str) -> None:
        """The successor takes the key's place, here and at the signer. Raises `VenueError` when it does not answer."""
        await asyncio.to_thread(self.ring.switch, name)
        if self._beside is not None:
            await self._beside.reload()

    async def discard(self, name: str) -> None:
        """Forget a successor."""
        self.ring.discard(name)
