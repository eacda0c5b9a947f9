"""Bars of several instruments that close at one instant come one after another: when have they all come?"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from domain.instrument import InstrumentId


class CrossSection(Struct):
    """The close times of the newest bars. The bars of one instant are compared only once they are complete.

    Complete: every instrument that had a bar at the instant before has one now. So one that falls silent costs the
    decision of that instant, which is then dropped and not made late; after that it is not waited for until it is
    back, and takes part again from its second bar on. The order in which the bars of an instant come changes nothing.
    """

    newest: dict[InstrumentId, int]
    """Close time of each one's newest bar (0 = none yet), in the order of the instruments."""
    earlier: dict[InstrumentId, int]
    """The same of the bar before that."""
    at_ns: int = 0
    before_ns: int = 0
    complete: bool = False

    @classmethod
    def of(cls, instruments: Iterable[InstrumentId]) -> CrossSection:
        """One that has seen no bar."""
        newest = dict.fromkeys(instruments, 0)
        return cls(newest, dict(newest))

    def is_news(self, instrument: InstrumentId, ts_ns: int) -> bool:
        """False for a bar of another instrument, or one that is not later than the newest."""
        return ts_ns > self.newest.get(instrument, ts_ns)

    def arrive(self, instrument: InstrumentId, ts_ns: int) -> bool:
        """Take the bar that closed at `ts_ns`; True once for each instant, with the bar that completes it."""
        self.earlier[instrument], self.newest[instrument] = self.newest[instrument], ts_ns
        if ts_ns > self.at_ns:
            self.before_ns, self.at_ns, self.complete = self.at_ns, ts_ns, False
        if self.complete or any(self.before_ns <= newest < self.at_ns for newest in self.newest.values()):
            return False
        self.complete = True
        return True

    def has(self, instrument: InstrumentId) -> bool:
        """True when its bar of this instant has come, and it had one at the instant before."""
        return self.newest[instrument] == self.at_ns and self.earlier[instrument] == self.before_ns
