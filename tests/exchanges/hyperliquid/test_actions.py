"""The wire forms of intents, and the rules for prices, sizes, ids and nonces."""

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Unrepresentable
from domain.instrument import Instrument
from domain.order import OrderKind, derive_client_id
from exchanges.hyperliquid import actions
from exchanges.hyperliquid.actions import OrderTerms, cid_of, cloid_of, order_wire, price_text, size_text
from exchanges.hyperliquid.info import MetaAsset, instrument_of
from exchanges.hyperliquid.signing import l1_payload

BTC = instrument_of(MetaAsset("BTC", 5))
ETH = instrument_of(MetaAsset("ETH", 4))
DOGE = instrument_of(MetaAsset("DOGE", 0))
CID = "a1b2c3-1-2f-0"
VECTORS = json.loads(
    (Path(__file__).parents[2] / "fixtures" / "hyperliquid" / "signing_vectors.json").read_text(encoding="utf-8")
)


def terms(kind: OrderKind = OrderKind.LIMIT, side: int = 1, **changes) -> OrderTerms:
    return OrderTerms(**{"cid": CID, "side": side, "kind": kind, "price": 1_050_550, "qty": 1_000, **changes})


def wire(instrument: Instrument, of: OrderTerms) -> dict:
    return json.loads(msgspec.json.encode(order_wire(instrument, 7, of)))


def test_an_order_has_the_keys_of_the_sdk_in_the_order_that_is_signed():
    text = msgspec.json.encode(order_wire(BTC, 0, terms())).decode()
    assert text == (
        '{"a":0,"b":true,"p":"105055","s":"0.01","r":false,"t":{"limit":{"tif":"Gtc"}},'
        '"c":"0xa1b2c300000100000000002f00000000"}'
    )


def test_structs_are_signed_like_the_objects_of_the_sdk():
    vectors = [v for v in VECTORS if v["action"]["type"] in {"order", "scheduleCancel"}]
    assert len(vectors) == 10
    for vector in vectors:
        ours = msgspec.convert(vector["action"], actions.OrderAction | actions.ScheduleCancel)
        assert msgspec.msgpack.encode(ours) == msgspec.msgpack.encode(vector["action"])
        assert l1_payload(ours, 0, is_mainnet=True) == l1_payload(vector["action"], 0, is_mainnet=True)


def test_kinds_become_time_in_force():
    tifs = {kind: wire(BTC, terms(kind))["t"]["limit"]["tif"] for kind in (OrderKind.POST_ONLY, OrderKind.IOC)}
    assert tifs == {OrderKind.POST_ONLY: "Alo", OrderKind.IOC: "Ioc"}


def test_a_stop_names_its_trigger_and_a_worst_price():
    sell = wire(ETH, terms(OrderKind.STOP, -1, price=0, trigger=300_000, qty=5_000, reduce_only=True))
    assert sell["t"] == {"trigger": {"isMarket": True, "triggerPx": "3000", "tpsl": "sl"}}
    assert (sell["p"], sell["s"], sell["r"]) == ("2700", "0.5", True)
    buy = wire(ETH, terms(OrderKind.TAKE_PROFIT, 1, price=299_910, trigger=300_000, qty=5_000))
    assert (buy["p"], buy["t"]["trigger"]["tpsl"]) == ("2999.1", "tp")
    assert wire(ETH, terms(OrderKind.STOP, 1, price=0, trigger=312_345 // 10 * 10, qty=1))["p"] == "3435.7"


@pytest.mark.parametrize(
    ("instrument", "price", "text"),
    [
        (BTC, 1_050_550, "105055"),
        (BTC, 1_234_560, "123456"),
        (BTC, 99_999, "9999.9"),
        (DOGE, 12_345, "0.012345"),
        (DOGE, 1, "0.000001"),
        (ETH, 300_010, "3000.1"),
    ],
)
def test_prices_have_five_significant_figures_or_are_whole(instrument, price, text):
    assert price_text(instrument, price) == text


@pytest.mark.parametrize(("instrument", "price"), [(BTC, 1_050_555), (ETH, 300_012), (DOGE, 1_234_567), (BTC, 0)])
def test_a_price_that_the_venue_would_refuse_is_not_rounded_in_silence(instrument, price):
    with pytest.raises(Unrepresentable, match="takes no price"):
        price_text(instrument, price)


def test_a_size_of_nothing_is_refused_because_it_would_close_the_position():
    assert [size_text(BTC, 1), size_text(DOGE, 1_001)] == ["0.00001", "1001"]
    with pytest.raises(Unrepresentable, match="takes no size"):
        size_text(BTC, 0)


@given(st.integers(0, 2**24 - 1), st.integers(0, 2**24 - 1), st.integers(0, 2**48 - 1), st.integers(0, 2**32 - 1))
def test_every_client_id_of_ours_survives_the_way_to_the_venue_and_back(installation, epoch, seq, index):
    cid = derive_client_id(f"{installation:06x}", epoch, seq, index)
    cloid = cloid_of(cid)
    assert len(cloid) == 34
    assert cid_of(cloid, 1) == cid


def test_ids_that_are_not_ours_are_told_apart():
    assert cid_of(None, 77) == cid_of("garbage", 77) == "oid-77"
    with pytest.raises(Unrepresentable, match="cloid"):
        cloid_of("V1")


def test_a_request_never_outlives_its_validity_by_rounding():
    assert actions.expires_ms(1_700_000_000_123_999_999) == 1_700_000_000_123


def test_actions_tell_their_own_name():
    assert actions.action_name(actions.CancelByCloid([actions.CancelWire(0, "0x0")])) == "cancelByCloid"
    assert json.loads(msgspec.json.encode(actions.ScheduleCancel())) == {"type": "scheduleCancel"}
    assert json.loads(msgspec.json.encode(actions.ScheduleCancel(5))) == {"type": "scheduleCancel", "time": 5}
