"""Values that a source puts together from its literals, as the running program would: `169 * 100 + 54`, `"".join(...)`.

A small evaluator of expressions without effects: arithmetic, collections, comprehensions, subscripts, f-strings, and
calls of built-in functions and of methods of numbers, texts and bytes. Names are what the module, the class or a
function's only assignment say. It counts what it does: nothing in a file keeps it busy for long.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

MOST_WORK, MOST_ALTOGETHER = 50_000, 300_000
"""Nodes that are evaluated for one expression, after which its scope is left, and for a file."""
MOST_SIZE = 50_000
"""Bits of a number and members of a collection."""
PLAIN = (bool, int, float, complex, str, bytes, tuple, list, dict, set, frozenset, range)
CALLS: dict[str, Callable[..., Any]] = {
    each.__name__: each
    for each in (
        *(
            abs,
            bin,
            bool,
            bytes,
            chr,
            complex,
            dict,
            divmod,
            enumerate,
            float,
            frozenset,
            hex,
            int,
            len,
            list,
            max,
            min,
        ),
        *(oct, ord, pow, range, reversed, round, set, sorted, str, sum, tuple, zip),
    )
}
BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
    ast.BitOr: operator.or_,
    ast.BitXor: operator.xor,
    ast.BitAnd: operator.and_,
}
UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
    ast.Invert: operator.invert,
    ast.Not: operator.not_,
}
READING = frozenset({"count", "get", "index", "items", "keys", "values"})
"""Methods of what can be changed that change nothing: these are the module's own lists."""
WIDTH = re.compile(r"[0-9*]{4}")
"""A width in a format that makes a text long."""
Names = dict[str, Any]


class Unknown(Exception):
    """An expression that hangs on what only a run knows."""


class TooMuch(Unknown):
    """One that could be told, at a price."""


TOO_MUCH: Any = TooMuch()
"""Stands for the value of an expression that costs too much to tell."""


def folded(source: str, names: Mapping[str, Any], attributes: Mapping[str, Any]) -> Iterator[tuple[int, Any]]:
    """Line and value of every expression that can be told without running anything, or `TOO_MUCH`.

    `names` are those of the module, whose values come first, without a line (0); `attributes` are what is behind a dot
    (`self.LEVEL`, `self.params.level`).
    """
    known = {name: each for name, each in names.items() if isinstance(each, PLAIN) and not name.startswith("__")}
    yield from ((0, value) for value in known.values())
    yield from _Folder(attributes).within(ast.parse(source), known)


