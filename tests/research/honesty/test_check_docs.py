"""What the documentation says of the checks is what they say themselves."""

from pathlib import Path

from research.honesty.check import CHECKS

DOC = Path(__file__).resolve().parents[3] / "docs" / "research.md"


def test_every_check_stands_in_the_documentation_as_it_says_itself():
    text = DOC.read_text()
    for check in CHECKS:
        assert f"| {check.name} | {check.catches} | {check.cannot} |" in text
