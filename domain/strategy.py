"""The one signature every strategy has: `decide(memory, view) -> (memory, Desired)`.

A strategy is a fold with memory. It sees float64 in natural units, never an order, never a clock.
What it may remember is a msgspec struct, so that it can be saved, and it may change it in place.
It is woken by its feeds and by its own fills.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from msgspec import Struct
from pydantic import BaseModel, ConfigDict, field_validator

from domain.codec import encode
from domain.commands import AddsRisk, ParamRule
from domain.desired import Desired
from domain.instrument import InstrumentId
from domain.market import Feed
from domain.text import plain


class Wake(enum.IntEnum):
    """Why `decide` is called."""

    BAR = 1
    BBO = 2
    BOOK = 3
    TRADE = 4
    FILL = 5


class BarView(Struct, frozen=True, gc=False):
    """A finished bar in natural units; `ts_ns` is its close."""

    instrument: InstrumentId
    interval_ns: int
    ts_ns: int
    open: float
    high: float
    low: float
    close: float
    volume: float


class BboView(Struct, frozen=True, gc=False):
    """Best bid and offer in natural units."""

    bid: float
    bid_qty: float
    ask: float
    ask_qty: float


class BookView(Struct, frozen=True):
    """Nearest levels as (price, quantity), best first."""

    bids: tuple[tuple[float, float], ...]
    asks: tuple[tuple[float, float], ...]


class TradeView(Struct, frozen=True, gc=False):
    """One public trade; `side` is the aggressor's."""

    instrument: InstrumentId
    price: float
    qty: float
    side: int


class FillView(Struct, frozen=True, gc=False):
    """One own fill. `entry` is the entry id of its order; `protective`: it was a fired stop or take-profit."""

    instrument: InstrumentId
    ts_ns: int
    side: int
    price: float
    qty: float
    entry: str
    protective: bool


class View(Protocol):
    """What a strategy may look at. Valid only during the call."""

    ts_ns: int
    wake: Wake
    instrument: InstrumentId
    """The instrument of the event that woke it."""
    warming: bool
    """True while history is played; what is desired then is not acted on."""
    desired: Desired
    """What it wanted last; return this same object for "unchanged"."""

    @property
    def bar(self) -> BarView:
        """The bar that woke it. Raises `StrategyError` when woken by something else."""
        ...

    @property
    def close(self) -> float:
        """Close of the bar that woke it; cheaper than `bar.close`."""
        ...

    @property
    def trade(self) -> TradeView:
        """The trade that woke it."""
        ...

    @property
    def fill(self) -> FillView:
        """The own fill that woke it."""
        ...

    def bbo(self, instrument: InstrumentId) -> BboView | None:
        """Best bid and offer, None while unknown."""
        ...

    def book(self, instrument: InstrumentId) -> BookView | None:
        """The nearest levels, None while unknown."""
        ...

    def position(self, instrument: InstrumentId) -> float:
        """Own filled position, signed, in base units."""
        ...

    def coming(self, instrument: InstrumentId, side: int) -> float:
        """What own orders on a side may still fill, in base units; those without an answer count in full."""
        ...

    def entry_price(self, instrument: InstrumentId) -> float:
        """Average entry price of the own position, 0.0 when flat."""
        ...

    def equity(self) -> float:
        """Equity of its accounts together, in their currency."""
        ...

    def funding_rate(self, instrument: InstrumentId) -> float:
        """Current funding rate as a fraction per funding interval; 0.0 while unknown."""
        ...

    def tick_size(self, instrument: InstrumentId) -> float:
        """Smallest price move in quote units."""
        ...

    def lot_size(self, instrument: InstrumentId) -> float:
        """Smallest quantity in base units."""
        ...

    def smallest(self, instrument: InstrumentId) -> float:
        """The smallest order that its venue takes at the present price, in base units."""
        ...

    def taker_fee(self, instrument: InstrumentId) -> float:
        """Fee of what takes, as a fraction of its worth."""
        ...

    def funding_interval_s(self, instrument: InstrumentId) -> float:
        """Seconds from one payment of funding to the next."""
        ...


