"""The engine's side: beats from the loop, and an end for a run that was acted for."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from engine.watchdog import heart as hearts
from engine.watchdog.folder import Folder, Report
from engine.watchdog.heart import RunEnded
from tests.engine.watchdog.bedside import SETTINGS, beating


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_a_beat_says_who_lives_and_how_far_the_journal_is(tmp_path: Path, folder: Folder) -> None:
    beating(tmp_path)
    beat = folder.beat()
    assert beat is not None
    assert (beat.installation, beat.epoch, beat.number, beat.seq, beat.stopped) == ("a1b2c3", 3, 1, 77, False)
    guarded = folder.guarded()
    assert guarded is not None
    assert (guarded.instruments, guarded.accounts) == (SETTINGS.instruments, ("HYPERLIQUID:main",))


def test_it_beats_once_a_second_however_often_the_loop_turns(tmp_path: Path, folder: Folder) -> None:
    heart = beating(tmp_path)
    for _ in range(1000):
        heart.beat()
    beat = folder.beat()
    assert beat is not None
    assert beat.number == 2


def test_a_run_that_was_acted_for_sends_nothing_more_and_ends(tmp_path: Path, folder: Folder, monkeypatch) -> None:
    monkeypatch.setattr(hearts, "LOOK_NS", 0)
    heart = beating(tmp_path)
    assert heart.may_send()
    folder.keep("fence", 3)
    assert not heart.may_send()
    with pytest.raises(RunEnded, match="run 3"):
        heart.beat()
    heart.end()
    beat = folder.beat()
    assert beat is not None
    assert not beat.stopped, "what was ended from outside did not stop cleanly"


def test_the_fence_of_an_earlier_run_is_no_fence(tmp_path: Path, folder: Folder, monkeypatch) -> None:
    monkeypatch.setattr(hearts, "LOOK_NS", 0)
    folder.make()
    folder.keep("fence", 2)
    assert beating(tmp_path).may_send()


def test_looking_at_the_fence_is_not_done_before_every_send(tmp_path: Path, monkeypatch) -> None:
    heart = beating(tmp_path)
    heart.may_send()
    monkeypatch.setattr(Folder, "fence", lambda _: pytest.fail("looked again at once"))
    for _ in range(100):
        assert heart.may_send()


def test_a_clean_stop_says_that_there_is_nothing_to_guard(tmp_path: Path, folder: Folder) -> None:
    beating(tmp_path).end()
    beat = folder.beat()
    assert beat is not None
    assert beat.stopped


def test_what_the_watchdog_did_is_told_to_the_next_run_until_that_has_it_on_disk(
    tmp_path: Path, folder: Folder
) -> None:
    folder.make()
    folder.keep("report", Report(epoch=3, acted_ns=5, flattened=True, done=True, text="it closed everything"))
    for _ in range(2):
        heart = hearts.Heart(folder, lambda: hearts.Known(0, 3, "s", SETTINGS))
        [acted] = heart.begin("a1b2c3", 4)
        assert (acted.epoch, acted.flattened, acted.text) == (3, True, "it closed everything")
    heart.told()
    assert hearts.Heart(folder, lambda: hearts.Known(0, 3, "s", SETTINGS)).begin("a1b2c3", 5) == []


def test_a_run_does_not_begin_while_the_watchdog_acts(tmp_path: Path, folder: Folder) -> None:
    begun = threading.Event()

    def begin() -> None:
        beating(tmp_path)
        begun.set()

    with folder.lock("acting"):
        thread = threading.Thread(target=begin)
        thread.start()
        time.sleep(0.15)
        assert not begun.is_set()
    thread.join(timeout=5)
    assert begun.is_set()
