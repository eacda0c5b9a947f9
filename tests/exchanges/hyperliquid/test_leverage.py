"""Margin mode and leverage are set at the start: once, signed, and by the venue's word before and after."""

from typing import Any

import eth_account
import msgspec
import pytest
from hyperliquid.exchange import Exchange

from domain.errors import ConfigError, VenueError
from domain.events import Filled
from domain.order import OrderKind
from exchanges.hyperliquid.actions import UpdateLeverage
from exchanges.shared.setup import Terms
from tests.exchanges.hyperliquid.desk import BTC, trading, venue_at
from tests.exchanges.hyperliquid.exchange_room import AGENT_KEY, ASSETS, MASTER
from tests.exchanges.hyperliquid.exchange_server import ExchangeServer

FIVE = {BTC.id: Terms(margin="isolated", leverage=5)}


def updates(server: ExchangeServer) -> list[dict[str, Any]]:
    return [action for action in server.room.seen if action["type"] == "updateLeverage"]


async def started(server: ExchangeServer, terms: dict[str, Terms], **changes: Any) -> None:
    venue = venue_at(server, terms=terms, **changes)
    await venue.start(lambda _: None)
    await venue.aclose()


async def test_terms_are_set_once_and_what_is_already_so_is_left_alone():
    async with ExchangeServer() as server:
        await started(server, FIVE)
        assert server.room.leverages.of(MASTER, "BTC") == {"type": "isolated", "value": 5}
        [sent] = updates(server)
        assert sent["expires"]
        await started(server, FIVE)
        await started(server, {BTC.id: Terms(margin="isolated")})
        assert len(updates(server)) == 1
        await started(server, {BTC.id: Terms()})
        assert server.room.leverages.of(MASTER, "BTC") == {"type": "cross", "value": 5}


async def test_the_sdk_writes_the_same_bytes():
    meta: Any = {"universe": [{"name": "BTC", "szDecimals": 5}, {"name": "ETH", "szDecimals": 4}]}
    client = Exchange(
        eth_account.Account.from_key(AGENT_KEY),
        "http://127.0.0.1:9",
        meta=meta,
        spot_meta={"universe": [], "tokens": []},
    )
    sent: list[Any] = []
    client._post_action = lambda action, *_: sent.append(action)
    client.update_leverage(7, "ETH", is_cross=True)
    assert msgspec.msgpack.encode(UpdateLeverage(1, True, 7)) == msgspec.msgpack.encode(sent[0])
    assert msgspec.json.encode(UpdateLeverage(1, True, 7)) == msgspec.json.encode(sent[0])


async def test_another_mode_under_an_open_position_is_a_sentence_with_the_remedy():
    async with trading() as (server, desk):
        desk.send(order := desk.place(1, "50010", kind=OrderKind.IOC))
        await desk.hears(Filled, order.cid)
        with pytest.raises(ConfigError, match=r"does not set BTC .* isolated .*Cannot switch .* close what is open"):
            await started(server, FIVE)
        await started(server, {BTC.id: Terms(leverage=3)})
        assert server.room.leverages.of(MASTER, "BTC") == {"type": "cross", "value": 3}


async def test_what_the_venue_does_not_allow_is_refused_before_it_is_asked():
    async with ExchangeServer() as server:
        with pytest.raises(ConfigError, match="allows BTC a leverage of 40 at most"):
            await started(server, {BTC.id: Terms(leverage=41)})
        server.room.leverages.assets[0] = msgspec.structs.replace(ASSETS[0], only_isolated=True)
        with pytest.raises(ConfigError, match="BTC with isolated margin only"):
            await started(server, {BTC.id: Terms(leverage=3)})
        assert not updates(server)


async def test_an_answer_that_is_lost_is_looked_up_and_never_sent_again():
    async with ExchangeServer() as server:
        server.faults.drop_answers = 1
        await started(server, FIVE)
        assert len(updates(server)) == 1
        server.faults.lose_requests = 1
        with pytest.raises(VenueError, match="has isolated with 5"):
            await started(server, {BTC.id: Terms(leverage=8)})
        assert len(updates(server)) == 1
