"""What is searched: a strategy's parameters and the ranges that its own model gives them.

    space_of(TurtleParams, "entry_bars=20..200:5,stop_atr,style", fixed={})

Named parameters are searched in the range given, or else in the model's own; without any name, all that the model
bounds on both sides. Everything else stays at its default. Positions in the space are numbers from 0 to 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MultipleOf
from msgspec import Struct
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from domain.errors import ConfigError
from domain.strategy import Params

MOST_WHOLE = 2**53
"""Up to here every whole number is one as a float too."""
FINEST = 1e-9
"""Steps smaller than this share of their range are none that anybody meant."""
WIDE = 100.0
"""A range whose ends are this far apart is searched by ratio, not by difference."""
DIGITS = 6
"""Significant digits of a float that is tried: a person can type it again."""
BY_DATA = frozenset({"interval_s"})
"""Parameters that follow the data and are searched only when named."""


class Dimension(Struct, frozen=True, kw_only=True):
    """One parameter's range: numbers from `low` to `high` in steps of `step` (0 = any), or `choices`."""

    name: str
    kind: Literal["int", "float", "choice"]
    low: float = 0.0
    high: float = 0.0
    step: float = 0.0
    log: bool = False
    choices: tuple[bool | int | float | str, ...] = ()

    @property
    def distribution(self) -> BaseDistribution:
        """The same for Optuna."""
        if self.kind == "choice":
            return CategoricalDistribution(self.choices)
        if self.kind == "int":
            return IntDistribution(int(self.low), int(self.high), log=self.log, step=int(self.step) or 1)
        return FloatDistribution(self.low, self.high, log=self.log, step=self.step or None)

    def at(self, position: float) -> bool | int | float | str:
        """The value at a position between 0 and 1."""
        if self.kind == "choice":
            return self.choices[min(int(position * len(self.choices)), len(self.choices) - 1)]
        if self.kind == "int":
            step = int(self.step) or 1
            count = (int(self.high) - int(self.low)) // step + 1
            if not self.log:
                return int(self.low) + min(int(position * count), count - 1) * step
        value = self._between(position)
        if self.step:
            value = self.low + round((value - self.low) / self.step) * self.step
        return round(value) if self.kind == "int" else short(min(max(value, self.low), self.high))

    def _between(self, position: float) -> float:
        if self.log:
            return math.exp(math.log(self.low) + position * (math.log(self.high) - math.log(self.low)))
        return self.low + position * (self.high - self.low)

    def position(self, value: Any) -> float:  # noqa: ANN401 - any plain value
        """Where a value lies, 0 to 1; of choices their number's share."""
        if self.kind == "choice":
            return self.choices.index(value) / max(1, len(self.choices) - 1)
        if self.high == self.low:
            return 0.5
        if self.log:
            return (math.log(value) - math.log(self.low)) / (math.log(self.high) - math.log(self.low))
        return (float(value) - self.low) / (self.high - self.low)

    def holds(self, value: Any) -> bool:  # noqa: ANN401 - any plain value
        """True when a value lies in the range."""
        if self.kind == "choice":
            return value in self.choices
        return isinstance(value, int | float) and self.low <= value <= self.high

    @property
    def text(self) -> str:
        """As it is written in `--space`."""
        if self.kind == "choice":
            return f"{self.name}={'|'.join(str(choice) for choice in self.choices)}"
        step = f":{self.step:g}" if self.step and not (self.kind == "int" and self.step == 1) else ""
        return f"{self.name}={self.low:g}..{self.high:g}{step}{' by ratio' if self.log else ''}"


