"""A run as a page, a picture, or figures for programs; several of them side by side.

    moondev report RESULT.json --html report.html --png report.png --json figures.json
    moondev report A.json B.json --html beside.html

    html(result)      one self-contained page            page, tables, charts, plot, templates/
    png(result)       a picture for a phone              png
    figures(result)   the measures as JSON

What a figure means, and how far it can be trusted, is in `research.measures` and docs/research.md.
"""

from __future__ import annotations

from domain.codec import to_json
from research.measures import Measures, measure
from research.result import Result


def html(result: Result, measures: Measures | None = None) -> bytes:
    """A run as one page that needs nothing else."""
    from research.report.page import page

    return page(result, measures or measure(result)).encode()


def png(result: Result, measures: Measures | None = None) -> bytes:
    """A run as a picture."""
    from research.report.png import picture

    return picture(result, measures or measure(result))


def figures(result: Result, measures: Measures | None = None) -> bytes:
    """A run's measures as JSON, with what they are of."""
    found = measures or measure(result)
    named = {name: getattr(result, name) for name in ("strategy", "instrument", "data", "data_kind", "currency")}
    span = {"first_ns": result.first_ns, "last_ns": result.last_ns, "provenance": result.provenance}
    return to_json({**named, **span, "measures": found})
