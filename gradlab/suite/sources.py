"""Which numbers a stored block may stand for: its points, and the sources that computed them.

Sources are the measure's file and all files of gradlab that it imports, they import, and so on,
also inside functions; where files are found by their names (tasks, cells) every file of the folder
counts. Each counts by its syntax tree, so a docstring, a comment or a line's length runs nothing
again; of the measure's own file only what the measure reaches counts, not a figure or a claim.
Of the user's, the files beside the measure's that it imports count too, and a task, cell or series
that the block names; what these import from elsewhere is not seen: `--fresh` is for that.
"""

import ast
import hashlib
import importlib.util
import inspect
import json
import textwrap
from pathlib import Path

from gradlab import found
from gradlab.errors import UserError
from gradlab.suite import syntax
from gradlab.suite.grid import is_file
from gradlab.suite.library import INSTALLED_IN, PACKAGE
from gradlab.suite.work import Beside

OWN, INSTALLED = "gradlab", ("site-packages", "dist-packages")
# They hand points and tables on, and compute no number of a table.
NO_SOURCES = (
    *("suite", "plots", "commands", "cli", "runner", "__main__", "template", "words", "version"),
)


def of(measure):
    """{file: digest} of all that a measure may compute with. Raises UserError if it has no file."""
    if isinstance(measure, str | Beside):
        module, _, function = str(measure).partition(":")
        folder = Path(measure.folder) if isinstance(measure, Beside) else None
        file = _first(folder / _path(module)) if folder else _file(module) or _users(module)
        if file is None:
            raise UserError(f"measure {measure}: no such module")
        return Sources(module, file, folder).add(module, file, function).files
    function = inspect.unwrap(measure)
    try:
        file, name = Path(inspect.getfile(function)).absolute(), getattr(function, "__name__", None)
    except TypeError:  # a partial, an object with __call__: what they hold is in no source
        raise UserError(f"measure {measure!r}: not a function: write one with def") from None
    module = _module(file, getattr(function, "__module__", None) or "")
    if file.is_file():
        return Sources(module, file).add(module, file, name).files
    try:
        return Sources(module, file).add_text("the measure", inspect.getsource(function)).files
    except OSError:  # typed at Python's prompt
        raise UserError(f"measure {name}: its source is not known; write it in a file") from None


def of_block(block):
    """{file: digest} of the files of the user's that a block names: its tasks, cells and series."""
    values = {name: {value} for name, value in block.constants.items() if _may_name(name)}
    values |= {name: {*v.tolist()} for name, v in block.points.items() if _may_name(name)}
    files = {}
    for name, given in values.items():
        for value in given:
            if file := _users_file(name, value):
                files[f"{name} {file.name}"] = _content(name, file)
    return files


def points_key(block):
    """A hash of a block's points and constants; a user's file by its name, wherever it stands."""
    constants = {name: _identity(name, value) for name, value in block.constants.items()}
    points = {
        axis: [_identity(axis, value) for value in values.tolist()]
        for axis, values in block.points.items()
    }
    return _hash([points, constants])[:32]


def key(files):
    """A hash of {file: digest}."""
    return _hash(files)[:16]


def differing(files, others):
    """The files that are not the same in both, sorted."""
    return sorted(file for file in {*files, *others} if files.get(file) != others.get(file))


