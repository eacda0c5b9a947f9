"""The page of reasons is the code's."""

from tools import reasons


def test_the_page_of_reasons_is_what_the_code_says() -> None:
    assert reasons.TABLE.read_text() == reasons.table()
