"""What the project's source files say, read without importing them."""

import ast
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]


class Import(NamedTuple):
    """One import: the dotted name it reaches for, and whether it waits inside a function."""

    target: str
    lazy: bool
    line: int


def files(folder):
    return sorted(path for path in (ROOT / folder).rglob("*.py"))


def module_name(path):
    """gradlab/kernels/jit.py -> gradlab.kernels.jit, a package's __init__.py -> its name."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(source, package=""):
    """Every import in `source`, also relative ones and import_module("a literal name")."""
    return list(_walk(ast.parse(source), package, lazy=False))


def _walk(node, package, lazy):
    for target in _targets(node, package):
        yield Import(target, lazy, node.lineno)
    waits = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    for child in ast.iter_child_nodes(node):
        yield from _walk(child, package, lazy or waits)


def _targets(node, package):
    match node:
        case ast.Import():
            return [alias.name for alias in node.names]
        case ast.ImportFrom():
            base = _absolute(node, package)
            return [f"{base}.{alias.name}" for alias in node.names]
        case ast.Call(func=function, args=[ast.Constant(value=str(name)), *_]):
            called = getattr(function, "attr", getattr(function, "id", ""))
            return [name] if called in {"import_module", "__import__"} else []
    return []


def _absolute(node, package):
    if not node.level:
        return node.module
    parts = package.split(".")
    parts = parts[: len(parts) - node.level + 1]
    return ".".join([*parts, *([node.module] if node.module else [])])
