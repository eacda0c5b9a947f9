"""The matching rules over integer arrays: one batch of market rows against one instrument's resting orders.

The same functions run as they are on `array.array` (short batches) and compiled by numba on views of the
same memory (`kernel.py`). Nothing here knows accounts, money or events.

Rows, five integers each: (ts_ns, kind, side, price, qty).

    LEVEL   the size shown at a price is now `qty` (0 = gone)
    TRADE   a public trade; `side` is the aggressor's
    TOP     best price of a side with its size; better levels are gone (all are, where no LEVEL was ever shown)
    CLEAR   forget a side: a snapshot begins, and orders wait for the LOOK that ends it
    LOOK    the ladder has changed as a whole: judge every order
    MARK    a mark price: only triggers look at it
    PATH    a bar's price path reaches `price`, whatever the quantity; qty 1 = touching a limit fills it
    TOUCH   as LOOK, and the queues have been told already, or will be

The ladder keeps both sides in one pair of arrays, bids in the first DEPTH places, asks in the others, each
around the middle so that it can grow both ways. A level's key is side * price, ascending, so on both sides
the best level is the last, and an order crosses when key + opposite key >= 0. Emptied levels stay, with
size 0, until room is needed; the best one never is.
`match` returns after the first row that has an effect (fills and fired triggers in `out`), so that the
caller can settle it before time goes on.
"""

from __future__ import annotations

from typing import Protocol

ROW = 5
LEVEL, TRADE, TOP, CLEAR, LOOK, MARK, PATH, TOUCH = 1, 2, 3, 4, 5, 6, 7, 8

DEPTH, SPARE = 1024, 256
"""Levels kept on each side, and how many are free again after a full one has been cleaned up."""

BIDS, ASKS, WORST, LOW, HIGH, ORDERS, TRIGGERS, OUT, POWER, LOADING, DEEP, LAST = 0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12
"""Places in `state`: how many levels a side has, where its worst one is (WORST + side); the quiet band (nothing
can happen strictly inside it); the queue model; whether a snapshot is being loaded, and whether more than
the best prices has ever been shown; the last trade's price."""
STATE = 13

SIDE, KEY, LEAVES, AHEAD, SHOWN, TRADED = 0, 1, 2, 3, 4, 5
"""Columns of `orders`: AHEAD is the queue in front (-1 = unknown), SHOWN the size last displayed (-1 = unknown)."""
ORDER = 6

TRIGGER_SIDE, DIRECTION, TRIGGER_PRICE = 0, 1, 2
"""Columns of `triggers`: fires at or above its price (+1), or at or below (-1)."""
TRIGGER = 3


class ReadInts(Protocol):
    """A flat row of 64-bit integers: `array.array("q")`, or a numpy view of one."""

    def __getitem__(self, index: int, /) -> int:
        """Read one."""
        ...


class Ints(ReadInts, Protocol):
    """As above, and writable."""

    def __setitem__(self, index: int, value: int, /) -> None:
        """Write one."""
        ...


def find(keys: Ints, first: int, count: int, key: int) -> int:
    """Place of the first of `count` keys, from `first` on, that is not below `key`."""
    left = count
    while left > 1:
        half = left >> 1
        if keys[first + half - 1] < key:
            first += half
        left -= half
    if left == 1 and keys[first] < key:
        first += 1
    return first


def shown(state: Ints, keys: Ints, sizes: Ints, side: int, key: int) -> int:
    """Size displayed at a key: 0 where the ladder has a hole, -1 beyond what it shows."""
    half = BIDS if side > 0 else ASKS
    first, count = state[WORST + half], state[half]
    if count == 0 or key < keys[first]:
        return -1
    at = find(keys, first, count, key)
    return sizes[at] if at < first + count and keys[at] == key else 0


def trim(state: Ints, sizes: Ints, half: int) -> None:
    """Take emptied levels off the best end of a side: what is best always has a size."""
    first, count = state[WORST + half], state[half]
    while count > 0 and sizes[first + count - 1] == 0:
        count -= 1
    state[half] = count


def clear(state: Ints, half: int) -> None:
    """Forget a side."""
    state[half] = 0
    state[WORST + half] = half * DEPTH + DEPTH // 2


def make_room(state: Ints, keys: Ints, sizes: Ints, half: int) -> None:
    """Forget a side's emptied levels, and if that is not enough its worst ones; put the others in the middle."""
    first, base, end = state[WORST + half], half * DEPTH, (half + 1) * DEPTH
    kept = end
    for i in range(first + state[half] - 1, first - 1, -1):
        if sizes[i] > 0 and kept > base + SPARE:
            kept -= 1
            keys[kept] = keys[i]
            sizes[kept] = sizes[i]
    move = (kept - base) // 2
    for i in range(kept, end):
        keys[i - move] = keys[i]
        sizes[i - move] = sizes[i]
    state[half] = end - kept
    state[WORST + half] = kept - move


