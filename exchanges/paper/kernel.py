"""`matching.match` compiled by numba over the same memory, for long batches of rows.

The functions of `matching` are compiled as they stand, so there is one set of rules. Without numba the same
functions run uncompiled. The compiled code is cached on disk beside the module; where that cannot be
written it is compiled in every process. numpy and numba are imported when the first batch comes.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from exchanges.paper import matching
from exchanges.paper.market import Market

_LADDER = ("find", "shown", "trim", "clear", "make_room", "insert", "set_level")
_ORDERS = ("advance", "report", "refresh", "cross", "trade", "walk", "fire")
_COMPOSED = ("level", "top", "judge", "meet", "match")

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@functools.cache
def compiled_match() -> Callable[..., int]:
    """The compiled kernel, or the plain function where numba cannot be imported."""
    try:
        import numba
    except ImportError:
        return matching.match
    compiler = numba.njit(cache=True)
    try:
        compiler(matching.find)
    except RuntimeError:
        compiler = numba.njit
    scope: dict[str, Any] = dict(vars(matching))
    for name in (*_LADDER, *_ORDERS, *_COMPOSED):
        scope[name] = compiler(types.FunctionType(scope[name].__code__, scope, name))
    kernel: Callable[..., int] = scope["match"]
    return kernel


def match_rows(market: Market, rows: npt.NDArray[np.int64], first: int, last: int) -> int:
    """Match `rows` (five integers each) from `first` to `last`, as `matching.match` does."""
    market.catch_up()
    if market.is_stale:
        market.set_band()
    if not market.views:
        import numpy as np

        arrays = (market.state, market.keys, market.sizes, market.orders, market.triggers, market.out)
        market.views = tuple(np.frombuffer(array, dtype=np.int64) for array in arrays)
    return compiled_match()(rows.reshape(-1), first, last, *market.views)
