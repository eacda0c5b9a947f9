"""Signatures come from the signer, over exactly what is sent, and only for what is allowed."""

import base64
import hashlib
import hmac

import pytest

from domain.errors import ConfigError, VenueError
from domain.ports import SignRequest
from exchanges.binance.config import ALLOWED, names_of
from exchanges.viaccxt.signing import KEPT, HmacSigner, Seal, as_text

SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
ORDER = (
    b"symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559"
)
DOCUMENTED = "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"
"""Of this order with this secret, in Binance's own documentation."""


def signer(**changes) -> HmacSigner:
    return HmacSigner({"main": SECRET}, names_of, ALLOWED, **changes)


async def test_the_documented_example_gives_the_documented_signature():
    [signed] = await signer().sign([SignRequest(key="main", action="order", payload=ORDER)])
    assert as_text(signed, "hex") == DOCUMENTED
    assert base64.b64decode(as_text(signed, "base64")) == signed


@pytest.mark.parametrize(
    ("action", "payload", "words"),
    [
        ("order", b"coin=USDT&address=0xabc&amount=5&timestamp=1", "may not have address, amount, coin"),
        ("order", b"asset=USDT&amount=5&type=1&timestamp=1", "may not have amount, asset"),
        ("read", b"fromEmail=a&toEmail=b&asset=USDT&amount=1&timestamp=1", "may not have"),
        ("cancel", b"dualSidePosition=true&timestamp=1", "may not have dualSidePosition"),
        ("order", b'batchOrders=[{"symbol":"BTCUSDT","address":"x"}]&timestamp=1', "may not have address"),
        ("order", b"batchOrders=nonsense&timestamp=1", "cannot read"),
        ("order", "symbol=BTC\u00a0USDT".encode(), "cannot read"),
        ("withdraw", b"symbol=BTCUSDT&timestamp=1", "does not know the action 'withdraw'"),
    ],
)
async def test_what_is_not_an_allowed_action_is_not_signed_whatever_the_caller_says(action, payload, words):
    with pytest.raises(VenueError, match=words) as caught:
        await signer().sign([SignRequest(key="main", action=action, payload=payload)])
    assert SECRET not in str(caught.value)


async def test_an_unknown_key_and_an_empty_one_are_refused():
    with pytest.raises(VenueError, match="no key 'other'"):
        await signer().sign([SignRequest(key="other", action="order", payload=ORDER)])
    with pytest.raises(ConfigError, match="is empty"):
        HmacSigner({"main": " "}, names_of, ALLOWED)
    assert repr(signer()) == "HmacSigner(main)"


def test_a_mark_is_found_once_with_its_payload():
    seal = Seal()
    first, second = seal.mark(b"a", "hex"), seal.mark("b", "base64")
    text = f"https://x/?signature={first}&again={first} {second}"
    assert seal.wanted(text) == [(first, b"a", "hex"), (second, b"b", "base64")]
    assert seal.wanted(text) == []


def test_marks_that_nobody_uses_are_forgotten():
    seal = Seal()
    marks = [seal.mark(b"x", "hex") for _ in range(KEPT + 10)]
    assert len(seal.wanted(" ".join(marks))) == KEPT


async def test_it_is_plain_hmac():
    expected = hmac.new(SECRET.encode(), ORDER, hashlib.sha256).digest()
    assert await signer().sign([SignRequest(key="main", action="order", payload=ORDER)] * 2) == [expected] * 2
