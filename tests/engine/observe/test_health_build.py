"""Alive, ready, and which build this is."""

import shutil

from engine.observe.build import LOCK, ROOMS, ROOT, build_hash, lock_hash
from engine.observe.health import STALL_NS, Health


def test_nothing_is_ready_before_it_reports():
    health = Health()
    assert health.ready() == (False, ["starting"])
    health.expect("journal", "feed")
    assert health.ready() == (False, ["feed: starting", "journal: starting"])
    health.well("journal")
    health.unwell("feed", "not connected")
    assert health.ready() == (False, ["feed: not connected"])
    health.well("feed")
    assert health.ready() == (True, [])


def test_a_part_that_reported_is_not_reset_by_expecting_it():
    health = Health()
    health.well("journal")
    health.expect("journal")
    assert health.ready() == (True, [])


def test_the_process_is_alive_until_the_loop_stops_turning():
    health = Health()
    assert health.live(10**18) == (True, "")
    health.beat(1_000)
    assert health.live(1_000 + STALL_NS) == (True, "")
    assert health.live(1_001 + STALL_NS) == (False, "the event loop has not turned for 5.0 s")


def copy_of_the_product(folder):
    for room in ROOMS:
        shutil.copytree(ROOT / room, folder / room, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "main.py", folder)
    shutil.copy(ROOT / LOCK, folder)
    return folder


def test_the_build_hash_is_of_the_source_and_of_nothing_else(tmp_path):
    copy = copy_of_the_product(tmp_path)
    first = build_hash(copy)
    (copy / "engine" / "__pycache__").mkdir()
    (copy / "engine" / "__pycache__" / "x.pyc").write_bytes(b"1")
    (copy / "tests").mkdir()
    (copy / "tests" / "test_x.py").write_text("1")
    assert build_hash(copy) == first
    (copy / "engine" / "config" / "paper.yaml").write_text("")
    second = build_hash(copy)
    assert second != first
    (copy / "domain" / "order.py").rename(copy / "domain" / "orders.py")
    assert build_hash(copy) not in {first, second}


def test_the_lock_hash_follows_the_lock(tmp_path):
    assert lock_hash(tmp_path) == ""
    (tmp_path / LOCK).write_text("a==1")
    first = lock_hash(tmp_path)
    (tmp_path / LOCK).write_text("a==2")
    assert len(first) == 64
    assert lock_hash(tmp_path) != first
