"""A venue's private streams: what its start waits for, what the engine hears, what people read."""

import asyncio

import pytest

from domain.errors import ConfigError, VenueError
from domain.events import VenueStatus
from exchanges.shared.link import Link
from exchanges.shared.payloads import Payloads


class Closed:
    def __init__(self) -> None:
        self.times = 0

    async def __call__(self) -> None:
        self.times += 1


async def test_the_start_waits_until_all_is_up_and_every_change_is_told_once():
    heard: list = []
    link, closed = Link("BINANCE", "Binance", "testnet", heard.append), Closed()
    async with link.opening(5.0, closed):
        asyncio.get_running_loop().call_soon(link.up)
    link.down("nothing came for 30 s")
    link.down("HTTP 503")
    assert closed.times == 0
    assert heard == [
        VenueStatus(venue="BINANCE", connected=True, detail="Binance, testnet"),
        VenueStatus(venue="BINANCE", connected=False, detail="nothing came for 30 s"),
    ]


async def test_a_venue_that_does_not_confirm_is_closed_and_its_last_complaint_told():
    link, closed = Link("DYDX", "dYdX", "wss://x", lambda _: None), Closed()
    with pytest.raises(VenueError, match=r"dYdX \(wss://x\) did not confirm .* within 0.01 s: HTTP 503"):
        async with link.opening(0.01, closed):
            link.down("HTTP 503")
    assert closed.times == 1


async def test_whatever_goes_wrong_in_a_start_nothing_stays_open():
    link, closed = Link("DYDX", "dYdX", "wss://x", lambda _: None), Closed()
    with pytest.raises(ConfigError):
        async with link.opening(5.0, closed):
            raise ConfigError("a wrong key")
    assert closed.times == 1


def test_people_read_why_it_is_down_then_warnings_then_what_is_new_to_us(tmp_path):
    link, payloads = Link("DYDX", "dYdX", "wss://x", lambda _: None), Payloads("DYDX", {}, None)
    assert link.says(payloads, ["the key ends in 3 days"]) == "not started; the key ends in 3 days"
    link.up()
    payloads.unknown["Frame.more"] += 1
    assert link.says(payloads) == "unknown fields: Frame.more"
