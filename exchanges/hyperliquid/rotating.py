"""An agent's key is exchanged at Hyperliquid without a person at its page: see `exchanges.shared.rotation`."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import aiohttp
import msgspec
from msgspec.structs import replace

from domain.errors import ConfigError, VenueError
from domain.ports import SignRequest
from exchanges.hyperliquid import actions
from exchanges.hyperliquid.account import decoded
from exchanges.hyperliquid.approving import approval, name_until, request_of
from exchanges.hyperliquid.config import HyperliquidConfig
from exchanges.hyperliquid.info import InfoClient
from exchanges.hyperliquid.private import WireAgent, WireRole
from exchanges.hyperliquid.signing import l1_payload, recover, signature_of
from exchanges.hyperliquid.wire import MS
from exchanges.shared.fleet import NEXT
from exchanges.shared.rotation import Place, Progress

NAMES = ("moondev-1", "moondev-2")
"""The live agent has one of them, a key that nobody has the other."""
DAY_MS = 86_400_000
GOOD_MS = 179 * DAY_MS
"""How long an agent is approved for; the venue allows 180 days."""


@dataclass(frozen=True)
class AgentApprover:
    """Approves and replaces the agents of one account."""

    place: Place
    config: HyperliquidConfig

    async def begin(self, progress: Progress) -> Progress:
        """Which agent it is now, under which name, and which name is free for the next one."""
        if self.place.account.is_vault:
            raise ConfigError(f"{progress.account} is traded by its master's agent: exchange the key with that account")
        old = await self._address(progress.key)
        found = {agent.name: agent.address.lower() for agent in await self._agents()}
        old_name = next((name for name, address in found.items() if address == old), "")
        free = [name for name in NAMES if name != old_name]
        unused = [name for name in free if name not in found] or free
        return replace(progress, old=old, old_name=old_name, new_name=unused[0])

    async def approve(self, progress: Progress) -> Progress:
        """Approve the successor under its name, for as long as the venue allows."""
        new = await self._address(progress.key + NEXT)
        if all(agent.address.lower() != new for agent in await self._agents()):
            until_ms = self.place.clock.now_ns() // MS + GOOD_MS
            await self._approve(new, name_until(progress.new_name, until_ms))
        return replace(progress, new=new)

    async def use(self, progress: Progress) -> None:
        """An action that does nothing, signed by the successor."""
        nonce = self.place.clock.now_ns() // MS
        key = progress.key + NEXT
        payload = l1_payload(actions.Noop(), nonce, is_mainnet=self.config.is_mainnet)
        [signed] = await self.place.signer().sign([SignRequest(key=key, action="noop", payload=payload)])
        await self._post({"action": actions.Noop(), "nonce": nonce, "signature": signature_of(signed)}, "a noop")

    async def revoke(self, progress: Progress, *, successor: bool) -> Progress:
        """A key that nobody has takes the name of the one that is to end."""
        name, address = (progress.new_name, progress.new) if successor else (progress.old_name, progress.old)
        role = decoded(await self._ask("userRole", address), WireRole, "userRole")
        if role.role != "agent":
            return progress
        burned = await self.place.keys.burn(self.place.setup.venue)
        await self._approve(burned, name)
        return replace(progress, burned=burned)

    async def _approve(self, address: str, name: str) -> None:
        owner = (self.place.owner or self.place.signer)()
        nonce = self.place.clock.now_ns() // MS
        action = approval(address, name, nonce, is_mainnet=self.config.is_mainnet)
        [signed] = await owner.sign([request_of(self.place.account.address, action)])
        body: Any = msgspec.to_builtins(action)
        if not name:
            del body["agentName"]
        await self._post(
            {"action": body, "nonce": nonce, "signature": signature_of(signed)}, f"the approval of {address}"
        )

    async def _address(self, key: str) -> str:
        """Of a key, by a signature of what is never sent."""
        payload = l1_payload(actions.Noop(), 0, is_mainnet=self.config.is_mainnet)
        [signed] = await self.place.signer().sign([SignRequest(key=key, action="noop", payload=payload)])
        return recover(payload, signed)

    async def _agents(self) -> list[WireAgent]:
        return decoded(await self._ask("extraAgents", self.place.account.address), list[WireAgent], "extraAgents")

    async def _ask(self, what: str, user: str) -> bytes:
        async with aiohttp.ClientSession() as session:
            return await InfoClient(session, self.config, random.random).ask({"type": what, "user": user.lower()})

    async def _post(self, envelope: dict[str, Any], what: str) -> None:
        """Send a signed action and wait until the venue has taken it."""
        timeout = aiohttp.ClientTimeout(total=self.config.request_timeout_s)
        data, headers = msgspec.json.encode(envelope), {"Content-Type": "application/json"}
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.post(
                    f"{self.config.api_url}/exchange", data=data, headers=headers, allow_redirects=False
                ) as got,
            ):
                status, body = got.status, await got.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise VenueError(
                f"Hyperliquid did not answer {what}: {str(error) or type(error).__name__}. Whether it was taken is not "
                "known; the same again does no harm"
            ) from error
        said = body[:300].decode(errors="replace")
        try:
            is_taken = status == 200 and msgspec.json.decode(body)["status"] == "ok"
        except (msgspec.DecodeError, KeyError, TypeError):
            is_taken = False
        if not is_taken:
            raise VenueError(f"Hyperliquid has not taken {what}: HTTP {status} {said}")
