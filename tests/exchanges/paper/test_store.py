"""What the paper exchange knows survives our death, a torn tail, and growing files."""

import os
import random
import signal
import subprocess
import sys
import time
import zlib
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from domain.errors import JournalCorrupt, VenueError
from domain.events import OrderReport, VenueSnapshot
from domain.market import Bbo
from domain.order import ArmDeadMan, OrderKind, Query, RequestSnapshot
from exchanges.paper.config import PaperConfig
from exchanges.paper.exchange import PaperExchange
from exchanges.paper.store import _HEAD, PaperStore
from tests.exchanges.paper.world import ACCOUNT, BTC, INSTANT, World, fills, names


def reopened(path: Path, compact_bytes: int = 1 << 24) -> World:
    world = World()
    store = PaperStore(path / "paper.log", compact_bytes)
    world.exchange = PaperExchange([BTC], {ACCOUNT: Decimal(1_000_000)}, INSTANT, store)
    world.exchange.check()
    return world


def busy(path: Path) -> World:
    world = reopened(path)
    world.bbo(600_000, 600_010)
    world.ioc(1, 100, 600_010, cid="taken")
    world.place(1, 10, 599_000, cid="resting")
    world.place(-1, 100, 0, OrderKind.STOP, trigger=598_000, reduce_only=True, cid="stop")
    world.place(1, 10, 599_500, cid="cancelled")
    world.cancel("cancelled")
    world.send(ArmDeadMan(account=ACCOUNT, deadline_ns=10**18))
    return world


def test_orders_positions_cash_and_fills_are_there_again(tmp_path):
    before = busy(tmp_path)
    truth = before.exchange.snapshot(ACCOUNT, 0)
    before.exchange.close()
    after = reopened(tmp_path)
    assert after.exchange.snapshot(ACCOUNT, 0) == truth
    assert after.exchange.next_due_ns == 10**18
    (report,) = after.send(Query(cid="cancelled", account=ACCOUNT, instrument=BTC.id))
    assert isinstance(report, OrderReport)
    assert report.status.name == "CANCELLED"
    assert names(after.place(1, 10, 599_000, cid="taken")) == ["Rejected"]


def test_a_deadline_that_arrives_while_the_market_is_quiet_is_written_at_once(tmp_path):
    world, config = World(), PaperConfig(feed_ns=0, entry_ns=10_000_000, response_ns=0)
    world.exchange = PaperExchange([BTC], {ACCOUNT: Decimal(1_000_000)}, config, PaperStore(tmp_path / "late.log"))
    world.bbo(600_000, 600_010)
    world.send(ArmDeadMan(account=ACCOUNT, deadline_ns=10**18))
    world.exchange.on_market(Bbo(instrument=BTC.id, bid=600_000, bid_qty=1, ask=600_010, ask_qty=1), 20_000_000)
    after = PaperExchange([BTC], {ACCOUNT: Decimal(1_000_000)}, config, PaperStore(tmp_path / "late.log"))
    assert after.next_due_ns == 10**18


def test_it_goes_on_where_it_was(tmp_path):
    busy(tmp_path).exchange.close()
    after = reopened(tmp_path)
    events = after.bbo(597_000, 597_010, 500, 500)
    assert [(side, qty) for side, _, qty in fills(events)] == [(-1, 100), (1, 10)]
    (snapshot,) = after.send(RequestSnapshot(account=ACCOUNT))
    assert isinstance(snapshot, VenueSnapshot)
    assert [fill.fill_id for fill in snapshot.fills] == ["F1", "F2", "F3"]


def test_nothing_is_told_before_it_is_written(tmp_path):
    world = World()
    config = PaperConfig(feed_ns=0, entry_ns=1_000_000_000, response_ns=0)
    store = PaperStore(tmp_path / "paper.log")
    world.exchange = PaperExchange([BTC], {ACCOUNT: Decimal(1_000_000)}, config, store)
    world.bar(600_000, 600_100, 599_900, 600_000)
    assert not world.place(1, 10, 500_000)
    assert names(world.bar(600_000, 600_100, 599_900, 600_000)) == ["Accepted"]
    assert [order.cid for order in reopened(tmp_path).exchange.snapshot(ACCOUNT, 0).orders] == ["o1"]


def test_a_torn_tail_is_cut_and_said(tmp_path):
    busy(tmp_path).exchange.close()
    file = tmp_path / "paper.log"
    whole = file.read_bytes()
    file.write_bytes(whole[:-7])
    store = PaperStore(file)
    records = list(store.read())
    assert store.cut_bytes > 0
    assert len(records) == len(list(PaperStore(file).read())) > 3
    reopened(tmp_path)


def test_a_torn_tail_is_kept_beside_the_file_and_logged(tmp_path, caplog):
    busy(tmp_path).exchange.close()
    file = tmp_path / "paper.log"
    whole = file.read_bytes()
    file.write_bytes(whole[:-7])
    reopened(tmp_path)
    torn = (tmp_path / "paper.log.cut").read_bytes()
    assert whole[:-7].endswith(torn)
    assert f"cut {len(torn)} bytes from byte" in caplog.text


