"""The determinism lint: what would make `step` depend on anything but its inputs, found in the syntax tree.

    python -m tools.determinism [ROOT]

It reads domain, risk and engine/core, all but the named drivers, and reports clocks, randomness, hash order
(`hash`, `id`, walking a set), `await` and I/O. Of sets it knows literals, calls of `set` and `frozenset`, and
names and fields that the same file annotates or assigns as such; `sorted(a_set)` is the way to walk one.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOMS = ("domain", "risk", "engine/core")

DRIVERS = {  # modules or packages, without suffix
    "engine/core/journal": "the journal thread and its files",
    "engine/core/guard": "the watchdog thread over strategies and the loop",
    "engine/core/loop": "the single-writer loop: it assigns time and awaits",
}

BANNED_MODULES = {
    "asyncio": "the core is synchronous",
    "concurrent": "the core is single-threaded",
    "multiprocessing": "the core is single-threaded",
    "os": "the core does no I/O",
    "random": "randomness belongs to the drivers",
    "secrets": "randomness belongs to the drivers",
    "socket": "the core does no I/O",
    "subprocess": "the core does no I/O",
    "threading": "the core is single-threaded",
    "time": "time is event.ts_ns",
    "uuid": "ids are derived, never random",
}

BANNED_CALLS = {
    "hash": "depends on PYTHONHASHSEED",
    "id": "depends on memory addresses",
    "input": "the core does no I/O",
    "open": "the core does no I/O",
    "print": "the core does no I/O",
}

CLOCKS = {"now", "utcnow", "today"}
ORDERED_BY_HASH = {"list", "tuple", "iter", "enumerate", "next", "map", "filter", "zip", "dict"}
SET_METHODS = {"union", "intersection", "difference", "symmetric_difference"}

Finding = tuple[int, str]


def is_set_annotation(node: ast.expr | None) -> bool:
    """Tell whether an annotation names a set, also inside an optional."""
    if isinstance(node, ast.BinOp):
        return is_set_annotation(node.left) or is_set_annotation(node.right)
    if isinstance(node, ast.Subscript):
        node = node.value
    return isinstance(node, ast.Name) and node.id in {"set", "frozenset", "Set", "FrozenSet", "AbstractSet"}


class DeterminismVisitor(ast.NodeVisitor):
    """Collects the findings of one file; names of sets are learnt before the walk."""

    def __init__(self, tree: ast.Module) -> None:
        self.findings: list[Finding] = []
        self.set_names: set[str] = set()
        for node in ast.walk(tree):
            self._learn(node)
        self.visit(tree)

    def _learn(self, node: ast.AST) -> None:
        if isinstance(node, ast.arg) and is_set_annotation(node.annotation):
            self.set_names.add(node.arg)
        elif isinstance(node, ast.AnnAssign) and is_set_annotation(node.annotation):
            self.set_names.add(self._name(node.target))
        elif isinstance(node, ast.Assign) and self._is_set(node.value):
            self.set_names.update(self._name(target) for target in node.targets)
        self.set_names.discard("")

    @staticmethod
    def _name(node: ast.AST) -> str:
        """Name a variable or the last part of an attribute: fields are known by their own name."""
        if isinstance(node, ast.Name):
            return node.id
        return node.attr if isinstance(node, ast.Attribute) else ""

    def _is_set(self, node: ast.AST) -> bool:
        if isinstance(node, ast.Set | ast.SetComp):
            return True
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr | ast.BitAnd | ast.Sub | ast.BitXor):
            return self._is_set(node.left) or self._is_set(node.right)
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute):
                return node.func.attr in SET_METHODS and self._is_set(node.func.value)
            return self._name(node.func) in {"set", "frozenset"}
        return self._name(node) in self.set_names

    def _add(self, node: ast.AST, what: str) -> None:
        self.findings.append((getattr(node, "lineno", 0), what))

    def _walked(self, node: ast.AST) -> None:
        if self._is_set(node):
            self._add(node, "walks a set, whose order depends on hashes: use sorted(...)")

    def visit_Import(self, node: ast.Import) -> None:
        """Refuse banned modules."""
        for alias in node.names:
            self._imported(node, alias.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """Refuse names of banned modules."""
        self._imported(node, node.module or "")

    def _imported(self, node: ast.AST, module: str) -> None:
        why = BANNED_MODULES.get(module.partition(".")[0], "")
        if module.startswith("numpy.random"):
            why = BANNED_MODULES["random"]
        if why:
            self._add(node, f"imports {module}: {why}")

    def visit_Call(self, node: ast.Call) -> None:
        """Refuse calls that read the world, and calls that walk a set."""
        name = self._name(node.func)
        if isinstance(node.func, ast.Name):
            if name in BANNED_CALLS:
                self._add(node, f"calls {name}(): {BANNED_CALLS[name]}")
            if name in ORDERED_BY_HASH:
                for argument in node.args:
                    self._walked(argument)
        elif isinstance(node.func, ast.Attribute):
            owner = self._name(node.func.value)
            if name in CLOCKS and owner in {"datetime", "date"}:
                self._add(node, f"calls {owner}.{name}(): time is event.ts_ns")
            if name in {"join", "extend"}:
                for argument in node.args:
                    self._walked(argument)
            if name == "pop" and not node.args:
                self._walked(node.func.value)
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        """Refuse numpy's random module."""
        if node.attr == "random" and self._name(node.value) in {"np", "numpy"}:
            self._add(node, "uses numpy.random: randomness belongs to the drivers")
        self.generic_visit(node)

    def visit_For(self, node: ast.For) -> None:
        """Refuse loops over sets."""
        self._walked(node.iter)
        self.generic_visit(node)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        """Refuse comprehensions over sets; the result of a set comprehension is judged where it is walked."""
        self._walked(node.iter)
        self.generic_visit(node)

    def visit_Starred(self, node: ast.Starred) -> None:
        """Refuse unpacking of sets."""
        self._walked(node.value)
        self.generic_visit(node)

    def visit_Await(self, node: ast.Await) -> None:
        """Refuse await."""
        self._add(node, "awaits: the core is synchronous")
        self.generic_visit(node)

    def visit_AsyncFor(self, node: ast.AsyncFor) -> None:
        """Refuse async for."""
        self._add(node, "uses async for: the core is synchronous")
        self.generic_visit(node)

    def visit_AsyncWith(self, node: ast.AsyncWith) -> None:
        """Refuse async with."""
        self._add(node, "uses async with: the core is synchronous")
        self.generic_visit(node)


def check_source(source: str) -> list[Finding]:
    """List what is not deterministic in one file's text, as (line, sentence)."""
    return sorted(DeterminismVisitor(ast.parse(source)).findings)


def is_driver(path: Path) -> bool:
    """Tell whether a path, relative to the repository, is a named driver or inside one."""
    return any(str(candidate) in DRIVERS for candidate in (path.with_suffix(""), *path.parents))


def check_tree(root: Path) -> Iterator[str]:
    """Yield one line for each finding in the deterministic rooms of a repository."""
    for room in ROOMS:
        for file in sorted((root / room).rglob("*.py")):
            path = file.relative_to(root)
            if not is_driver(path):
                yield from (f"{path}:{line}: {what}" for line, what in check_source(file.read_text()))


def main() -> int:
    """Print the findings; 1 when there are any."""
    findings = list(check_tree(Path(sys.argv[1] if len(sys.argv) > 1 else ".")))
    print("\n".join(findings) if findings else f"deterministic: {', '.join(ROOMS)}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