def set_level(state: Ints, keys: Ints, sizes: Ints, side: int, key: int, qty: int) -> None:
    """Write one level of the ladder. One that is gone keeps its place with size 0: it will most likely be back."""
    half = BIDS if side > 0 else ASKS
    first, count = state[WORST + half], state[half]
    at = find(keys, first, count, key)
    if at < first + count and keys[at] == key:
        sizes[at] = qty
        trim(state, sizes, half)
    elif qty > 0:
        insert(state, keys, sizes, half, at, key, qty)


def insert(state: Ints, keys: Ints, sizes: Ints, half: int, at: int, key: int, qty: int) -> None:
    """Add a level before place `at`, moving whichever end of the side is nearer."""
    if state[WORST + half] == half * DEPTH or state[WORST + half] + state[half] == (half + 1) * DEPTH:
        make_room(state, keys, sizes, half)
        at = find(keys, state[WORST + half], state[half], key)
    first, end = state[WORST + half], state[WORST + half] + state[half]
    if at - first < end - at:
        for i in range(first, at):
            keys[i - 1] = keys[i]
            sizes[i - 1] = sizes[i]
        at -= 1
        state[WORST + half] = first - 1
    else:
        for i in range(end, at, -1):
            keys[i] = keys[i - 1]
            sizes[i] = sizes[i - 1]
    keys[at] = key
    sizes[at] = qty
    state[half] += 1


def advance(orders: Ints, at: int, size: int, power: int) -> None:
    """Move an order up its queue now that `size` is displayed at its price (-1 = unknown).

    `power` 0 is the risk-averse model. Otherwise what left without trading left the front and the back in
    proportion front**power to back**power; fractions round against us.
    """
    before, traded = orders[at + SHOWN], orders[at + TRADED]
    orders[at + SHOWN] = size
    orders[at + TRADED] = 0
    if size < 0:
        return
    ahead = orders[at + AHEAD]
    if ahead < 0:
        ahead = size
    elif before >= 0 and power > 0:
        gone = before - traded - size
        back = before - traded - ahead
        if gone > 0 and ahead > 0:
            front = gone
            if back > 0:
                ratio = back / ahead
                weight = 1.0
                for _ in range(power):
                    weight *= ratio
                front = max(int(gone / (1.0 + weight)), gone - back)
            ahead -= front
    if ahead > size:  # noqa: PLR1730 - on the hot path, and min() costs thrice as much
        ahead = size
    orders[at + AHEAD] = ahead if ahead > 0 else 0  # noqa: FURB136 - as above


def report(state: Ints, out: Ints, slot: int, qty: int) -> None:
    """Add a fill of the order in `slot`, or a fired trigger as -1 - slot, to `out`."""
    count = state[OUT]
    out[2 * count] = slot
    out[2 * count + 1] = qty
    state[OUT] = count + 1


def refresh(state: Ints, keys: Ints, sizes: Ints, orders: Ints) -> None:
    """Update every order's queue from the ladder."""
    for i in range(state[ORDERS]):
        at = i * ORDER
        size = shown(state, keys, sizes, orders[at + SIDE], orders[at + KEY])
        if size != orders[at + SHOWN] or (size >= 0 and orders[at + TRADED] != 0):
            advance(orders, at, size, state[POWER])


def cross(state: Ints, keys: Ints, sizes: Ints, orders: Ints, out: Ints) -> None:
    """Fill orders that the opposite side of the ladder has come through, eating what it shows."""
    for i in range(state[ORDERS]):
        at = i * ORDER
        half = ASKS if orders[at + SIDE] > 0 else BIDS
        key, leaves, filled = orders[at + KEY], orders[at + LEAVES], 0
        while filled < leaves and state[half] > 0:
            best = state[WORST + half] + state[half] - 1
            if keys[best] + key < 0:
                break
            qty = min(leaves - filled, sizes[best])
            filled += qty
            sizes[best] -= qty
            trim(state, sizes, half)
        if filled:
            orders[at + LEAVES] = leaves - filled
            report(state, out, i, filled)


def trade(state: Ints, orders: Ints, out: Ints, side: int, price: int, qty: int) -> None:
    """Let a public trade eat the queues at its price and fill the orders it went through, best first."""
    left, level, taken = qty, -1, 0
    for i in range(state[ORDERS]):
        at = i * ORDER
        if orders[at + SIDE] == side:
            continue
        key, leaves, filled = orders[at + KEY], orders[at + LEAVES], 0
        if key > -side * price:
            filled = min(leaves, left)
        elif key == -side * price:
            if level < 0:
                level = left
            ahead = orders[at + AHEAD]
            orders[at + TRADED] += qty
            if ahead >= 0:
                filled = max(0, min(leaves, level - ahead - taken))
                orders[at + AHEAD] = max(0, ahead - level)
                taken += filled
        if filled:
            left -= filled
            orders[at + LEAVES] = leaves - filled
            report(state, out, i, filled)


