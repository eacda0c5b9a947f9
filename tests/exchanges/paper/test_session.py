"""A new session: what the old one had sent is lost on the line, or arrives although its sender is dead."""

import pytest

from domain.order import OrderKind, Place
from exchanges.paper.config import PaperConfig
from tests.exchanges.paper.world import ACCOUNT, BTC, World

PLACE = Place(cid="a", account=ACCOUNT, instrument=BTC.id, side=1, kind=OrderKind.LIMIT, qty=10, price=99_000)


@pytest.mark.parametrize("keeps", [True, False])
def test_what_a_dead_session_had_sent_arrives_or_is_lost(keeps: bool) -> None:
    world = World(PaperConfig(feed_ns=0, entry_ns=50_000_000, response_ns=0))
    world.bbo(100_000, 100_010)
    world.exchange.submit([PLACE], world.t)
    world.exchange.connect(keeps_requests=keeps)
    world.exchange.poll(world.step(100_000_000))
    assert ("a" in world.exchange.floor.orders) is keeps
