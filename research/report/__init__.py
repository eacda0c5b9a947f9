"""A run as a page, a picture, or figures for programs; several of them side by side.

    moondev report RESULT.json --html report.html --png report.png --json figures.json
    moondev report A.json B.json --html beside.html

    html(result)      one self-contained page            page, tables, charts, plot, templates/
    png(result)       a picture for a phone              png
    figures(result)   the measures as JSON

What a figure means, and how far it can be trusted, is in `research.measures` and docs/research.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from research.measures import Measures
    from research.result import Result


def html(result: Result, measures: Measures | None = None, honesty: Mapping[str, Any] | None = None) -> bytes:
    """A run as one page that needs nothing else, with a verdict of `moondev check-strategy` where there is one."""
    from research.measures import measure
    from research.report.page import page

    return page(result, measures or measure(result), honesty).encode()


def png(result: Result, measures: Measures | None = None) -> bytes:
    """A run as a picture."""
    from research.measures import measure
    from research.report.png import picture

    return picture(result, measures or measure(result))


def figures(result: Result, measures: Measures | None = None) -> bytes:
    """A run's measures as JSON, with what they are of."""
    from domain.codec import to_json
    from research.measures import measure

    found = measures or measure(result)
    named = {name: getattr(result, name) for name in ("strategy", "instrument", "data", "data_kind", "currency")}
    span = {"first_ns": result.first_ns, "last_ns": result.last_ns, "provenance": result.provenance}
    return to_json({**named, **span, "measures": found})


def write(
    result: Result,
    measures: Measures | None = None,
    *,
    html_path: Path | None = None,
    png_path: Path | None = None,
    json_path: Path | None = None,
    honesty: Mapping[str, Any] | None = None,
) -> list[tuple[str, Path]]:
    """Write what was asked for; returns what each file is, and where. Raises `OSError`.

    `honesty` is a verdict of `moondev check-strategy` for the page.
    """
    from research.measures import measure

    found = measures or measure(result)

    def page_of(result: Result, measures: Measures) -> bytes:
        return html(result, measures, honesty)

    wanted = (("Page", html_path, page_of), ("Picture", png_path, png), ("Figures", json_path, figures))
    written = []
    for kind, path, made in wanted:
        if path is not None:
            path.write_bytes(made(result, found))
            written.append((kind, path))
    return written
