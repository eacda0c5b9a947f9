"""The size ratchet over the whole repository, and the ratchet's own behaviour."""

from pathlib import Path

from tools import sizes

ROOT = Path(__file__).resolve().parent.parent


def test_no_file_or_function_outgrows_the_limits():
    assert sizes.check_tree(ROOT) == []


def planted(tmp_path: Path, lines: int) -> dict[str, int]:
    (tmp_path / "risk").mkdir(exist_ok=True)
    body = "\n".join("    x = 1" for _ in range(lines - 1))
    (tmp_path / "risk" / "big.py").write_text(f"class Gate:\n  def judge():\n{body}\n")
    return sizes.oversize(tmp_path)


def test_a_function_of_seventy_lines_is_too_long_and_named(tmp_path):
    assert planted(tmp_path, 69) == {}
    assert planted(tmp_path, 70) == {"risk/big.py::Gate.judge": 70}


def test_a_file_of_four_hundred_lines_is_too_long(tmp_path):
    (tmp_path / "risk").mkdir()
    (tmp_path / "risk" / "big.py").write_text("x = 1\n" * 399)
    assert sizes.oversize(tmp_path) == {}
    (tmp_path / "risk" / "big.py").write_text("x = 1\n" * 400)
    assert sizes.oversize(tmp_path) == {"risk/big.py": 400}


def test_the_ratchet_only_turns_down():
    assert sizes.ratchet({"a.py": 450}, {"a.py": 450}) == []
    assert "grew from 450 to 451" in sizes.ratchet({"a.py": 451}, {"a.py": 450})[0]
    assert "write the new size" in sizes.ratchet({"a.py": 449}, {"a.py": 450})[0]
    assert "take it out" in sizes.ratchet({}, {"a.py": 450})[0]
    assert "split it" in sizes.ratchet({"a.py": 400}, {})[0]
