"""What is so on the local dYdX whatever happens there: its markets, and what makes a signature valid."""

import base64
import json
from decimal import Decimal
from typing import Any

from coincurve import PrivateKey, PublicKey

from exchanges.dydx.chain import address_of

KEY = "0x" + "11" * 32
PUBLIC_KEY = PrivateKey(bytes.fromhex(KEY[2:])).public_key.format()
PUBLIC_KEY_TEXT = base64.b64encode(PUBLIC_KEY).decode()
ADDRESS = address_of(PUBLIC_KEY)
TRADING_KEY = "0x" + "33" * 32
"""Of an API trading key: another key, for which the account has the authenticator 0."""
TRADING_PUBLIC_KEY = PrivateKey(bytes.fromhex(TRADING_KEY[2:])).public_key.format()


def composite(*parts: tuple[str, bytes]) -> bytes:
    """The config of an AllOf or AnyOf."""
    return json.dumps([{"type": kind, "config": base64.b64encode(config).decode()} for kind, config in parts]).encode()


def trading_authenticator(*more: str, key: bytes = TRADING_PUBLIC_KEY) -> tuple[str, bytes]:
    """As the venue's own page makes them for API trading keys, with `more` messages allowed."""
    orders = [f"/dydxprotocol.clob.Msg{name}" for name in ("PlaceOrder", "CancelOrder", "BatchCancel")]
    filters = composite(*(("MessageFilter", name.encode()) for name in (*orders, *more)))
    return "AllOf", composite(("SignatureVerification", key), ("AnyOf", filters), ("SubaccountFilter", b"0"))


def market(pair: int, ticker: str, tick: str, step: str, resolution: int, exponent: int) -> dict[str, Any]:
    """A perpetual as the indexer sends it: numbers are numbers, decimals are texts."""
    atomic = int(Decimal(step).scaleb(-resolution))
    subticks = int(Decimal(tick).scaleb(resolution - exponent + 6))
    return {
        "clobPairId": str(pair), "ticker": ticker, "status": "ACTIVE", "oraclePrice": "0", "priceChange24H": "0",
        "volume24H": "0", "trades24H": 0, "nextFundingRate": "0.0000125", "initialMarginFraction": "0.02",
        "maintenanceMarginFraction": "0.012", "openInterest": "0", "atomicResolution": resolution,
        "quantumConversionExponent": exponent, "tickSize": tick, "stepSize": step, "stepBaseQuantums": atomic,
        "subticksPerTick": subticks, "marketType": "CROSS", "openInterestLowerCap": "0", "openInterestUpperCap": "0",
        "baseOpenInterest": "0", "defaultFundingRate1H": "0",
    }  # fmt: skip


MARKETS = [market(0, "BTC-USD", "1", "0.0001", -10, -9), market(1, "ETH-USD", "0.1", "0.001", -9, -9)]


def verified(public_key: bytes, signature: bytes, digest: bytes) -> bool:
    """Whether 64 bytes (r, s) are this key's signature of a digest; s may not be high, as the chain demands."""
    if len(signature) != 64 or int.from_bytes(signature[32:], "big") > HALF_ORDER:
        return False
    r, s = signature[:32], signature[32:]
    try:
        return PublicKey(public_key).verify(_der(r, s), digest, hasher=None)
    except ValueError:
        return False


HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0


def _der(r: bytes, s: bytes) -> bytes:
    parts = b"".join(_der_int(value) for value in (r, s))
    return b"\x30" + bytes([len(parts)]) + parts


def _der_int(value: bytes) -> bytes:
    number = value.lstrip(b"\0") or b"\0"
    number = b"\0" + number if number[0] & 0x80 else number
    return b"\x02" + bytes([len(number)]) + number
