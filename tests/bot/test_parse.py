"""Words to arguments: what fits where, and errors that name the nearest right word."""

import pytest

from bot.parse import Argument, UsageError, account_of, bind, clean, instrument_of, params_of, words_of
from tests.bot.world import BTC, Engine

WHICH = Argument(name="which", help="", required=False, choices=("open", "recent"))
COUNT = Argument(name="n", help="", required=False, whole=True)
SYMBOL = Argument(name="symbol", help="an instrument", required=False)
SIDE = Argument(name="side", help="buy or sell", choices=("buy", "sell"))
REASON = Argument(name="reason", help="", required=False, rest=True)


@pytest.fixture(scope="module")
def desk():
    return Engine().desk


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("/status", ["status"]),
        ("/STATUS  BTC", ["status", "BTC"]),
        ("/status@moon_bot now", ["status", "now"]),
        ("/status@other_bot", []),
        ("status", []),
        ("", []),
        ("/", [""]),
    ],
)
def test_a_command_line_becomes_words(line, words):
    assert words_of(line, "moon_bot") == words


@pytest.mark.parametrize(
    ("arguments", "line", "bound"),
    [
        ((WHICH, SYMBOL), "recent BTC", {"which": "recent", "symbol": "BTC"}),
        ((WHICH, SYMBOL), "BTC", {"symbol": "BTC"}),
        ((COUNT, SYMBOL), "BTC", {"symbol": "BTC"}),
        ((COUNT, SYMBOL), "5", {"n": "5"}),
        ((SYMBOL, REASON), "BTC it is late", {"symbol": "BTC", "reason": "it is late"}),
        ((SIDE,), "BUY", {"side": "BUY"}),
        ((WHICH, SYMBOL), "", {}),
    ],
)
def test_words_go_to_the_arguments_that_can_take_them(desk, arguments, line, bound):
    assert bind("/x", arguments, line.split(), desk) == bound


@pytest.mark.parametrize(
    ("arguments", "line", "said"),
    [
        ((SIDE,), "", "buy|sell is missing (buy or sell). Usage: /x"),
        ((SIDE,), "bye", "'bye' is not buy|sell: did you mean buy?"),
        ((SYMBOL,), "BTC now", "'now' is too much"),
        ((COUNT,), "many", "'many' is not [N] (a whole number)"),
    ],
)
def test_words_that_fit_nowhere_are_refused_with_the_reason(desk, arguments, line, said):
    with pytest.raises(UsageError) as caught:
        bind("/x", arguments, line.split(), desk)
    assert said in str(caught.value)


def test_an_unknown_instrument_names_the_nearest(desk):
    assert instrument_of(desk, "btc") == BTC
    with pytest.raises(UsageError, match="did you mean BTC"):
        instrument_of(desk, "BTX")


def test_a_base_asset_that_is_traded_at_several_venues_is_answered_with_all_of_them(desk, monkeypatch):
    ids = ["BTC-USDC-PERP.HYPERLIQUID", "BTC-USDT-PERP.BYBIT", "ETH-USDT-PERP.BYBIT"]
    monkeypatch.setattr(desk, "instruments", lambda: ids)
    monkeypatch.setattr(desk, "instrument", lambda _: None)
    with pytest.raises(UsageError, match=r"'btc' is traded as .*HYPERLIQUID and BTC-USDT-PERP\.BYBIT: write"):
        instrument_of(desk, "btc")


def test_the_only_account_need_not_be_named(desk):
    assert account_of(desk, "", BTC) == "PAPER:main"
    assert account_of(desk, "main") == "PAPER:main"
    with pytest.raises(UsageError, match="did you mean PAPER:main"):
        account_of(desk, "PAPER:mian")


def test_parameters_are_keys_and_values():
    assert params_of("window=55 risk=0.5 long=true name=x") == {"window": 55, "risk": 0.5, "long": True, "name": "x"}
    assert params_of("a=1_0 b=٣") == {"a": "1_0", "b": "٣"}, "read as numbers by Python, not by people"
    assert params_of("x=nan") == {"x": "nan"}, "not a number is text, which no numeric parameter takes"
    for wrong in ("window", "=5", "a=1 a=2"):
        with pytest.raises(UsageError):
            params_of(wrong)


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("odd \x1b[31;1mprices\x1b[0m", "odd prices"),
        ("\x1b]0;owned\x07title", "title"),
        ("\x9b2Jgone", "gone"),
        ("a\x00b\x07c\x7fd\x08", "abcd"),
        ("pay \u202egnp.exe\u2066 now", "pay gnp.exe now"),
        ("ad\u200bam \ufeffZ\u00ad", "adam Z"),
        ("one\r\ntwo\tthree\u2028four", "one  two three four"),
        ("half \ud83d", "half ?"),
        ("Straße · 数 · é · 👍", "Straße · 数 · é · 👍"),
    ],
)
def test_what_people_type_can_neither_drive_a_terminal_nor_disguise_itself(typed, shown):
    assert clean(typed) == shown


def test_a_halt_with_invisible_letters_in_it_is_still_a_halt():
    assert words_of("/ha\u200blt \x1b[1mnow") == ["halt", "now"]
