"""One Python file as its syntax tree has it: its imports, and a hash that no words change."""

import ast
import functools
import hashlib
from typing import NamedTuple

WORDS = ("COLUMNS", "estimate")  # beside a measure: what its columns mean, what it will cost
FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)
IMPORTS = (ast.Import, ast.ImportFrom, ast.Attribute, ast.Call)


class Read(NamedTuple):
    """A file's hash, without comments, docstrings and layout, and what it imports.

    imports: dotted names, each a module or something in one; "package.*" is any file of a folder
    that is imported by a name made up as the program runs.
    """

    digest: str
    imports: frozenset


@functools.lru_cache(maxsize=1024)
def read(content, module="", package="", function=None):
    """The Read of a file's bytes. Raises SyntaxError.

    module, package: its own names. function: of its functions and values only what this one
    reaches by name counts; all else that stands at the top of the file counts in any case.
    """
    tree = ast.parse(content)
    names = [name for node in tree.body for name in _bound(node)]
    if function in names:
        tree.body = _reached(tree.body, function)
    else:
        tree.body = [node for node in tree.body if not _is_words(node)]
    text, nodes = [], []
    _write(tree, text, nodes)
    found = frozenset(name for node in nodes for name in _imports(node, module, package))
    return Read(hashlib.sha256("\n".join(text).encode()).hexdigest()[:16], found)


def _reached(body, function):
    """The statements that a function of this file may depend on."""
    named = {node: _bound(node) for node in body if _is_definition(node)}
    kept = {node for node in body if node not in named and not _is_main(node)}
    wanted, seen = {function}, set()
    waiting = list(kept)
    while wanted - seen or waiting:
        waiting += [node for node in named if node not in kept and wanted & {*named[node]}]
        seen |= wanted
        for node in waiting:
            kept.add(node)
            wanted |= {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
        waiting = []
    return [node for node in body if node in kept]


def _bound(node):
    """The names that a definition at the top of a file gives."""
    if isinstance(node, (*FUNCTION, ast.ClassDef)):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _is_definition(node):
    """Whether a statement does no more than to name something: others may act on anything."""
    if isinstance(node, ast.Assign):
        return all(isinstance(target, ast.Name) for target in node.targets)
    return isinstance(node, (*FUNCTION, ast.ClassDef))


def _is_words(node):
    names = _bound(node)
    values = isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict)
    return len(names) == 1 and names[0] in WORDS and (values or isinstance(node, FUNCTION))


def _is_main(node):
    """Whether it is `if __name__ == "__main__"`."""
    return isinstance(node, ast.If) and "__name__" in ast.dump(node.test)


def _write(node, text, nodes):
    """The tree as lines, its nodes' kinds and fields but for docstrings; `nodes` may import.

    By hand: ast.walk and iter_fields take twice as long, 0.1 s of a run.
    """
    text.append(type(node).__name__)
    if isinstance(node, IMPORTS):
        nodes.append(node)
    for field in node._fields:
        value = getattr(node, field, None)
        if isinstance(value, list) and value:  # that there is a field differs by Python's version
            text.append(field)
            for one in _without_docstring(node, value) if field == "body" else value:
                if isinstance(one, ast.AST):
                    _write(one, text, nodes)
                else:
                    text.append(repr(one))
        elif isinstance(value, ast.AST):
            if field != "ctx":  # it follows from the node's place
                text.append(field)
                _write(value, text, nodes)
        elif value is not None and value != []:
            text.append(f"{field} {value!r}")
    text.append(".")


def _without_docstring(node, values):
    if not isinstance(node, (*FUNCTION, ast.ClassDef, ast.Module)) or not values:
        return values
    first = values[0]
    is_text = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return values[1:] if is_text and isinstance(first.value.value, str) else values


def _imports(node, module, package):
    match node:
        case ast.Import():
            return [alias.name for alias in node.names]
        case ast.ImportFrom():
            base = _absolute(node, package)
            return [base, *(f"{base}.{alias.name}" for alias in node.names)]
        case ast.Attribute():
            return [name] if (name := _dotted(node)).startswith("gradlab.") else []
        case ast.Call(func=function, args=[name, *_]):
            called = getattr(function, "attr", getattr(function, "id", ""))
            return _named(name, module) if called in ("import_module", "__import__") else []
    return []


def _absolute(node, package):
    if not node.level:
        return node.module
    parts = package.split(".")
    parts = parts[: len(parts) - node.level + 1]
    return ".".join([*parts, *([node.module] if node.module else [])])


def _named(node, module):
    """What import_module("name"), (f"package.{name}") and (f"{__name__}.{name}") can load."""
    match node:
        case ast.Constant(value=str(name)):
            return [name]
        case ast.JoinedStr(values=[ast.Constant(value=str(start)), *_]) if "." in start:
            return [f"{start.rpartition('.')[0]}.*"]
        case ast.JoinedStr(values=[ast.FormattedValue(value=ast.Name(id="__name__")), *_]):
            return [f"{module}.*"]
    return []


def _dotted(node):
    """a.b.c of an attribute of an attribute of a name, else "" and what follows."""
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""
