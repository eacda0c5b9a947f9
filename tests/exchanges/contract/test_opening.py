"""What every venue refuses when it is opened, with words that say what to change. The paper venue has no keys."""

import importlib
from collections.abc import Callable
from typing import Any

import pytest

from domain.errors import ConfigError
from exchanges.dydx.signing import LocalSigner as DydxSigner
from exchanges.hyperliquid.signing import LocalSigner as HyperliquidSigner
from tests.exchanges.contract.benches import NAMES
from tests.exchanges.desk import WallClock

KEYED = [name for name in NAMES if name != "paper"]
STRANGERS: dict[str, Callable[[Any], Any]] = {
    "binance": lambda desk: desk.signer_of("a-secret-of-somebody-else"),
    "bybit": lambda desk: desk.signer_of(bybit_secret="a-secret-of-somebody-else"),
    "dydx": lambda _: DydxSigner({"trader": "22" * 32}),
    "hyperliquid": lambda _: HyperliquidSigner({"agent": "0x" + "22" * 32}),
    "phemex": lambda desk: desk.signer_of("a-secret-of-somebody-else"),
}
"""Signers that have another key than the account's."""


TELLING = [name for name in KEYED if name != "phemex"]
"""Venues that tell what a key may do; what is told of Phemex is in its own tests."""


def desk_of(name: str) -> Any:
    return importlib.import_module(f"tests.exchanges.{name}.desk")


@pytest.mark.parametrize("name", KEYED)
async def test_bad_credentials_are_refused_with_what_to_change(name):
    desk = desk_of(name)
    with pytest.raises(ConfigError) as refused:
        async with desk.trading(signer=STRANGERS[name](desk)):
            pass
    text = str(refused.value)
    assert "key" in text or "secret" in text
    assert "somebody-else" not in text
    assert "22" * 32 not in text


@pytest.mark.parametrize("off_s", [-60, 60])
@pytest.mark.parametrize("name", KEYED)
async def test_a_clock_that_is_off_is_refused_with_the_remedy(name, off_s):
    clock = WallClock()
    clock.off_ns = off_s * 1_000_000_000
    with pytest.raises(ConfigError, match=r"clock.*(NTP|time sync)"):
        async with desk_of(name).trading(clock=clock):
            pass


@pytest.mark.parametrize("name", TELLING)
async def test_it_is_shown_that_the_venue_has_told_that_the_key_cannot_withdraw(name):
    async with desk_of(name).trading() as (_, desk):
        [key] = desk.venue.view().keys
        assert (key.account, key.cannot_withdraw) == (desk.account, "told by the venue")


@pytest.mark.parametrize("name", KEYED)
async def test_accounts_are_looked_at_in_the_words_of_a_start_and_nothing_is_opened(name, tmp_path):
    desk = desk_of(name)
    folder = (tmp_path,) if name == "dydx" else ()
    async with desk.trading() as (server, started):
        venue = desk.venue_at(server, *folder)
        assert await venue.check() == started.venue.view().keys
        off_ms = started.venue.view().clock_off_ms
        assert off_ms is not None, "how far the clocks are apart is shown"
        assert abs(off_ms) < 5_000
        assert not venue.view().connected
        await venue.aclose()
        stranger = desk.venue_at(server, *folder, signer=STRANGERS[name](desk))
        with pytest.raises(ConfigError, match=r"key|secret"):
            await stranger.check()
        await stranger.aclose()
