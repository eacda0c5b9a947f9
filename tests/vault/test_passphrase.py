"""A passphrase is strong enough before it seals anything, and typed in any usual way it is the same one."""

import pytest

from vault.errors import VaultError
from vault.passphrase import Passphrase, generate, weakness


@pytest.mark.parametrize(
    "text",
    ["otter marble kiosk window seven", "Otter-marble kiosk window seven eight", "Größe Übung fünf andere Wörter"],
)
def test_five_different_words_are_enough(text):
    assert weakness(Passphrase(text)) == ""


@pytest.mark.parametrize(
    "text",
    [
        "otter marble kiosk window",
        "otter otter otter otter otter Otter",
        "a b c d e f g h",
        "12345 67890 12345 67890 11111",
        "Tr0ub4dor&3-and-a-very-long-password-without-spaces",
        "k7qf2-9mxw4-aaaaa-bbbbb",
        "K7QF2-9MXW4-AAAAA-BBBBB-CCCCC",
    ],
)
def test_fewer_words_or_what_only_looks_generated_is_refused_with_what_is_wanted(text):
    assert "5 different words of 3 letters or more" in weakness(Passphrase(text))


def test_a_generated_one_is_accepted_and_no_two_are_alike():
    made = [generate() for _ in range(100)]
    assert all(weakness(one) == "" for one in made)
    assert len({bytes(one.bytes) for one in made}) == len(made)
    assert all(len(one.bytes) == 29 for one in made)


def test_the_way_of_typing_does_not_matter():
    assert Passphrase("  fünf \t wörter\n").bytes == Passphrase("fu\u0308nf wo\u0308rter").bytes


def test_it_does_not_show_itself_and_can_be_overwritten():
    passphrase = Passphrase("otter marble kiosk window seven", "a test")
    assert "otter" not in repr(passphrase)
    passphrase.wipe()
    assert not any(passphrase.bytes)


def test_an_empty_one_is_none():
    with pytest.raises(VaultError, match="empty"):
        Passphrase(" \n")
