"""A verdict for people, for programs, and as a section of a report."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

from msgspec.structs import asdict

from domain.codec import to_json
from research.honesty.verdict import MEANING, Finding, Light, Verdict

WIDTH = 118
MARKS = {Light.GREEN: "ok", Light.AMBER: "look", Light.RED: "NO", Light.GREY: "n/a"}


def as_text(verdict: Verdict) -> str:
    """What `moondev check-strategy` prints."""
    lines = [
        f"Checked        {verdict.subject}",
        *(f"{'Data' if not at else '':<15}{text}" for at, text in enumerate(verdict.data)),
        "",
    ]
    for finding in verdict.findings:
        lines += list(_finding(finding))
    lines += ["", f"Verdict        {verdict.sentence()}"]
    return "\n".join(lines)


def _finding(finding: Finding) -> Iterator[str]:
    indent = " " * 27
    head = f"{MARKS[finding.light]:<6}{finding.check:<21}"
    yield textwrap.fill(finding.claim, WIDTH, initial_indent=head, subsequent_indent=indent)
    if finding.light not in {Light.RED, Light.AMBER}:
        return
    for evidence in finding.evidence:
        yield textwrap.fill(evidence.text(), WIDTH, initial_indent=indent, subsequent_indent=indent + "  ")
    if finding.advice:
        yield textwrap.fill(finding.advice, WIDTH, initial_indent=indent + "-> ", subsequent_indent=indent + "   ")


def section(verdict: Verdict) -> dict[str, Any]:
    """The verdict as plain values: what `--json` writes and a report shows."""
    return {
        "subject": verdict.subject,
        "data": list(verdict.data),
        "source_hash": verdict.source_hash,
        "params": verdict.params,
        "sha256": list(verdict.sha256),
        "light": verdict.light.value,
        "meaning": MEANING[verdict.light],
        "sentence": verdict.sentence(),
        "findings": [
            {
                **asdict(finding),
                "light": finding.light.value,
                "evidence": [{**asdict(each), "text": each.text()} for each in finding.evidence],
            }
            for finding in verdict.findings
        ],
    }


def as_json(verdict: Verdict) -> bytes:
    """The verdict for programs."""
    return to_json(section(verdict))
