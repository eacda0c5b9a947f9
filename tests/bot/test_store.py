"""The operational database: committed is on disk, known is known, damaged is moved aside."""

import sqlite3
import stat
import time

import pytest

from bot.render import Parcel
from bot.store import Letter, OpsStore, Update


@pytest.fixture
async def store(tmp_path):
    opened = OpsStore(tmp_path / "ops.db")
    await opened.start()
    yield opened
    await opened.aclose()


def update(number: int) -> Update:
    return Update(update_id=number, body=b"{}", sent_ns=number)


def letter(event: str, recipient: str = "telegram:1") -> Letter:
    return Letter(
        event=event, recipient=recipient, parcel=Parcel(text="<b>x</b>", plain="x"), created_ns=time.time_ns()
    )


async def test_an_update_is_new_once_and_stays_until_it_is_finished(store):
    assert await store.put_updates("t", [update(1), update(2)]) == [update(1), update(2)]
    assert await store.put_updates("t", [update(2), update(3)]) == [update(3)]
    await store.finish("t", 2, "done")
    assert await store.new_updates("t") == [update(1), update(3)]
    assert await store.put_updates("other bot", [update(1)]) == [update(1)]


async def test_what_strangers_write_is_not_kept(store):
    await store.put_updates("t", [Update(update_id=1, body=b"private words", sent_ns=1)])
    await store.finish("t", 1, "ignored")
    assert await store.put_updates("t", [update(1)]) == []
    (row,) = await store.run(lambda: list(store.db.execute("select body, state from inbox")))
    assert row == (b"", "ignored")


async def test_a_letter_is_queued_once_per_event_and_recipient(store):
    assert len(await store.queue([letter("a"), letter("a", "telegram:2")])) == 2
    assert await store.queue([letter("a")]) == []


async def test_what_was_not_sent_is_open_after_a_restart(tmp_path):
    store = OpsStore(tmp_path / "ops.db")
    await store.start()
    (sent, unknown, refused, _) = await store.queue([letter(name) for name in "abcd"])
    await store.mark(sent, "sent", "77")
    await store.mark(unknown, "unknown")
    await store.mark(refused, "failed", note="chat gone")
    await store.aclose()
    again = OpsStore(tmp_path / "ops.db")
    await again.start()
    assert [(one.event, one.unsure, one.parcel.plain) for one in await again.open_letters()] == [
        ("b", True, "x"),
        ("d", False, "x"),
    ]
    assert await again.provider_id("a", "telegram:1") == "77"
    assert await again.provider_id("b", "telegram:1") == ""
    await again.aclose()


async def test_the_reply_and_the_mark_are_one_transaction(store):
    await store.put_updates("t", [update(1)])
    broken = letter("a")
    broken.recipient = object()  # type: ignore[assignment]
    with pytest.raises(sqlite3.Error):
        await store.finish("t", 1, "done", [broken])
    assert await store.new_updates("t") == [update(1)]


async def test_only_its_owner_may_read_the_file(store):
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600


async def test_a_damaged_file_is_moved_aside_and_a_new_one_begun(tmp_path):
    path = tmp_path / "ops.db"
    path.write_bytes(b"this is no database" * 500)
    store = OpsStore(path)
    await store.start()
    assert await store.put_updates("t", [update(1)])
    await store.aclose()
    (aside,) = tmp_path.glob("ops.db.damaged-*")
    assert aside.read_bytes().startswith(b"this is no database")


async def test_a_store_that_was_closed_opens_again(store):
    await store.queue([letter("a")])
    await store.aclose()
    await store.start()
    assert [one.event for one in await store.open_letters()] == ["a"]
