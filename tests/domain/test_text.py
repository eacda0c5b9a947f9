"""What a stranger's code says can be shown, recorded and sent, whatever it is."""

import pytest

from domain.codec import encode
from domain.text import MOST_LINE, MOST_TEXT, error_text, plain, plain_lines


class Unspeakable(Exception):
    """Its text has a bug of its own."""

    def __str__(self) -> str:
        return self.nothing_of_the_kind  # type: ignore[attr-defined]  # the bug


class Leaving(Exception):
    """Its text ends the program."""

    def __str__(self) -> str:
        raise SystemExit(3)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("price is 3"), "ValueError: price is 3"),
        (ValueError("x\ud800y"), r"ValueError: x\ud800y"),
        (ValueError("a\x1b[31mb\nc\0"), "ValueError: a [31mb c "),
        (Unspeakable(), "Unspeakable: (its text cannot be made: AttributeError)"),
        (Leaving(), "Leaving: (its text cannot be made: SystemExit)"),
        (ValueError("Größe ✓"), "ValueError: Größe ✓"),
    ],
)
def test_an_error_of_a_strangers_code_becomes_text_that_can_be_encoded(error: Exception, text: str) -> None:
    assert error_text(error) == text
    assert encode(text)


@pytest.mark.parametrize("long", ["x" * 3_000_000, "\ud800" * 3_000_000])
def test_a_long_text_is_cut_and_says_so(long: str) -> None:
    assert len(plain(long)) == MOST_TEXT
    assert plain(long).endswith("...")


def test_lines_for_a_terminal_stay_lines_move_no_cursor_and_turn_nothing_round() -> None:
    assert plain_lines("first\nthe \x1b[31msecond\u202e\u200b") == "first\nthe  [31msecond  "
    assert len(plain_lines("x" * 100_000)) == MOST_LINE