def test_any_flipped_byte_before_the_last_record_is_refused_with_its_place_and_nothing_is_changed(tmp_path):
    busy(tmp_path).exchange.close()
    file = tmp_path / "paper.log"
    whole = file.read_bytes()
    starts = [0]
    while starts[-1] < len(whole):
        starts.append(starts[-1] + _HEAD.size + _HEAD.unpack_from(whole, starts[-1])[0])
    last = starts[-2]
    for offset in range(0, last, 13):
        damaged = bytearray(whole)
        damaged[offset] ^= 0x10
        file.write_bytes(damaged)
        begin = max(start for start in starts if start <= offset)
        with pytest.raises(JournalCorrupt, match=f"damaged at byte {begin} of {len(whole)}.*move the file away"):
            reopened(tmp_path)
        assert file.read_bytes() == damaged


def test_every_torn_length_opens(tmp_path):
    busy(tmp_path).exchange.close()
    file = tmp_path / "paper.log"
    whole = file.read_bytes()
    first = len(whole) // 2
    for length in range(first, len(whole), 37):
        file.write_bytes(whole[:length])
        reopened(tmp_path).exchange.close()


def test_a_file_of_something_else_is_refused(tmp_path):
    payload = msgspec.msgpack.encode({"type": "nonsense"})
    (tmp_path / "paper.log").write_bytes(_HEAD.pack(len(payload), zlib.crc32(payload)) + payload)
    with pytest.raises(JournalCorrupt, match="record at byte 0"):
        reopened(tmp_path)


def test_the_file_is_compacted_as_it_grows_and_keeps_everything(tmp_path):
    world = reopened(tmp_path, compact_bytes=20_000)
    world.bbo(600_000, 600_010, 10**6, 10**6)
    sizes = []
    for number in range(300):
        world.ioc(1 if number % 2 else -1, 10, 600_010 if number % 2 else 600_000)
        sizes.append((tmp_path / "paper.log").stat().st_size)
    assert any(later < earlier for earlier, later in pairwise(sizes))
    truth = world.exchange.snapshot(ACCOUNT, 0)
    world.exchange.close()
    assert reopened(tmp_path).exchange.snapshot(ACCOUNT, 0) == truth


def test_a_position_in_an_instrument_that_is_gone_is_refused_with_what_to_do(tmp_path):
    busy(tmp_path).exchange.close()
    with pytest.raises(VenueError, match="add the instrument again"):
        PaperExchange([], {}, INSTANT, PaperStore(tmp_path / "paper.log"))


def test_a_disk_that_refuses_is_said_and_made_good_later(tmp_path, caplog):
    world = reopened(tmp_path)
    world.bbo(600_000, 600_010)
    store = world.exchange._store
    assert store is not None
    real = os.open("/dev/full", os.O_WRONLY)
    store._fd, kept = real, store._fd
    assert world.ioc(1, 10, 600_010) == [], "what it would forget it does not tell"
    assert world.exchange.next_due_ns == 0
    assert "space" in world.exchange.store_problem
    assert "would forget" in caplog.text
    os.close(real)
    store._fd = kept
    assert len(fills(world.ioc(1, 10, 600_010))) == 2
    assert not world.exchange.store_problem
    world.exchange.close()
    assert reopened(tmp_path).position == 20


CHILD = """
import sys
from pathlib import Path
from tests.exchanges.paper.test_store import reopened
from domain.events import Filled

world = reopened(Path(sys.argv[1]), compact_bytes=30_000)
start = int(sys.argv[2])
world.bbo(600_000, 600_010, 10**9, 10**9)
for number in range(start, start + 100_000):
    side = 1 if number % 3 else -1
    for event in world.ioc(side, 10, 600_010 if side > 0 else 600_000, cid=f"c{number}"):
        if isinstance(event, Filled):
            print(event.fill_id, event.cid, event.side * event.qty, flush=True)
"""


@pytest.mark.process
def test_nothing_told_is_forgotten_after_kill_9(tmp_path):
    rng = random.Random(5)
    told: dict[str, int] = {}
    for attempt in range(4):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(tmp_path), str(attempt * 100_000)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdout is not None
        lines = [child.stdout.readline()]
        time.sleep(rng.uniform(0.02, 0.3))
        child.send_signal(signal.SIGKILL)
        lines += child.stdout.readlines()
        child.wait()
        child.stdout.close()
        for line in lines:
            parts = line.split()
            if len(parts) == 3:
                assert parts[0] not in told, "a fill id was given twice"
                told[parts[0]] = int(parts[2])
        world = reopened(tmp_path)
        known = {fill.fill_id: fill.side * fill.qty for fill in world.exchange.snapshot(ACCOUNT, 0).fills}
        recent = set(known)
        numbers = sorted(int(fill_id[1:]) for fill_id in told)
        missing = [f"F{n}" for n in numbers[-2000:] if f"F{n}" not in recent]
        assert not missing
        extra = {fill_id for fill_id in recent - set(told) if int(fill_id[1:]) <= numbers[-1]}
        assert not extra
        told |= known
        assert world.position == sum(told.values())
        world.exchange.close()
    assert len(told) > 50
