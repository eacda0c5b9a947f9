"""When a candle is finished, where the venue sends every change of the running one and never says "closed".

A bar is finished when a later candle has come, or when the venue's own time (of books and trades) is past its
close by a grace. Where the running candle was not seen (nothing traded, or we were away) the bar has to be
fetched. Bars leave in order, without holes, each once.
"""

from __future__ import annotations

from domain.market import Bar


class BarClock:
    """Follows one coin and interval from the first candle, or from `next_open_ns` when it is known."""

    def __init__(self, interval_ns: int, next_open_ns: int = 0) -> None:
        self.interval_ns = interval_ns
        self.next_open_ns = next_open_ns
        """The bar that has to leave next; 0 = nothing is known yet."""
        self._running: Bar | None = None

    def take(self, bar: Bar) -> Bar | None:
        """A change of a candle; returns the bar that it finishes."""
        if not self.next_open_ns:
            self.next_open_ns = bar.open_ts_ns
        done = None
        running = self._running
        if running is not None and running.open_ts_ns == self.next_open_ns < bar.open_ts_ns:
            done = self._let_go(running)
        if running is None or bar.open_ts_ns >= running.open_ts_ns:
            self._running = bar
        return done

    def due(self, venue_ns: int) -> Bar | None:
        """The running bar, when the venue's time is past its close."""
        running = self._running
        if running is None or running.open_ts_ns != self.next_open_ns or venue_ns < running.venue_ts_ns:
            return None
        return self._let_go(running)

    def missing(self, venue_ns: int) -> bool:
        """Whether the next bar has closed at the venue without having been seen here: fetch it."""
        if not self.next_open_ns or venue_ns < self.next_open_ns + self.interval_ns:
            return False
        return self._running is None or self._running.open_ts_ns != self.next_open_ns

    def fetched(self, bars: list[Bar]) -> tuple[list[Bar], int]:
        """Those of fetched bars that have to leave now, and how many before them the venue itself does not have."""
        leaving, absent = [], 0
        for bar in bars:
            if bar.open_ts_ns >= self.next_open_ns:
                absent += (bar.open_ts_ns - self.next_open_ns) // self.interval_ns
                leaving.append(self._let_go(bar))
        return leaving, absent

    def forget(self) -> None:
        """The connection is lost: what the running candle was is not known any more."""
        self._running = None

    def _let_go(self, bar: Bar) -> Bar:
        self.next_open_ns = bar.open_ts_ns + self.interval_ns
        return bar