class _Folder:
    def __init__(self, attributes: Mapping[str, Any]) -> None:
        self._attributes = {name: value for name, value in attributes.items() if isinstance(value, PLAIN)}
        self._work, self._left = MOST_WORK, MOST_ALTOGETHER

    def within(self, scope: ast.AST, outer: Names) -> Iterator[tuple[int, Any]]:
        """Everything in one scope, with the scopes inside it."""
        names = dict(outer)
        inner: list[ast.AST] = []
        mine = list(_of_scope(scope, inner))
        if isinstance(scope, ast.FunctionDef | ast.Lambda):
            names = {name: value for name, value in names.items() if name not in _bound(scope, mine)}
            names |= dict(self._defaults(scope.args, outer))
        for _ in range(2):  # a name may stand on one that is told further down
            names |= dict(self._assigned(mine, names))
        for node in mine:
            if isinstance(node, ast.expr) and not isinstance(node, ast.Constant | ast.Name):
                self._work = MOST_WORK
                try:
                    yield node.lineno, self.value(node, names)
                except TooMuch:
                    yield node.lineno, TOO_MUCH
                    return
                except Unknown:
                    continue
        yield from ((0, value) for name, value in names.items() if name not in outer)
        for each in inner:
            yield from self.within(each, names)

    def _defaults(self, args: ast.arguments, outer: Names) -> Iterator[tuple[str, Any]]:
        given = [*args.posonlyargs, *args.args]
        pairs = [*zip(given[len(given) - len(args.defaults) :], args.defaults, strict=True)]
        pairs += [(name, value) for name, value in zip(args.kwonlyargs, args.kw_defaults, strict=True) if value]
        for arg, value in pairs:
            try:
                yield arg.arg, self.value(value, outer)
            except Unknown:
                continue

    def _assigned(self, nodes: Iterable[ast.AST], names: Names) -> Iterator[tuple[str, Any]]:
        """Names that are bound once, to something that can be told."""
        found: dict[str, list[ast.expr | None]] = {}
        for node in nodes:
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    for name, value in _pairs(target, node.value):
                        found.setdefault(name, []).append(value)
            elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and isinstance(node.target, ast.Name):
                found.setdefault(node.target.id, []).append(node.value)
            elif isinstance(node, ast.AugAssign | ast.For) and isinstance(node.target, ast.Name):
                found.setdefault(node.target.id, []).append(None)
        for name, values in found.items():
            if len(values) == 1 and values[0] is not None:
                try:
                    yield name, self.value(values[0], names)
                except Unknown:
                    continue

    def value(self, node: ast.expr | None, names: Names) -> Any:  # noqa: ANN401 - of a stranger's expression
        """What an expression comes to. Raises `Unknown`."""
        self._work, self._left = self._work - 1, self._left - 1
        if min(self._work, self._left) < 0:
            raise TooMuch
        try:
            found = self._value(node, names)
        except Unknown:
            raise
        except (RecursionError, MemoryError) as error:
            raise TooMuch from error
        except Exception as error:  # a stranger's arithmetic fails as it likes
            raise Unknown from error
        if _size(found) > MOST_SIZE:
            raise TooMuch
        return found

    def _value(self, node: ast.expr | None, names: Names) -> Any:  # noqa: ANN401 - one line a kind
        match node:
            case ast.Constant(value=value) if isinstance(value, PLAIN):
                return value
            case ast.Name(id=name) if name in names:
                return names[name]
            case ast.Attribute(attr=name) if name in self._attributes:
                return self._attributes[name]
            case ast.BinOp(left=left, op=op, right=right):
                return self._binary(op, self.value(left, names), self.value(right, names))
            case ast.UnaryOp(op=op, operand=operand):
                return UNARY[type(op)](self.value(operand, names))
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return self.value(body if self.value(test, names) else orelse, names)
        return self._gathered(node, names)

    def _gathered(self, node: ast.expr | None, names: Names) -> Any:  # noqa: ANN401, PLR0911 - as above
        match node:
            case ast.Tuple(elts=items) | ast.List(elts=items) | ast.Set(elts=items):
                return [self.value(item, names) for item in items]
            case ast.Dict(keys=keys, values=values):
                return {self.value(k, names): self.value(v, names) for k, v in zip(keys, values, strict=True)}
            case ast.Subscript(value=of, slice=at):
                return self.value(of, names)[self.value(at, names)]
            case ast.Slice(lower=lower, upper=upper, step=step):
                return slice(*(None if part is None else self.value(part, names) for part in (lower, upper, step)))
            case ast.JoinedStr(values=parts):
                return "".join(str(self.value(part, names)) for part in parts)
            case ast.FormattedValue(value=inner, format_spec=None):
                return self.value(inner, names)
            case ast.GeneratorExp() | ast.ListComp() | ast.SetComp():
                return list(self._comprehended([node.elt], node.generators, names))
            case ast.DictComp():
                return dict(self._comprehended([node.key, node.value], node.generators, names))
            case ast.Call(func=called, args=args, keywords=keywords):
                return self._called(called, args, {each.arg: each.value for each in keywords if each.arg}, names)
        raise Unknown

    def _binary(self, op: ast.operator, left: Any, right: Any) -> Any:  # noqa: ANN401 - any two values
        if isinstance(op, ast.Pow) and isinstance(left, int) and _size(left) * abs(right) > MOST_SIZE:
            raise TooMuch
        if isinstance(op, ast.LShift) and right > MOST_SIZE:
            raise TooMuch
        if isinstance(op, ast.Mod) and isinstance(left, str | bytes) and WIDTH.search(str(left)):
            raise TooMuch
        if isinstance(op, ast.Mult) and not (_is_number(left) and _is_number(right)):
            times, of = (left, right) if _is_number(left) else (right, left)
            if _size(of) * times > MOST_SIZE:
                raise TooMuch
        return BINARY[type(op)](left, right)

    def _comprehended(self, made: list[ast.expr], loops: list[ast.comprehension], names: Names) -> Iterator[Any]:
        if not loops:
            values = tuple(self.value(each, names) for each in made)
            yield values if len(values) > 1 else values[0]
            return
        first, *rest = loops
        for item in self.value(first.iter, names):
            here = names | dict(_unpacked(first.target, item))
            if all(self.value(test, here) for test in first.ifs):
                yield from self._comprehended(made, rest, here)

    def _called(self, called: ast.expr, args: list[ast.expr], keywords: dict[str, ast.expr], names: Names) -> Any:  # noqa: ANN401
        given = [self.value(each, names) for each in args]
        named = {name: self.value(each, names) for name, each in keywords.items()}
        if isinstance(called, ast.Name) and called.id in CALLS and called.id not in names:
            if called.id in {"range", "bytes"} and any(_is_number(each) and each > MOST_SIZE for each in given):
                raise TooMuch
            if called.id == "pow":
                return self._binary(ast.Pow(), *given) if len(given) == 2 else pow(*given)
            found = CALLS[called.id](*given, **named)
        elif isinstance(called, ast.Attribute) and not called.attr.startswith("_"):
            is_type = isinstance(called.value, ast.Name) and called.value.id in {"int", "float", "bytes", "str"}
            of = CALLS[called.value.id] if is_type and isinstance(called.value, ast.Name) else None
            of = of or self.value(called.value, names)
            if isinstance(of, list | dict | set) and called.attr not in READING:
                raise Unknown
            if called.attr in {"format", "format_map"} and WIDTH.search(str(of)):
                raise TooMuch
            if any(_is_number(each) and each > MOST_SIZE for each in given) and called.attr != "from_bytes":
                raise TooMuch
            if called.attr == "replace" and _size(of) * max(map(_size, given)) > MOST_SIZE:
                raise TooMuch
            found = getattr(of, called.attr)(*given, **named)
        else:
            raise Unknown
        return list(found) if isinstance(found, enumerate | zip | reversed) else found