class Sources:
    """The files that a first one leads to: gradlab's, and those of its own package or folder.

    Of an experiment's folder all that is imported counts, be the first one in a package or not.
    """

    def __init__(self, module, file, folder=None):
        self.files, self._seen = {}, set()
        self._package = module.partition(".")[0] if "." in module and not folder else None
        self._top = folder or file.parents[module.count(".") + (file.name == "__init__.py")]

    def add(self, module, file, function=None):
        """A file and all that it leads to; `function`: of its definitions what this one reaches."""
        content = _bytes(file)
        package = module if file.name == "__init__.py" else module.rpartition(".")[0]
        try:
            read = syntax.read(content, module, package, function)
        except (SyntaxError, ValueError):  # what it holds is told where it is imported
            read = syntax.Read(hashlib.sha256(content).hexdigest()[:16], frozenset())
        label = self._label(file)
        self.files[f"{label}:{function}" if function else label] = read.digest
        self._follow(read.imports | ({package} if package else set()))
        return self

    def add_text(self, label, text):
        """What was typed in, and all that it leads to."""
        try:
            read = syntax.read(textwrap.dedent(text))
        except SyntaxError:  # one line cut out of a call
            read = syntax.Read(_hash(text)[:16], frozenset())
        self.files[label] = read.digest
        self._follow(read.imports)
        return self

    def _follow(self, names):
        for name in sorted(names - self._seen):
            if name not in self._seen:
                self._seen.add(name)
                self._find(name)

    def _find(self, name):
        """Enter the modules that a dotted name may load: itself and all packages above it."""
        parts = name.split(".")
        if parts[0] == OWN and len(parts) > 1 and parts[1] in NO_SOURCES:
            return
        if parts[-1] == "*":
            files = _file(name[:-2]).parent.glob("*.py") if _file(name[:-2]) else ()
            return self._follow({f"{name[:-2]}.{file.stem}" for file in files})
        for count in range(1, len(parts) + 1):
            module = ".".join(parts[:count])
            file = self._place(module)
            if file is None:  # a name in a module, or a folder without __init__.py
                self._follow(_lazy(".".join(parts[: count - 1]), parts[count - 1]))
            elif self._label(file) not in self.files:
                self.add(module, file)

    def _place(self, module):
        """A module's file: of gradlab, of the first one's package, or beside the first one."""
        first = module.partition(".")[0]
        if first == OWN:
            return _file(module)
        if first != self._package and (self._package or self._top.name in INSTALLED):
            return None
        return _first(self._top / _path(module))

    def _label(self, file):
        """A file by its place within gradlab, or in the first one's folder."""
        return file.relative_to(PACKAGE.parent if _is_own(file) else self._top).as_posix()


def _file(module):
    """The file of a module of gradlab, None if it is none."""
    first, _, rest = module.partition(".")
    return _first(PACKAGE / _path(rest)) if first == OWN else None


def _path(module):
    return module.replace(".", "/")


def _is_own(file):
    """Whether it is a file of gradlab's; experiments are none, in a wheel as in a checkout."""
    return file.is_relative_to(PACKAGE) and not file.is_relative_to(PACKAGE / INSTALLED_IN)


def _first(path):
    """A module's file, or its package's; None if there is neither."""
    files = (path / "__init__.py", path.with_name(f"{path.name}.py") if path.name else path)
    return next((file for file in files if file.is_file()), None)


def _users(module):
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return None
    return Path(spec.origin).absolute() if spec and spec.origin else None


def _lazy(module, name):
    """What a package says of a name that its __getattr__ loads: {name: "its.module"}."""
    file = _file(module)
    if file is None or file.name != "__init__.py":
        return set()
    return {
        value.value
        for one in ast.walk(ast.parse(_bytes(file)))
        if isinstance(one, ast.Dict)
        for key, value in zip(one.keys, one.values, strict=True)
        if isinstance(key, ast.Constant) and key.value == name and isinstance(value, ast.Constant)
    }


def _module(file, name):
    """The dotted name of a file of gradlab, or its own if it fits the file, else its stem."""
    if not _is_own(file):
        parts = tuple(name.split("."))
        return name if file.with_suffix("").parts[-len(parts) :] == parts else file.stem
    parts = file.relative_to(PACKAGE).with_suffix("").parts
    return ".".join((OWN, *(parts[:-1] if parts[-1:] == ("__init__",) else parts)))


def _may_name(name):
    return is_file(name) or name in found.FOLDERS


def _users_file(name, value):
    """The user's file behind what a parameter holds, None if there is none."""
    if value is None:
        return None
    return Path(value) if is_file(name) else found.users_file(name, value)


def _identity(name, value):
    if is_file(name) and value is not None:
        return Path(value).name
    file = found.users_file(name, value)
    return [file.stem] if file else value  # a task's random stream follows from its name


def _content(name, file):
    content = _bytes(file, name)
    if file.suffix == ".py":
        file = file.absolute()
        return key(Sources(file.stem, file).add(file.stem, file).files)
    return hashlib.sha256(content).hexdigest()[:16]


def _bytes(file, name=None):
    try:
        return file.read_bytes()
    except OSError as error:
        named = f"{name}={file}" if name else file
        raise UserError(f"{named}: {error.strerror}") from None


def _hash(value):
    text = json.dumps(value, sort_keys=True, default=repr)
    return hashlib.sha256(text.encode()).hexdigest()
