"""The size ratchet: files under 400 lines, functions under 70; what is over may only shrink.

`tools/oversize.json` lists what is over today with its exact size ("path" or "path::function"). A size that
differs from the list fails either way: grown code has to be split, shrunk code has to be written down.
"""

import ast
import json
from collections.abc import Iterator
from pathlib import Path

MAX_FILE_LINES = 399
MAX_FUNCTION_LINES = 69
ROOMS = ("bot", "domain", "engine", "exchanges", "gateway", "research", "risk", "tests", "tools", "vault")
ALLOWANCES = "tools/oversize.json"


def source_files(root: Path) -> Iterator[Path]:
    """Yield every Python file of the repository."""
    yield from (root / name for name in ("main.py", "wiring.py", "moondev") if (root / name).exists())
    for room in ROOMS:
        yield from sorted((root / room).rglob("*.py"))


def function_sizes(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, int]]:
    """Yield the qualified name and the length in lines of every function, from `def` to its last line."""
    for node in ast.iter_child_nodes(tree):
        name = f"{prefix}{node.name}" if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) else ""
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield name, (node.end_lineno or node.lineno) - node.lineno + 1
        yield from function_sizes(node, f"{name}." if name else prefix)


def oversize(root: Path) -> dict[str, int]:
    """Measure what is over the limits: path or path::function -> lines."""
    found: dict[str, int] = {}
    for file in source_files(root):
        source, path = file.read_text(), str(file.relative_to(root))
        lines = len(source.splitlines())
        if lines > MAX_FILE_LINES:
            found[path] = lines
        for name, size in function_sizes(ast.parse(source)):
            if size > MAX_FUNCTION_LINES:
                found[f"{path}::{name}"] = size
    return found


def ratchet(found: dict[str, int], allowed: dict[str, int]) -> list[str]:
    """Compare what is over with what is allowed to be; every sentence says what to do."""
    problems: list[str] = []
    for name in sorted(found.keys() | allowed.keys()):
        now, listed = found.get(name), allowed.get(name)
        if listed is None:
            problems.append(f"{name} has {now} lines: probably two ideas, split it")
        elif now is None:
            problems.append(f"{name} is within the limits now: take it out of {ALLOWANCES}")
        elif now > listed:
            problems.append(f"{name} grew from {listed} to {now} lines: split it")
        elif now < listed:
            problems.append(f"{name} shrank from {listed} to {now} lines: write the new size into {ALLOWANCES}")
    return problems


def check_tree(root: Path) -> list[str]:
    """List what breaks the ratchet in a repository."""
    allowed: dict[str, int] = json.loads((root / ALLOWANCES).read_text())
    return ratchet(oversize(root), allowed)