class Space(Struct, frozen=True, kw_only=True):
    """Everything that is searched, what is fixed beside it, and what could not be searched and why."""

    dimensions: tuple[Dimension, ...]
    fixed: dict[str, Any] = {}
    left_out: tuple[str, ...] = ()

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        """The same for Optuna."""
        return {dimension.name: dimension.distribution for dimension in self.dimensions}

    def params(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Parameters of a strategy from values in the space: what is fixed, and floats as they are written."""
        found = dict(self.fixed)
        for dimension in self.dimensions:
            value = values[dimension.name]
            found[dimension.name] = short(value) if dimension.kind == "float" else value
        return found

    def at(self, positions: Sequence[float]) -> dict[str, Any]:
        """The values at a point of the unit cube."""
        return {
            dimension.name: dimension.at(position)
            for dimension, position in zip(self.dimensions, positions, strict=True)
        }

    def coordinates(self, values: Mapping[str, Any]) -> list[float]:
        """Where values lie, for distances: two choices are as far apart as the ends of a range."""
        found: list[float] = []
        for dimension in self.dimensions:
            value = values[dimension.name]
            if dimension.kind == "choice":
                found.extend(float(value == choice) for choice in dimension.choices)
            else:
                found.append(dimension.position(value))
        return found


def short(value: float) -> float:
    """A float with so many digits as people type."""
    return float(f"{value:.{DIGITS}g}")


def space_of(model: type[Params], text: str, fixed: Mapping[str, Any]) -> Space:
    """The space of a model, restricted by `text`. Raises `ConfigError` that names the parameter."""
    asked = parse(text)
    for name in (*asked, *fixed):
        if name not in model.model_fields:
            raise ConfigError(f"--space: {name!r} is no parameter; there are {', '.join(model.model_fields)}")
    both = sorted(set(asked) & set(fixed))
    if both:
        raise ConfigError(f"{both[0]} is both searched (--space) and fixed (--params): choose one")
    dimensions, left_out = [], []
    for name, field in model.model_fields.items():
        if name in fixed or (asked and name not in asked) or (not asked and name in BY_DATA):
            continue
        try:
            dimensions.append(dimension_of(name, field, asked.get(name, "")))
        except ConfigError as error:
            if asked:
                raise
            left_out.append(str(error))
    if not dimensions:
        raise ConfigError(f"nothing to search: {'; '.join(left_out) or 'every parameter is fixed'}")
    return Space(dimensions=tuple(dimensions), fixed=dict(fixed), left_out=tuple(left_out))


def parse(text: str) -> dict[str, str]:
    """`fast=5..50,style` as names and ranges. Raises `ConfigError`."""
    found: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, span = (piece.strip() for piece in part.partition("="))
        if not name.isidentifier():
            raise ConfigError(f"--space {part!r}: expected name, name=low..high, name=low..high:step or name=a|b|c")
        if name in found:
            raise ConfigError(f"--space: {name} stands there twice")
        found[name] = span
    return found


def dimension_of(name: str, field: FieldInfo, span: str) -> Dimension:
    """One parameter's range, its own or that of `span`, never beyond its own. Raises `ConfigError`."""
    annotation = field.annotation
    if annotation is bool or get_origin(annotation) is Literal:
        own = (False, True) if annotation is bool else get_args(annotation)
        return Dimension(name=name, kind="choice", choices=_chosen(name, own, span))
    if annotation not in {int, float}:
        raise ConfigError(f"{name} is no number, truth value or choice: it cannot be searched")
    kind: type = int if annotation is int else float
    low, high = _bounds(name, field, kind)
    if "|" in span:
        return Dimension(name=name, kind="choice", choices=_numbers(name, span, kind, (low, high)))
    step, log = _step(field, kind), False
    if span:
        low, high, step, log = _given(name, span, kind, (low, high), step)
    if math.isinf(low) or math.isinf(high):
        raise ConfigError(
            f"{name} has no {'lower' if math.isinf(low) else 'upper'} bound: say --space {name}=low..high"
        )
    if not log and not (step and kind is float) and low > 0 and high / low >= WIDE and step <= 1:
        log, step = True, 0.0
    if kind is int and not log:
        high = low + (high - low) // (step or 1) * (step or 1)
    return Dimension(name=name, kind="int" if kind is int else "float", low=low, high=high, step=step, log=log)


def _bounds(name: str, field: FieldInfo, kind: type) -> tuple[float, float]:
    low, high = -math.inf, math.inf
    whole = kind is int
    for item in field.metadata:
        match item:
            case Ge(ge=bound):
                low = max(low, float(bound))  # type: ignore[arg-type]
            case Gt(gt=bound):
                low = max(low, float(bound) + 1 if whole else _inside(float(bound), field))  # type: ignore[arg-type]
            case Le(le=bound):
                high = min(high, float(bound))  # type: ignore[arg-type]
            case Lt(lt=bound):
                high = min(high, float(bound) - 1 if whole else math.nextafter(float(bound), -math.inf))  # type: ignore[arg-type]
            case _:
                continue
    if low > high:
        raise ConfigError(f"{name}: its own range is empty")
    return low, high


def _inside(bound: float, field: FieldInfo) -> float:
    """The lowest value that is searched above an open bound: of a positive number a thousandth of its upper bound."""
    upper = [item.le for item in field.metadata if isinstance(item, Le)]
    if bound == 0 and upper:
        return short(float(upper[0]) / 1000)  # type: ignore[arg-type]
    return math.nextafter(bound, math.inf)


def _step(field: FieldInfo, kind: type) -> float:
    multiples = [float(item.multiple_of) for item in field.metadata if isinstance(item, MultipleOf)]  # type: ignore[arg-type]
    return multiples[0] if multiples else (1.0 if kind is int else 0.0)


def _given(name: str, span: str, kind: type, own: tuple[float, float], step: float) -> tuple[float, float, float, bool]:
    """Low, high, step and whether by ratio from `5..50`, `5..50:5` or `0.1..10:log`."""
    ends, _, how = span.partition(":")
    first, dots, last = ends.partition("..")
    how = how.strip().lower()
    whole = f"; {name} is a whole number" if kind is int else ""
    try:
        low, high = _number(first, kind), _number(last, kind)
        step = _number(how, kind) if how and how != "log" else (0.0 if how == "log" else step)
    except ValueError:
        dots = ""
        low = high = 0.0
    if not dots or step < 0:
        raise ConfigError(f"--space {name}={span}: expected low..high, low..high:step or low..high:log{whole}")
    if low >= high:
        raise ConfigError(f"--space {name}={span}: {first} is not below {last}")
    if step > high - low:
        raise ConfigError(f"--space {name}={span}: the step is larger than the range")
    if 0 < step < (high - low) * FINEST and kind is float:
        raise ConfigError(f"--space {name}={span}: the step is too small for the range; without one any value is tried")
    if how == "log" and low <= 0:
        raise ConfigError(f"--space {name}={span}: by ratio needs a range above zero")
    if low < own[0] or high > own[1]:
        raise _beyond(name, span, own)
    return low, high, step, how == "log"


def _number(text: str, kind: type) -> float:
    """A number as it is typed. Raises `ValueError` for what is none, or none that is exact."""
    number = float(kind(text))
    if not math.isfinite(number) or (kind is int and abs(number) > MOST_WHOLE):
        raise ValueError(text)
    return number


def _beyond(name: str, span: str, own: tuple[float, float]) -> ConfigError:
    low, high = ("any number" if math.isinf(end) else f"{end:g}" for end in own)
    takes = f"{low} or more" if math.isinf(own[1]) else f"{high} or less" if math.isinf(own[0]) else f"{low} to {high}"
    return ConfigError(f"--space {name}={span}: the strategy takes {takes}")


def _chosen(name: str, own: tuple[Any, ...], span: str) -> tuple[Any, ...]:
    if not span:
        return own
    by_text = {str(choice).lower(): choice for choice in own}
    picked = [part.strip().lower() for part in span.split("|")]
    for part in picked:
        if part not in by_text:
            raise ConfigError(f"--space {name}={span}: choose of {', '.join(by_text)}")
    return tuple(by_text[part] for part in dict.fromkeys(picked))


def _numbers(name: str, span: str, kind: type, own: tuple[float, float]) -> tuple[Any, ...]:
    try:
        numbers = [_number(part, kind) for part in span.split("|")]
    except ValueError:
        what = "whole numbers" if kind is int else "numbers"
        raise ConfigError(f"--space {name}={span}: expected {what}") from None
    if min(numbers) < own[0] or max(numbers) > own[1]:
        raise _beyond(name, span, own)
    return tuple(dict.fromkeys(kind(number) for number in numbers))


def problem_with(model: type[Params], params: Mapping[str, Any]) -> str:
    """Why the model refuses a combination, "" when it takes it."""
    try:
        model.model_validate(dict(params))
    except ValidationError as error:
        return "; ".join(_words(problem["loc"], problem["msg"]) for problem in error.errors())
    return ""


def _words(where: Iterable[int | str], what: str) -> str:
    name = ".".join(str(part) for part in where)
    what = what.removeprefix("Value error, ")
    return f"{name}: {what}" if name else what
