"""At a venue without an engine: entries go, stops stay, and a flatten closes with ids of its own."""

from __future__ import annotations

import asyncio
from itertools import count

from domain.order import WATCHDOG_INDEX, ClientId, Place, derive_client_id, is_watchdogs
from engine.watchdog.rescue import Done, Rescuer
from tests.engine.watchdog.bedside import CLOCK, books, patient, ward
from tests.exchanges.hyperliquid.exchange_server import ExchangeServer


async def look_after(server: ExchangeServer, *, flatten: bool = False) -> tuple[Done, list[ClientId]]:
    numbers, made = count(), list[ClientId]()

    def next_cid(_: Place) -> ClientId:
        made.append(derive_client_id("a1b2c3", 3, 77, WATCHDOG_INDEX + next(numbers)))
        return made[-1]

    rescuer = Rescuer(patient(server), CLOCK, next_cid, flatten=flatten)
    return await rescuer.run(), made


async def test_entries_and_quotes_are_cancelled_and_the_stop_stays() -> None:
    async with ward() as (server, desk):
        done, made = await look_after(server)
        assert (done.cancelled, done.kept, done.closed, done.problem, made) == (2, 1, 0, "", [])
        left = await books(desk)
        assert [order.reduce_only for order in left.orders] == [True]
        assert [position.qty for position in left.positions] == [desk.instrument.qty("0.05")]


async def test_a_flatten_closes_with_ids_of_its_own_and_then_takes_the_stop_out() -> None:
    async with ward() as (server, desk):
        done, made = await look_after(server, flatten=True)
        assert (done.closed, done.problem) == (1, "")
        assert made
        assert all(is_watchdogs(cid) for cid in made)
        left = await books(desk)
        assert (left.orders, left.positions) == ((), ())


async def test_a_market_that_moves_away_is_followed() -> None:
    async with ward() as (server, desk):
        await server.quote("49990", "50010", "0.02")

        async def fall() -> None:
            for bid in range(46_000, 40_000, -1_500):
                await asyncio.sleep(0.4)
                await server.quote(str(bid), str(bid + 20), "0.03")

        falling = asyncio.create_task(fall())
        done, made = await look_after(server, flatten=True)
        falling.cancel()
        assert (done.closed, done.problem) == (1, "")
        assert len(made) > 1
        assert (await books(desk)).positions == ()


async def test_a_venue_that_is_down_is_said_to_be_and_nothing_is_believed() -> None:
    async with ward() as (server, _):
        well = patient(server)
        await server.close()
        rescuer = Rescuer(well, CLOCK, lambda _: "", flatten=False)
        try:
            async with asyncio.timeout(20):
                done = await rescuer.run()
        except Exception as error:  # noqa: BLE001 - whatever the venue raises, the watchdog makes words of it
            done = Done(problem=str(error))
        assert done.problem
        assert done.cancelled == 0
