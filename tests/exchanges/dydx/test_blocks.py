"""Heights, nonces and allowances of the chain."""

import pytest
from msgspec.structs import replace

from domain.errors import Unrepresentable
from exchanges.dydx.blocks import Blocks, Nonces
from exchanges.dydx.markets import Market
from tests.exchanges.dydx.desk import BTC

MS, SECOND = 1_000_000, 1_000_000_000


def test_a_good_til_block_is_counted_by_the_pace_of_the_blocks_that_were_seen():
    blocks = Blocks()
    blocks.see(100, 0)
    assert blocks.good_til(3 * SECOND, 20) == 103, "a second a block until we know better"
    for number in range(1, 6):
        blocks.see(100 + number, number * SECOND // 2)
    assert blocks.good_til(3 * SECOND, 20) == 111
    assert blocks.good_til(60 * SECOND, 20) == 125, "never beyond the chain's window"
    assert blocks.good_til(0, 20) == 106, "at least the next block"
    assert blocks.good_til(60 * SECOND, 3) == 108


def test_a_block_is_seen_once():
    blocks = Blocks()
    assert [blocks.see(height, height * SECOND) for height in (5, 5, 4, 6)] == [True, False, False, True]


def test_no_block_after_the_requests_time_takes_its_nonce_and_none_is_used_twice():
    nonces = Nonces()
    until_ns = 1_700_000_005 * SECOND
    given = [nonces.next(until_ns) for _ in range(5)]
    assert given[0] * MS + 30 * SECOND == until_ns
    assert given == [given[0] + n for n in range(5)]
    assert nonces.next(until_ns - SECOND) < given[0]


@pytest.mark.parametrize(("price", "qty"), [(5, 10), (3, 20)])
def test_what_is_off_the_grid_is_not_sent(price, qty):
    market = Market(replace(BTC, tick=5, lot=20), "BTC-USD", 0, 1_000_000, 100_000)
    assert (market.subticks(10), market.quantums(40)) == (200_000, 2_000_000)
    with pytest.raises(Unrepresentable, match="multiple"):
        _ = market.subticks(price), market.quantums(qty)
