"""How far the facts are read.

What happened while nobody listened is read later than what comes meanwhile, so what is done may have holes.
"""

from __future__ import annotations

from msgspec import Struct

from domain.facts import FactKey


class Progress(Struct, kw_only=True):
    """Spans of facts that are done: each after its first key, up to and with its second; in order, none touching."""

    spans: list[tuple[FactKey, FactKey]]

    def add(self, after: FactKey, until: FactKey) -> None:
        """The facts after one up to another are done."""
        if until <= after:
            return
        spans: list[tuple[FactKey, FactKey]] = []
        for span in sorted([*self.spans, (after, until)]):
            if spans and span[0] <= spans[-1][1]:
                spans[-1] = (spans[-1][0], max(spans[-1][1], span[1]))
            else:
                spans.append(span)
        self.spans = spans

    def holes(self, until: FactKey) -> list[tuple[FactKey, FactKey]]:
        """What is not done up to a fact."""
        edges = [*((span[1], following[0]) for span, following in zip(self.spans, self.spans[1:], strict=False))]
        edges.append((self.spans[-1][1], until))
        return [(after, min(before, until)) for after, before in edges if after < min(before, until)]
