"""Our ids in 32 bits: unique, mapped both ways, on disk before the first send, over every restart."""

import os

import pytest

from domain.errors import ConfigError
from exchanges.dydx.ids import IdMap

NOW_NS = 1_700_000_000_000_000_000


def opened(folder, now_ns=NOW_NS) -> IdMap:
    return IdMap(folder / "ids", now_ns)


async def give(ids: IdMap, cid: str):
    return await ids.give(cid, "dydx1me", 0, 64, 0)


async def test_numbers_count_up_and_the_same_order_keeps_its_own(tmp_path):
    ids = opened(tmp_path)
    first, second = await give(ids, "a1b2c3-1-1-0"), await give(ids, "a1b2c3-1-1-1")
    assert second.key.client_id == first.key.client_id + 1
    assert await give(ids, "a1b2c3-1-1-0") == first


async def test_what_was_given_is_on_disk_and_known_after_a_restart_by_both_names(tmp_path):
    entry = await give(opened(tmp_path), "a1b2c3-1-1-0")
    again = opened(tmp_path, NOW_NS + 10**18)
    assert again.of("a1b2c3-1-1-0") == entry
    assert again.owner(entry.key.uuid, str(entry.metadata)) == "a1b2c3-1-1-0"
    assert (await give(again, "a1b2c3-2-1-0")).key.client_id == entry.key.client_id + 1


async def test_somebody_elses_order_with_our_number_is_not_ours(tmp_path):
    ids = opened(tmp_path)
    entry = await give(ids, "a1b2c3-1-1-0")
    assert ids.owner(entry.key.uuid, "1") == f"dydx-{entry.key.uuid}"
    assert ids.owner("no-such-order", "0") == "dydx-no-such-order"


async def test_a_torn_end_is_cut_for_its_order_was_never_sent(tmp_path):
    entry = await give(opened(tmp_path), "a1b2c3-1-1-0")
    with (tmp_path / "ids").open("ab") as file:
        file.write(b'["a1b2c3-1-2')
    again = opened(tmp_path)
    assert (await give(again, "a1b2c3-1-3-0")).key.client_id == entry.key.client_id + 1
    assert opened(tmp_path).of("a1b2c3-1-3-0") is not None


async def test_a_map_that_cannot_be_read_is_refused_with_the_remedy(tmp_path):
    await give(opened(tmp_path), "a1b2c3-1-1-0")
    (tmp_path / "ids").write_bytes(b"garbage\n")
    with pytest.raises(ConfigError, match="Put a copy back"):
        opened(tmp_path)


async def test_a_lost_map_goes_on_ahead_of_everything_that_it_can_have_given(tmp_path):
    entry = await give(opened(tmp_path), "a1b2c3-1-1-0")
    (tmp_path / "ids").unlink()
    later = opened(tmp_path, NOW_NS + 60_000_000_000)
    assert (await give(later, "a1b2c3-2-1-0")).key.client_id > entry.key.client_id


async def test_what_the_disk_refuses_gets_no_number_and_leaves_no_trace(tmp_path, monkeypatch):
    ids = opened(tmp_path)
    first = await give(ids, "a1b2c3-1-1-0")

    def refuse(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        with pytest.raises(OSError, match="No space"):
            await give(ids, "a1b2c3-1-2-0")
    assert ids.of("a1b2c3-1-2-0") is None
    assert (await give(ids, "a1b2c3-1-3-0")).key.client_id == first.key.client_id + 1
    assert opened(tmp_path).of("a1b2c3-1-2-0") is None


async def test_a_map_that_has_grown_is_cut_to_its_newest_orders(tmp_path, monkeypatch):
    monkeypatch.setattr("exchanges.dydx.ids.KEPT", 3)
    ids = opened(tmp_path)
    for number in range(9):
        await give(ids, f"a1b2c3-1-{number}-0")
    again = opened(tmp_path)
    assert (again.of("a1b2c3-1-5-0"), again.of("a1b2c3-1-8-0")) == (None, ids.of("a1b2c3-1-8-0"))
    assert len((tmp_path / "ids").read_bytes().splitlines()) == 3