def _of_scope(scope: ast.AST, inner: list[ast.AST]) -> Iterator[ast.AST]:
    """The nodes of a scope; functions and classes in it go to `inner`."""
    for node in ast.iter_child_nodes(scope):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            inner.append(node)
            continue
        yield node
        yield from _of_scope(node, inner)


def _bound(scope: ast.FunctionDef | ast.Lambda, nodes: Iterable[ast.AST]) -> set[str]:
    args = scope.args
    given = {arg.arg for arg in (*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg) if arg}
    return given | {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


def _pairs(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr | None]]:
    if isinstance(target, ast.Name):
        yield target.id, value
    elif isinstance(target, ast.Tuple | ast.List):
        parts = value.elts if isinstance(value, ast.Tuple | ast.List) else []
        for at, each in enumerate(target.elts):
            index = ast.Subscript(value, ast.Constant(at), ast.Load()) if not parts else None
            part = parts[at] if at < len(parts) else index
            if isinstance(each, ast.Name):
                yield each.id, part


def _unpacked(target: ast.expr, item: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - of any loop
    if isinstance(target, ast.Name):
        yield target.id, item
    elif isinstance(target, ast.Tuple | ast.List):
        for each, part in zip(target.elts, item, strict=True):
            yield from _unpacked(each, part)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float)


def _size(value: object) -> int:
    if isinstance(value, int):
        return value.bit_length()
    return len(value) if isinstance(value, str | bytes | tuple | list | dict | set | frozenset | range) else 1
