"""docs/reasons.md, the table of coded reasons, made from `domain.verdict.Reason`: `python -m tools.reasons`."""

from __future__ import annotations

from pathlib import Path

from domain.verdict import Reason

TABLE = Path(__file__).resolve().parents[1] / "docs" / "reasons.md"


def table() -> str:
    """The whole page."""
    rows = "\n".join(f"| `{reason.value}` | {reason.words} |" for reason in Reason)
    return (
        "# Why it was refused\n\n"
        "Every refusal carries one of these codes, and its words reach the person who asked. This page is made from\n"
        "`domain/verdict.py` by `python -m tools.reasons`.\n\n"
        f"| code | in words |\n|---|---|\n{rows}\n"
    )


def main() -> None:
    """Write the page."""
    TABLE.write_text(table())


if __name__ == "__main__":
    main()