class Params(BaseModel):
    """Base of every strategy's parameters: frozen, unknown keys and numbers without an end refused.

    A parameter says which change of it adds risk, and with it needs votes: `qty: Annotated[float, AddsRisk.RAISED]`.
    One that says nothing adds risk whichever way it is changed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _can_be_recorded(cls, value: Any) -> Any:  # noqa: ANN401 - whatever was given
        """What the journal cannot hold ends no service and no run when it is written: it is refused here."""
        try:
            encode(value)
        except OverflowError:
            raise ValueError("a whole number of more than 64 bits cannot be recorded") from None
        except (UnicodeError, RecursionError) as error:
            raise ValueError(f"it cannot be recorded: {plain(error)}") from None
        except TypeError:
            pass  # no plain value: whether the field takes it is the model's to say
        return value


PLAIN = (bool, int, float, str, type(None))


def rules_of(model: type[Params], names: Iterable[str]) -> dict[str, ParamRule]:
    """What a model declares of some of its parameters.

    One that it does not know, or whose default is no plain value, is left out: its change adds risk.
    """
    found = {}
    for name in names:
        field = model.model_fields.get(name)
        if field is None or not (field.is_required() or isinstance(field.default, PLAIN)):
            continue
        adds = next((item for item in field.metadata if isinstance(item, AddsRisk)), AddsRisk.ALWAYS)
        found[name] = ParamRule(adds, None if field.is_required() else field.default)
    return found


def range_of(model: type[BaseModel], name: str) -> str:
    """The values that a parameter takes, in words: "2 to 5000", "above 0, up to 50"; "" where nothing bounds it."""
    field = model.model_fields.get(name)
    bounds: dict[str, Any] = {}
    for item in field.metadata if field is not None else ():
        bounds |= {key: value for key in ("ge", "gt", "le", "lt") if (value := getattr(item, key, None)) is not None}
    if "ge" in bounds and "le" in bounds:
        return f"{bounds['ge']} to {bounds['le']}"
    words = {"ge": "{} and more", "gt": "above {}", "le": "up to {}", "lt": "below {}"}
    return ", ".join(words[key].format(value) for key, value in bounds.items())


M = TypeVar("M", bound=Struct)
P = TypeVar("P", bound=Params)


class Strategy(ABC, Generic[M, P]):
    """One loaded strategy: its instruments and parameters. Holds no changing state of its own."""

    kind: ClassVar[str]
    """Registry name, for example `market_maker`."""
    source: ClassVar[str] = ""
    """Text of the user's file it was loaded from; "" = a built-in one, which the build's hash stands for."""
    origin: ClassVar[str] = ""
    """That file; "" = built in."""
    params_type: ClassVar[type[Params]]
    memory_type: ClassVar[type[Struct]]
    """Its field `because`, where there is one, tells people why nothing is wanted."""

    def __init__(self, instruments: Sequence[InstrumentId], params: P) -> None:
        """Keep the instruments and validated parameters."""
        self.instruments = tuple(instruments)
        self.params = params

    @classmethod
    def build(cls, instruments: Sequence[InstrumentId], params: Mapping[str, Any]) -> Strategy[Any, Any]:
        """Validate raw parameters and make the strategy. Raises pydantic's `ValidationError`."""
        return cls(instruments, cls.params_type.model_validate(dict(params)))  # type: ignore[arg-type]

    @abstractmethod
    def feeds(self) -> tuple[Feed, ...]:
        """The market data that wakes it."""

    def warmup(self) -> int:
        """Finished bars of each bar feed needed before it may act."""
        return 0

    @abstractmethod
    def start(self) -> M:
        """Memory of a strategy that has seen nothing."""

    @abstractmethod
    def decide(self, memory: M, view: View) -> tuple[M, Desired]:
        """What should be true now. Must not keep references to `view`."""


def line_of(error: BaseException, origin: str) -> str:
    """`, line N`: where in the file `origin` an error came up last; "" when it did not come from there."""
    line, trace = "", error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == origin:
            line = f", line {trace.tb_lineno}"
        trace = trace.tb_next
    return line
