"""What is tested: strategies over sources of market data.

    Plan(strategies=(Tested(id="trend", kind="turtle"), Tested(id="maker", kind="market_maker")))

`Plan` names strategies and the span; the sources are opened apart (`research.market_data`, `research.stored`), because
one that is read and checked once serves many runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from msgspec import Struct, field

from domain.instrument import InstrumentId


class Tested(Struct, frozen=True, kw_only=True):
    """One strategy: a registry kind or `file.py:Class`, its parameters, and the user's folder of strategies.

    No `instruments` = all of the sources, in their order. It trades on its venue's account, shared with others, unless
    one of its instruments is another's there already, or `own_account` says so: then on `VENUE:ID`.
    """

    __test__: ClassVar[bool] = False
    """Its name is no pytest class's."""

    id: str
    kind: str
    params: dict[str, Any] = field(default_factory=dict)
    instruments: tuple[InstrumentId, ...] = ()
    folder: Path | None = None
    own_account: bool = False
    priority: int = 5
    position_age_ns: int = 0


class Plan(Struct, frozen=True, kw_only=True):
    """Strategies that run together, and when.

    The run begins when every source has begun and every strategy is warm, but not before `start_ns`, and ends with the
    source that ends first, or at `end_ns` (0 = no such bound); what comes before is used for warm-up. With
    `joins` it begins with the first source and ends with the last, and instruments come and go: what a universe with
    listings and delistings needs.
    """

    strategies: tuple[Tested, ...]
    start_ns: int = 0
    end_ns: int = 0
    joins: bool = False
    seed: int = 0
    """Of the simulated sources, told in the result."""
    asked: dict[str, Any] = field(default_factory=dict)
    """The plan file that this comes from, told in the result."""
