"""Stretches of time as sorted, disjoint pairs [start_ns, end_ns)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

Span: TypeAlias = tuple[int, int]


def joined(spans: Iterable[Span]) -> list[Span]:
    """The same time with as few spans as it takes; empty ones vanish."""
    out: list[Span] = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if out and start <= out[-1][1]:
            out[-1] = (out[-1][0], max(end, out[-1][1]))
        else:
            out.append((start, end))
    return out


def without(wanted: Span, known: Sequence[Span]) -> list[Span]:
    """What of `wanted` is in none of the `known` spans (sorted, disjoint)."""
    out: list[Span] = []
    at, end = wanted
    for known_start, known_end in known:
        if known_end <= at:
            continue
        if known_start >= end:
            break
        if known_start > at:
            out.append((at, known_start))
        at = max(at, known_end)
    if at < end:
        out.append((at, end))
    return out
