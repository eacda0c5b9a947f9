"""What people choose for themselves outlives the process, and a full disk loses nothing that is in force."""

from msgspec import Struct

from bot.people import People, Preferences
from bot.store import OpsStore


async def test_a_choice_is_there_after_a_restart_and_others_are_not_touched(tmp_path) -> None:
    store = OpsStore(tmp_path / "ops.db")
    await store.start()
    people = People(store)
    await people.start()
    assert await people.change("tina", timezone="Europe/Berlin")
    await store.aclose()

    again = OpsStore(tmp_path / "ops.db")
    await again.start()
    later = People(again)
    await later.start()
    assert later.of("tina").timezone == "Europe/Berlin"
    assert later.of("rosa") == Preferences()
    await again.aclose()


async def test_a_choice_that_cannot_be_stored_holds_and_says_so(tmp_path) -> None:
    people = People(OpsStore(tmp_path / "never-opened.db"))
    assert not await people.change("tina", timezone="Asia/Tokyo")
    assert people.of("tina").timezone == "Asia/Tokyo"


async def test_choices_written_by_a_newer_version_do_not_keep_the_bots_from_starting(tmp_path) -> None:
    class Newer(Struct):
        timezone: int

    store = OpsStore(tmp_path / "ops.db")
    await store.start()
    await store.set_preferences("tina", Newer(timezone=5))
    people = People(store)
    await people.start()
    assert people.of("tina") == Preferences()
    await store.aclose()
