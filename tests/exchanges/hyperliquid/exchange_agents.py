"""The local venue's API wallets: approved by an account's own key, one for each name, replaced and never revoked.

The digest is made by the official SDK's own functions, so what the venue accepts is what the SDK would have signed.
"""

from typing import Any

from eth_account import Account
from eth_account.messages import encode_typed_data
from hyperliquid.utils.signing import user_signed_payload

TYPES = [
    {"name": "hyperliquidChain", "type": "string"},
    {"name": "agentAddress", "type": "address"},
    {"name": "agentName", "type": "string"},
    {"name": "nonce", "type": "uint64"},
]
MOST_NAMED = 3
DAY_MS = 86_400_000
DONE = {"status": "ok", "response": {"type": "default"}}


def err(words: str) -> dict[str, Any]:
    return {"status": "err", "response": words}


class Agents:
    """Named agents of each account, and one without a name."""

    def __init__(self) -> None:
        self.of: dict[str, dict[str, dict[str, Any]]] = {}
        self.unnamed: dict[str, str] = {}
        self.used: set[str] = set()
        self.approvals: list[dict[str, Any]] = []
        self._nonces: set[tuple[str, int]] = set()

    def approve(self, body: dict[str, Any], roles: dict[str, dict[str, Any]], now_ms: int) -> dict[str, Any]:
        """Verify and carry out one approval."""
        action, signature = dict(body["action"]), body["signature"]
        if action["hyperliquidChain"] != "Testnet" or action["nonce"] != body["nonce"]:
            return err("Invalid approval")
        message = {**action, "agentName": action.get("agentName") or ""}
        data = user_signed_payload("HyperliquidTransaction:ApproveAgent", TYPES, message)
        vrs = (signature["v"], signature["r"], signature["s"])
        user = Account.recover_message(encode_typed_data(full_message=data), vrs=vrs).lower()
        if roles.get(user, {}).get("role") != "user":
            return err(f"Must deposit before performing actions. User: {user}")
        if (user, body["nonce"]) in self._nonces or not now_ms - 2 * DAY_MS < body["nonce"] < now_ms + DAY_MS:
            return err(f"Invalid nonce: {body['nonce']}")
        address = action["agentAddress"].lower()
        if address in self.used or address in roles:
            return err("Extra agent already used.")
        self._nonces.add((user, body["nonce"]))
        self.used.add(address)
        self.approvals.append(action)
        name, _, until = (action.get("agentName") or "").partition(" valid_until ")
        if until and not now_ms < int(until) <= now_ms + 180 * DAY_MS:
            return err("Invalid agent valid until.")
        named = self.of.setdefault(user, {})
        if not name:
            roles.pop(self.unnamed.pop(user, ""), None)
            self.unnamed[user] = address
        else:
            if name not in named and len(named) >= MOST_NAMED:
                return err("Too many extra agents.")
            roles.pop(named.get(name, {}).get("address", ""), None)
            named[name] = {"address": address, "validUntil": int(until or now_ms + 180 * DAY_MS)}
        roles[address] = {"role": "agent", "data": {"user": user}}
        return DONE

    def tell(self, user: str) -> list[dict[str, Any]]:
        """The answer to extraAgents."""
        return [{"name": name, **agent} for name, agent in self.of.get(user, {}).items()]