def walk(state: Ints, orders: Ints, out: Ints, price: int, touch: int) -> None:
    """Fill the orders that a bar's path went through (or touched) at `price`."""
    for i in range(state[ORDERS]):
        at = i * ORDER
        leaves = orders[at + LEAVES]
        if leaves > 0 and orders[at + KEY] - orders[at + SIDE] * price + touch > 0:
            orders[at + LEAVES] = 0
            report(state, out, i, leaves)


def fire(state: Ints, triggers: Ints, out: Ints, bid: int, ask: int) -> None:
    """Report the triggers that fire: sells look at the bid, buys at the ask (0 = none shown)."""
    for i in range(state[TRIGGERS]):
        at = i * TRIGGER
        price = ask if triggers[at + TRIGGER_SIDE] > 0 else bid
        if price > 0 and (price - triggers[at + TRIGGER_PRICE]) * triggers[at + DIRECTION] >= 0:
            report(state, out, -1 - i, 0)


def level(state: Ints, keys: Ints, sizes: Ints, orders: Ints, side: int, price: int, qty: int) -> None:
    """Write one level and tell the orders resting at it."""
    key = side * price
    state[DEEP] = 1
    set_level(state, keys, sizes, side, key, qty)
    if state[LOADING]:
        return
    for i in range(state[ORDERS]):
        at = i * ORDER
        if orders[at + KEY] == key:
            advance(orders, at, qty, state[POWER])


def top(state: Ints, keys: Ints, sizes: Ints, orders: Ints, side: int, price: int, qty: int) -> None:
    """Write a side's best level: what was better is gone, and where only tops are shown, what was there before."""
    half, key = (BIDS if side > 0 else ASKS), side * price
    if not state[DEEP]:
        clear(state, half)
    while state[half] > 0 and keys[state[WORST + half] + state[half] - 1] > key:
        state[half] -= 1
    best = state[WORST + half] + state[half] - 1
    if state[half] > 0 and keys[best] == key and qty > 0:
        sizes[best] = qty
    else:
        set_level(state, keys, sizes, side, key, qty)
    refresh(state, keys, sizes, orders)


def judge(state: Ints, keys: Ints, sizes: Ints, orders: Ints, triggers: Ints, out: Ints) -> None:
    """After a change of the ladder: triggers and crossings, unless both best prices are inside the quiet band."""
    if state[LOADING]:
        return
    bid = keys[state[WORST] + state[BIDS] - 1] if state[BIDS] > 0 else 0
    ask = -keys[state[WORST + 1] + state[ASKS] - 1] if state[ASKS] > 0 else 0
    if (bid == 0 or state[LOW] < bid < state[HIGH]) and (ask == 0 or state[LOW] < ask < state[HIGH]):
        return
    fire(state, triggers, out, bid, ask)
    cross(state, keys, sizes, orders, out)


def meet(state: Ints, orders: Ints, triggers: Ints, out: Ints, kind: int, side: int, price: int, qty: int) -> None:
    """A price outside the quiet band was traded, marked or reached by a bar."""
    fire(state, triggers, out, price, price)
    if kind == TRADE:
        trade(state, orders, out, side, price, qty)
    elif kind == PATH:
        walk(state, orders, out, price, qty)


def match(  # noqa: PLR0913, PLR0917 - the kernel's arrays; numba takes no structs of them
    rows: ReadInts, first: int, last: int, state: Ints, keys: Ints, sizes: Ints, orders: Ints, triggers: Ints, out: Ints
) -> int:
    """Apply rows `first` to `last` (exclusive); returns the next row, early after one that had an effect."""
    state[OUT] = 0
    for row in range(first, last):
        at = row * ROW
        kind, side, price, qty = rows[at + 1], rows[at + 2], rows[at + 3], rows[at + 4]
        if kind == LEVEL:
            level(state, keys, sizes, orders, side, price, qty)
            judge(state, keys, sizes, orders, triggers, out)
        elif kind == TOP:
            top(state, keys, sizes, orders, side, price, qty)
            judge(state, keys, sizes, orders, triggers, out)
        elif kind == LOOK:
            state[LOADING] = 0
            refresh(state, keys, sizes, orders)
            judge(state, keys, sizes, orders, triggers, out)
        elif kind == TOUCH:
            judge(state, keys, sizes, orders, triggers, out)
        elif kind == CLEAR:
            state[LOADING] = state[DEEP] = 1
            clear(state, BIDS if side > 0 else ASKS)
        else:
            if kind == TRADE:
                state[LAST] = price
            if not state[LOW] < price < state[HIGH]:
                meet(state, orders, triggers, out, kind, side, price, qty)
        if state[OUT] > 0:
            return row + 1
    return last
