"""A source cut into what warms up, what is studied, and the end that no trial sees.

    |-- warm-up --|-- block 0 --|-- block 1 --| ... |-- block n-1 --|-- held out --|

Every trial starts at the same instant, however long its own warm-up is: it is warmed by the bars before. Returns are
counted by steps (a day where there are enough of them); blocks are whole numbers of steps, of equal length.
"""

from __future__ import annotations

from msgspec import Struct

from domain.errors import ConfigError

SECOND_NS = 1_000_000_000
DAY_NS = 86_400 * SECOND_NS
LEAST_DAYS = 60
"""Steps of a study: with fewer days, a step is shorter than one."""
LEAST_BLOCK_STEPS = 5


class Cuts(Struct, frozen=True, kw_only=True):
    """Times of a study, in nanoseconds UTC: blocks are [edges[i], edges[i+1]), what is held out [edges[-1], end_ns)."""

    step_ns: int
    edges: tuple[int, ...]
    end_ns: int

    @property
    def start_ns(self) -> int:
        """When every trial begins."""
        return self.edges[0]

    @property
    def held_out_ns(self) -> int:
        """When the study ends and what is held out begins."""
        return self.edges[-1]

    @property
    def blocks(self) -> int:
        """Number of blocks."""
        return len(self.edges) - 1

    @property
    def block_steps(self) -> int:
        """Steps in a block."""
        return (self.edges[1] - self.edges[0]) // self.step_ns

    @property
    def steps_a_year(self) -> float:
        """What annualises."""
        return 365 * DAY_NS / self.step_ns


def cut(start_ns: int, end_ns: int, *, blocks: int, held_out: float, unit_ns: int) -> Cuts:
    """Cut [start_ns, end_ns): the last `held_out` share is kept apart, the rest is `blocks` equal blocks.

    `unit_ns` is the interval of the bars, a second for what has none. Raises `ConfigError` for too short a span.
    """
    studied = int((end_ns - start_ns) * (1 - held_out))
    step_ns = DAY_NS
    if studied < LEAST_DAYS * DAY_NS:
        step_ns = max(unit_ns, studied // max(LEAST_DAYS, blocks * LEAST_BLOCK_STEPS) // unit_ns * unit_ns)
    steps = studied // step_ns // blocks
    if steps < LEAST_BLOCK_STEPS:
        raise ConfigError(
            f"insufficient data: after warm-up and what is held out, {blocks} blocks would have {steps} steps of "
            f"{step_ns / SECOND_NS:g} s each, at least {LEAST_BLOCK_STEPS} are needed: more data, or fewer --folds"
        )
    edges = tuple(start_ns + index * steps * step_ns for index in range(blocks + 1))
    return Cuts(step_ns=step_ns, edges=edges, end_ns=end_ns)
