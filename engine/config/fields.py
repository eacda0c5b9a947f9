"""The kinds of value a settings file holds, each with one sentence that says what is expected.

Numbers are exact: what is written is what is computed with. Canonical form (no trailing zeros)
makes `0.50` and `0.5` the same setting with the same hash.

    Number, Positive, Fraction     Decimal; a fraction may be written 0.05 or 5%
    DurationNs                     nanoseconds from 250ms, 30s, 5m, 1h, 2d
    Name                           a short id for chat, files and SQL
"""

from __future__ import annotations

import re
from decimal import Decimal
from ipaddress import ip_network
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

_NUMBER = re.compile(r"[-+]?[0-9]{1,16}(\.[0-9]{1,12})?")
_DURATION = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)\s*(ms|s|m|h|d)")
_UNIT_NS = {"ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "d": 86_400 * 10**9}
_MAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*")
_PHONE = re.compile(r"\+[1-9][0-9]{5,14}")
_HOST = re.compile(r"[a-z0-9]([a-z0-9-]{0,62})(\.[a-z0-9]([a-z0-9-]{0,62}))*|\[[0-9a-f:]+\]")
_LONGEST_NS = 3660 * _UNIT_NS["d"]


def expected(what: str) -> PydanticCustomError:
    """The error of a value that is not what it should be; `what` completes "expected ..."."""
    return PydanticCustomError("expected", "{what}", {"what": what})


def network_range(value: str) -> str:
    """Addresses as CIDR, in their plain form."""
    try:
        return str(ip_network(value))
    except ValueError:
        raise expected("a network such as 10.0.0.0/8 or 203.0.113.7") from None


def host_name(value: str) -> str:
    """A name as browsers send it, without scheme and port."""
    if _HOST.fullmatch(value.lower()) is None:
        raise expected("a name such as trade.example.com, without https:// and port")
    return value.lower()


def exact_number(value: Any, what: str = "a number such as 0.25 or 10000") -> Decimal:  # noqa: ANN401 - from a file
    """Exact canonical Decimal of a number or numeric text."""
    if isinstance(value, bool) or not isinstance(value, (int, str, Decimal)):
        raise expected(what)
    text = f"{value:f}" if isinstance(value, Decimal) else str(value).strip().replace("_", "")
    if not _NUMBER.fullmatch(text):
        raise expected(f"{what}, with at most 16 digits and 12 decimals")
    return Decimal(text.rstrip("0").rstrip(".") if "." in text else text) + 0


def positive(value: Any) -> Decimal:  # noqa: ANN401 - from a file
    """A number above zero."""
    number = exact_number(value, "a number above 0")
    if number <= 0:
        raise expected("a number above 0")
    return number


def not_negative(value: Any) -> Decimal:  # noqa: ANN401 - from a file
    """A number from zero up."""
    number = exact_number(value, "a number from 0 up")
    if number < 0:
        raise expected("a number from 0 up")
    return number


def fraction(value: Any) -> Decimal:  # noqa: ANN401 - from a file
    """A fraction between 0 and 1; `5%` is 0.05."""
    return _share(value, Decimal(0), Decimal(1), "a fraction between 0 and 1, such as 0.05 or 5%")


def fee_rate(value: Any) -> Decimal:  # noqa: ANN401 - from a file
    """A fee as a fraction of the notional; below zero is a rebate."""
    return _share(value, Decimal("-0.01"), Decimal("0.1"), "a fee between -1% and 10%, such as 0.00045 or 0.045%")


def small_fraction(value: Any) -> Decimal:  # noqa: ANN401 - from a file
    """A share of a price that quotes may be off by."""
    return _share(value, Decimal(0), Decimal("0.01"), "a fraction between 0 and 0.01, such as 0.0002 or 0.02%")


def _share(value: Any, low: Decimal, high: Decimal, what: str) -> Decimal:  # noqa: ANN401 - from a file
    if isinstance(value, str) and value.strip().endswith("%"):
        value = exact_number(value.strip()[:-1], what) / 100
    number = exact_number(value, what)
    if not low <= number <= high:
        raise expected(what)
    return number


def duration_ns(value: Any) -> int:  # noqa: ANN401 - from a file
    """Nanoseconds of `250ms`, `30s`, `5m`, `1.5h`, `2d` or a bare 0."""
    if value == 0 and not isinstance(value, bool):
        return 0
    match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise expected("a duration with its unit: 250ms, 30s, 5m, 1h or 2d")
    nanoseconds = int(Decimal(match[1]) * _UNIT_NS[match[2]])
    if nanoseconds > _LONGEST_NS:
        raise expected("a duration of at most ten years")
    return nanoseconds


def positive_duration_ns(value: Any) -> int:  # noqa: ANN401 - from a file
    """A duration above zero."""
    nanoseconds = duration_ns(value)
    if nanoseconds <= 0:
        raise expected("a duration above 0, such as 250ms, 30s, 5m or 1h")
    return nanoseconds


def printable(text: str) -> str:
    """Text that a screen shows as it is written."""
    if not text.isprintable():
        raise expected("text without control characters, line breaks and invisible marks")
    return text


def mail_address(text: str) -> str:
    """An e-mail address, empty for none."""
    if text and not _MAIL.fullmatch(text):
        raise expected("an e-mail address such as ops@example.com")
    return text


def phone_number(text: str) -> str:
    """A telephone number with its country code, empty for none."""
    if text and not _PHONE.fullmatch(text):
        raise expected("a telephone number with its country code, in quotes: '+4915112345678'")
    return text


Number = Annotated[Decimal, BeforeValidator(exact_number)]
Positive = Annotated[Decimal, BeforeValidator(positive)]
NotNegative = Annotated[Decimal, BeforeValidator(not_negative)]
Fraction = Annotated[Decimal, BeforeValidator(fraction)]
SmallFraction = Annotated[Decimal, BeforeValidator(small_fraction)]
FeeRate = Annotated[Decimal, BeforeValidator(fee_rate)]
DurationNs = Annotated[int, BeforeValidator(duration_ns)]
PositiveDurationNs = Annotated[int, BeforeValidator(positive_duration_ns)]
Count = Annotated[int, Field(ge=0, le=10**12)]
AtLeastOne = Annotated[int, Field(ge=1, le=10**12)]
ChatId = Annotated[int, Field(ge=-(2**62), le=2**62)]
TopicOfChat = Annotated[str, StringConstraints(pattern=r"^-?[0-9]{1,18}:[1-9][0-9]{0,17}$")]
ChatPlace = ChatId | TopicOfChat
"""A chat, or one topic of it: `-1001234567890` or `"-1001234567890:55"`; topic 1 is General."""
UserId = Annotated[int, Field(ge=0, lt=2**63)]
Port = Annotated[int, Field(ge=0, le=65535)]
NetworkRange = Annotated[str, AfterValidator(network_range)]
"""Addresses as CIDR: 10.0.0.0/8, 203.0.113.7."""
HostName = Annotated[str, AfterValidator(host_name)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]{0,39}$")]
Text = Annotated[str, StringConstraints(max_length=500), AfterValidator(printable)]
MailAddress = Annotated[str, AfterValidator(mail_address)]
PhoneNumber = Annotated[str, AfterValidator(phone_number)]
