"""Amounts: what people type becomes a quantity, and what could mean two things is asked back with both."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.amounts import Terms, amount_for, amount_in, amount_of, decimal_of
from bot.parse import UsageError
from tests.bot.world import BTC, Engine, order

PRICE = Decimal(64_000)
TERMS = Terms(price=PRICE, base="BTC", equity=Decimal(100_000), step=Decimal("0.00001"))
LONG = Terms(price=PRICE, base="BTC", equity=Decimal(100_000), step=Decimal("0.00001"), position=Decimal("0.8"))


@pytest.mark.parametrize(
    ("text", "qty"),
    [
        ("0.5", "0.5"),
        (".5", "0.5"),
        ("0.5btc", "0.5"),
        ("0.5 BTC", "0.5"),
        ("2kbtc", "2000"),
        ("$2k", "0.03125"),
        ("$2,000.00", "0.03125"),
        ("2000usd", "0.03125"),
        ("2k usdc", "0.03125"),
        ("$1,234,567", "19.29010"),
        ("$2M", "31.25000"),
        ("25%", "0.39062"),
        ("25%eq", "0.39062"),
        ("12.5% equity", "0.19531"),
    ],
)
def test_an_amount_is_a_quantity_rounded_down_to_the_step(text, qty):
    assert amount_in(text, TERMS).qty == Decimal(qty)


def test_the_words_say_what_is_understood():
    assert amount_of("0.5", None).words == "0.5 base units"
    assert amount_in("0.5", TERMS).words == "0.5 BTC, about $32,000.00"
    assert amount_in("$2k", TERMS).words == "0.03125 BTC, $2,000.00 of the $2,000.00 asked for"
    assert amount_in("50%pos", LONG).words == "0.4, 50% of the position"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2k", "2000 BTC, or money? Write 2000btc or $2k"),
        ("1,500", "could be 1.500 or 1500"),
        ("$1,500", "could be $1.500 or $1500"),
        ("1,5", "write decimals with a dot: 1.5"),
        ("0,125", "write decimals with a dot: 0.125"),
        ("500", "500 BTC are worth 32,000,000.00, your equity is 100,000.00. Write $500 if you mean money, or 500btc"),
        ("0.5eth", "quantities are in BTC here"),
        ("1e3", "write it out"),
        ("1_000", "write 1000"),
        ("1'000", "write 1000"),
        ("1.000.000", "not a number"),
        ("-1", "without a sign; buy or sell says the direction"),
        ("+1", "without a sign"),
        ("0", "greater than zero"),
        ("$0.10", "less than the smallest step, 0.00001, which is worth $0.64"),
        ("€200", "no amount"),
        ("200eur", "money is in USD"),
        ("$5btc", "money and BTC at once. Write $5 or 5btc"),
        ("$25%", "no share"),
        ("25%foo", "no share"),
        ("25%pos", "there is no position"),
        ("nan", "no amount"),
        ("٣", "no amount"),
        ("", "no amount"),
        ("99999999999999999999", "not a quantity that anything is traded in"),
    ],
)
def test_what_could_mean_two_things_or_nothing_is_asked_back(text, said):
    with pytest.raises(UsageError) as told:
        amount_in(text, TERMS)
    assert said in str(told.value)


def test_a_share_is_asked_back_where_it_could_be_of_the_position():
    with pytest.raises(UsageError) as told:
        amount_in("25%", LONG)
    assert str(told.value) == "25% of what? 25%pos is of the position (0.2), 25%eq is of your equity"
    assert amount_in("25%pos", LONG).qty == Decimal("0.2")
    with pytest.raises(UsageError, match="more than the whole position"):
        amount_in("150%pos", LONG)


def test_money_without_a_price_is_not_guessed():
    with pytest.raises(UsageError, match="there is no price yet"):
        amount_of("$2k", None)


@given(st.text(max_size=15) | st.from_regex(r"\$?[0-9.,]{1,9}[kmbtcusd%]{0,4}", fullmatch=True))
def test_whatever_is_typed_is_a_quantity_above_zero_or_a_usage_error(text):
    for terms in (TERMS, LONG, Terms()):
        try:
            found = amount_in(text, terms)
        except UsageError:
            continue
        assert found.qty > 0
        assert found.qty.is_finite()


@given(st.integers(1, 10**12))
def test_money_is_never_rounded_up(cents):
    text = f"${cents // 100}.{cents % 100:02}"
    try:
        found = amount_in(text, TERMS)
    except UsageError:
        return
    assert found.qty * PRICE <= Decimal(cents) / 100 < (found.qty + TERMS.step) * PRICE


async def test_the_desk_says_what_an_amount_is_relative_to():
    engine = Engine()
    await order(engine.desk, "tina", "0.05")
    engine.play(5)
    desk = engine.desk
    assert amount_for(desk, "PAPER:main", BTC, "50%pos", buys=False).qty == Decimal("0.025")
    with pytest.raises(UsageError, match="of what"):
        amount_for(desk, "PAPER:main", BTC, "50%", buys=False)
    assert amount_for(desk, "PAPER:main", BTC, "1%", buys=True).qty > 0
    contract = desk.contract(BTC)
    assert contract is not None
    assert contract.qty(amount_for(desk, "PAPER:main", BTC, "$1234.56", buys=True).qty) > 0


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "1,5", "much", "1e999999999", "1_0", "٣", "1e3", "+", "."])
def test_a_number_is_above_zero_and_read_alike_by_everybody(text):
    with pytest.raises(UsageError):
        decimal_of(text)
    assert decimal_of("0.25") == Decimal("0.25")
