"""Margin mode and leverage at the local Hyperliquid, by account and coin, with the venue's words for a refusal."""

from typing import Any

from exchanges.hyperliquid.info import MetaAsset

DEFAULT = 20
"""What an account has that never set any, where the contract allows it."""


class Leverages:
    """What accounts have set. It does not change what a position needs: that is the contract's margin here."""

    def __init__(self, assets: list[MetaAsset]) -> None:
        self.assets = list(assets)
        self._set: dict[tuple[str, str], dict[str, Any]] = {}

    def universe(self) -> list[dict[str, Any]]:
        """Of meta."""
        return [
            {"name": asset.name, "szDecimals": asset.size_decimals, "maxLeverage": asset.max_leverage}
            | ({"onlyIsolated": True} if asset.only_isolated else {})
            for asset in self.assets
        ]

    def of(self, address: str, coin: str) -> dict[str, Any]:
        most = next(asset.max_leverage for asset in self.assets if asset.name == coin)
        return self._set.get((address, coin), {"type": "cross", "value": min(DEFAULT, most)})

    def update(self, address: str, action: dict[str, Any], held: int) -> str:
        """Carry out updateLeverage; why not, empty when it is done."""
        asset = self.assets[action["asset"]]
        wanted = {"type": "cross" if action["isCross"] else "isolated", "value": action["leverage"]}
        if not 1 <= wanted["value"] <= asset.max_leverage:
            return "Invalid leverage value."
        if asset.only_isolated and action["isCross"]:
            return "Cross margin is not allowed for this asset."
        if held and self.of(address, asset.name)["type"] != wanted["type"]:
            return "Cannot switch leverage type with open position."
        self._set[address, asset.name] = wanted
        return ""

    def tell(self, address: str, coin: str) -> dict[str, Any]:
        """activeAssetData."""
        leverage = self.of(address, coin)
        more = {"rawUsd": "0.0"} if leverage["type"] == "isolated" else {}
        nothing = {"maxTradeSzs": ["0.0", "0.0"], "availableToTrade": ["0.0", "0.0"], "markPx": "0.0"}
        return {"user": address, "coin": coin, "leverage": leverage | more, **nothing}
