"""The market-data benchmark runs and says under which rules."""

import msgspec

from research.bench import feeds


def test_every_row_is_complete_and_positive():
    rows = feeds.run(frames=20, events=2_000)
    assert [row["unit"] for row in rows] == ["us", "us", "us", "1/s", "us"]
    assert all(row["value"] > 0 and row["rules"] for row in rows)


def test_the_frames_are_books_of_twenty_levels_of_which_five_change():
    first, second = (msgspec.json.decode(frame)["data"]["levels"] for frame in feeds.book_frames(2))
    assert [len(side) for side in first] == [20, 20]
    changed = [(a, b) for one, two in zip(first, second, strict=True) for a, b in zip(one, two, strict=True) if a != b]
    assert len(changed) == 5
