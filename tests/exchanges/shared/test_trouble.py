"""What an adapter tells the breakers, by each road of each venue that is ours."""

import pytest

from domain.account import VenueOperation
from domain.events import VenueEvent, VenueTrouble
from exchanges.shared.trouble import ORDERS, judge, telling
from tests.exchanges.binance import desk as binance
from tests.exchanges.bybit import desk as bybit
from tests.exchanges.dydx import desk as dydx
from tests.exchanges.hyperliquid import desk as hyperliquid
from tests.exchanges.phemex import desk as phemex


@pytest.mark.parametrize(("status", "is_trouble"), [(200, False), (400, False), (403, True), (418, True), (502, True)])
def test_a_servers_error_and_a_ban_are_trouble_and_a_refusal_is_not(status, is_trouble):
    told: list[tuple[VenueOperation, str]] = []
    judge(lambda operation, text: told.append((operation, text)), ORDERS, status, b"words " * 100)
    assert bool(told) == is_trouble
    assert all(operation is ORDERS and text.startswith(f"HTTP {status}: words") for operation, text in told)
    assert all(len(text) < 200 for _, text in told)


def test_it_is_told_as_an_event_of_the_venue():
    told: list[VenueEvent] = []
    telling("X", told.append)(ORDERS, "busy")
    assert told == [VenueTrouble(venue="X", operation=ORDERS, text="busy")]


@pytest.mark.parametrize("venue", [bybit, phemex, dydx, hyperliquid])
async def test_a_question_that_meets_a_broken_server_is_trouble_of_the_read_path(venue):
    async with venue.trading() as (server, desk):
        server.faults.read_statuses = [503]
        desk.send(desk.snapshot())
        told = await desk.hears(VenueTrouble)
        assert (told.venue, told.operation) == (desk.venue.name, VenueOperation.READS)
        assert told.text.startswith("HTTP 503")


@pytest.mark.parametrize("venue", [binance, bybit, hyperliquid])
async def test_a_question_that_nobody_answers_is_trouble_of_the_read_path(venue):
    async with venue.trading() as (server, desk):
        await server.close()
        desk.send(desk.snapshot())
        told = await desk.hears(VenueTrouble)
        assert (told.venue, told.operation) == (desk.venue.name, VenueOperation.READS)
