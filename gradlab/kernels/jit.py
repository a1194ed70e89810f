"""The one compilation policy; nothing else in gradlab calls a Numba decorator.

error_model="numpy"    a division by zero is an inf, as in NumPy, and its check does not block SIMD
nogil=True             blocks of a sweep run in threads
fastmath={"contract"}  fused multiply-add only; see also `rounded`. "nnan" and "ninf" would make
                       isfinite(nan) true: non-finite values are this project's subject
no parallel=True       its sums change with the number of threads
"""

import contextlib
import hashlib
import inspect
import math
import os
import re
import sys
import warnings
from pathlib import Path
from types import FunctionType

import numba
import numpy as np
from llvmlite import binding
from numba import types
from numba.core import cgutils
from numba.core.caching import FunctionCache, NullCache
from numba.core.ccallback import CFunc
from numba.core.dispatcher import Dispatcher
from numba.extending import intrinsic, lower_builtin, overload, type_callable

from gradlab.errors import to_stderr
from gradlab.kernels.linked import Apart, Linked, LinkedCompiler, libraries_are

_CONTRACT = {"contract"}
# Reordering a sum lets it vectorise (sum of squares: 0.4 ns an element against 1.1); inf and nan
# stay what they are.
_REORDER = {"contract", "reassoc", "arcp", "nsz", "afn"}
_LINKED = {"no_cpython_wrapper": True, "pipeline_class": LinkedCompiler}


def kernel(function):
    """Compile `function` with the policy above, cached between sessions."""
    return _compile(function, _CONTRACT)


def inlined(function):
    """A `kernel` whose text is put into those that call it, before they are compiled.

    What is linked in is optimized once more with each caller on the way up, seven deep.
    """
    return _compile(function, _CONTRACT, inline="always")


def apart(function):
    """A `kernel` that others call by address, as C functions are called: it is not linked in.

    Compiled once for its types, whoever calls it, it is optimized in none of its callers; for what
    runs longer than a call takes, some 20 ns.
    """
    if numba.config.DISABLE_JIT:
        return function
    called = _made(function, _options(_CONTRACT))
    called.apart = Apart(called)
    called.get_overload = lambda arguments: called.apart.key(tuple(arguments))
    return called


def reduction(function):
    """Compile a sum over one row, whose terms may be added in any order."""
    return _compile(function, _REORDER)


def rounded(function):
    """Compile `function` without fusing its products into sums: each operation is rounded."""
    return _compile(function, set())


def is_compiled(function):
    """Whether compiled code can call a function; interpreted code can call any."""
    return isinstance(function, FunctionType if numba.config.DISABLE_JIT else Dispatcher)


def symbol(name, signature):
    """Compile `function` at once to a C function that kernels call by `name`, as they call BLAS's.

    What a kernel calls otherwise is linked into it, and compiled again with it.
    """

    def compile_now(function):
        if numba.config.DISABLE_JIT:
            return function
        try:
            callback = _cached(function, lambda: _callback(function, signature, cached=True))
        except (RuntimeError, OSError) as failure:
            _warn_once(failure)
            callback = _callback(function, signature, cached=False)
        callback.compile()
        binding.add_symbol(name, callback.address)
        _SYMBOLS[name] = callback  # the code lives as long as this
        return callback

    return compile_now


def _callback(function, signature, cached):
    """Not by numba.cfunc, which compiles before its cache could be made forgiving."""
    made = CFunc(function, (signature.args, signature.return_type), {}, _options(_CONTRACT))
    if cached:
        made.enable_caching()
    return made


def by_instructions(function, typed, *kinds):
    """Let kernels call `function`: the decorated one writes its instructions, as Numba's own do.

    typed(*types) is the result's type; kinds: the classes of the arguments' types, one tuple or
    several. Written so, a call costs the caller a hundredth of what an `overload` does, which
    compiles a function for each set of types and links it in: products were a sixth of a cell.
    """

    def written(write):
        type_callable(function)(lambda context: typed)
        for classes in kinds:
            lower_builtin(function, *classes)(write)
        return write

    return written


def on_matrices(function, check):
    """The same for a `function` of arrays that returns nothing; `check` gets their types.

    The decorated one gets a builder, the type of their entries and a `Matrix` for each array.
    """

    def typed(*arrays):
        check(*arrays)
        return types.none

    typed.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    classes = [types.Array] * function.__code__.co_argcount

    def written(write):
        @by_instructions(function, typed, classes)
        def lowered(context, builder, signature, values):
            arrays = [
                Matrix(context, builder, kind, value)
                for kind, value in zip(signature.args, values, strict=True)
            ]
            write(builder, signature.args[0].dtype, *arrays)
            return context.get_dummy_value()

        return write

    return written


class Matrix:
    """An array in a function that is being written: its address, shape and strides in bytes."""

    def __init__(self, context, builder, kind, value):
        array = context.make_array(kind)(context, builder, value)
        self.address = builder.ptrtoint(array.data, cgutils.intp_t)
        self.shape = cgutils.unpack_tuple(builder, array.shape)
        self.strides = cgutils.unpack_tuple(builder, array.strides)


def by_types(function):
    """Let kernels call what the decorated one returns for the types of `function`'s arguments."""
    return overload(function, jit_options=_options(_CONTRACT) | _LINKED)


def by_dtype(choose):
    """A scalar function f(x) whose float32 or float64 kernel `choose(dtype)` names.

    Jitted code picks the kernel when it is compiled, interpreted code when it is called.
    """

    def scalar(x):
        return choose(x.dtype)(x)

    def typed(x):
        chosen = choose(x)
        return lambda x: chosen(x)

    by_types(scalar)(typed)
    return scalar


@intrinsic
def _wide(typing_context):
    def generate(context, builder, signature, arguments):
        # llvmlite's own `add` knows no key="value" attributes.
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')
        return context.get_dummy_value()

    return types.void(), generate


# x 2^exponent. Python's own raises an error where the result leaves the range.
ldexp = np.ldexp if numba.config.DISABLE_JIT else math.ldexp  # type: ignore[attr-defined]


def _narrow():
    """Interpreted: nothing to prefer."""


# Called in a kernel, it lets that function alone use 512-bit vectors, which LLVM avoids on many
# machines that have them: tanh takes 0.9 ns an element instead of 1.2 (float32: 0.38 and 0.45).
wide = _narrow if numba.config.DISABLE_JIT else _wide  # type: ignore[attr-defined]


_PLACES = {"win32": ("LOCALAPPDATA", "AppData/Local"), "darwin": ("", "Library/Caches")}


def cache_folder():
    """Folder of compiled kernels: the user's cache, one sub-folder for each state of the sources.

    Numba stamps only the file that defines a function, so an edit to a callee in another file
    would leave its callers stale; the digest covers all of them. None for a user without a home:
    the cache is run as code, so a folder that others may write to will not do.
    """
    cache = _user_cache()
    return cache and cache / "gradlab" / _digest()


def _user_cache():
    """NUMBA_CACHE_DIR, else the system's place; a relative path counts as none there (XDG)."""
    if os.environ.get("NUMBA_CACHE_DIR"):
        return Path(os.environ["NUMBA_CACHE_DIR"]).absolute()
    variable, inside = _PLACES.get(sys.platform, ("XDG_CACHE_HOME", ".cache"))
    given = os.environ.get(variable, "")
    if os.path.isabs(given):
        return Path(given)
    home = os.path.expanduser("~")
    return Path(home, inside) if os.path.isabs(home) else None


def _digest():
    digest = hashlib.sha256(numba.__version__.encode())
    package = Path(__file__).parents[1]
    for room in ("kernels", "cells"):
        for source in sorted((package / room).glob("*.py")):
            digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def _options(fastmath):
    # No kernel is called through a pointer: what that needs would be compiled for each.
    return {"error_model": "numpy", "nogil": True, "fastmath": fastmath, "no_cfunc_wrapper": True}


def _compile(function, fastmath, **more):
    options = _options(fastmath) | more
    if numba.config.DISABLE_JIT:
        return function
    called = _made(function, options)
    linked = _made(function, options | _LINKED, folder="linked")
    # Numba asks these two of what a kernel calls.
    called.get_call_template = linked.get_call_template
    called.get_overload = linked.get_overload
    return called


def _made(function, options, folder=""):
    """A dispatcher with a cache in a folder of ours, or none where there is no place to write."""
    try:
        return _cached(function, lambda: numba.njit(cache=True, **options)(function), folder)
    except (RuntimeError, OSError) as failure:  # compile in every session
        _warn_once(failure)
        return numba.njit(**options)(function)


def _cached(function, make, folder=""):
    """What `make` makes of a function, with a cache in the folder of this state of the sources."""
    if _FOLDER is None:
        raise RuntimeError("no home folder: set NUMBA_CACHE_DIR")
    with _numba_cache_in(_FOLDER / folder):
        made = make()
    # Numba would put it beside the source instead, where an edited callee leaves it stale.
    source = Path(function.__code__.co_filename)
    if source.exists() and not Path(made._cache.cache_path).is_relative_to(_FOLDER):
        raise OSError("cannot write there: set NUMBA_CACHE_DIR")
    made._cache = (_LinkedCache if folder else _ForgivingCache)(made._cache, _FOLDER / folder)
    return made


@contextlib.contextmanager
def _numba_cache_in(folder):
    """Numba reads its cache setting when it decorates; a user's own functions keep theirs."""
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(folder)
    try:
        yield
    finally:
        numba.config.CACHE_DIR = before


class _ForgivingCache:
    """Numba's cache of one function; a damaged or unwritable file means a compile, not a crash.

    What is compiled for the weights of a user's cell stands by itself, in a folder named after its
    module: Numba reads all of a function's signatures at once, and their classes must be there.
    """

    def __init__(self, cache, folder):
        self._cache, self._folder = cache, folder

    def __getattr__(self, name):
        return getattr(self._cache, name)

    def load_overload(self, signature, context):
        found, cache = None, self._of(signature)
        try:
            found = cache.load_overload(signature, context)
        except Exception as failure:  # a damaged pickle can raise anything
            _warn_once(failure)
            with contextlib.suppress(Exception):
                cache.flush()
        if found is None:
            _say(self._cache._name, signature)
        return found

    def save_overload(self, signature, data):
        try:
            self._of(signature).save_overload(signature, data)
        except Exception as failure:
            _warn_once(failure)

    def _of(self, signature):
        module = _module_of(signature)
        if module is None or module.startswith("gradlab."):
            return self._cache
        if not _USERS.fullmatch(module):  # its name does not change with its content
            return NullCache()
        with _numba_cache_in(self._folder / module):
            return FunctionCache(self._cache._py_func)


class _LinkedCache(_ForgivingCache):
    """That of what other kernels call."""

    def load_overload(self, signature, context):
        with libraries_are(Linked, context):
            found = super().load_overload(signature, context)
        if found is not None:  # Numba forgets them on the way to who links it in
            found.library._reload_init.update(found.reload_init)
        return found


def _warn_once(failure):
    global _warned
    if not _warned:
        _warned = True
        place = f" in {_FOLDER}" if _FOLDER else ""
        warnings.warn(
            f"gradlab compiles its kernels in every session: no cache{place} ({failure})",
            RuntimeWarning,
            stacklevel=4,
        )


def _say(kernel, signature):
    """Say which cell is compiled, and once more when a loop of it is for other arguments.

    CPU seconds on a shared machine: 23 to 31 for the first cell, 7 to 17 for the next ones, which
    find compiled what all of them share, and for gradients lane by lane.
    """
    cell = _cell_of(signature)
    if cell is None and _told:  # a helper of a cell that was told, or some 2 s
        return
    loops = _told.setdefault(cell, {})
    if not loops or signature not in loops.get(kernel, {signature}):
        what = f"{'more of ' * bool(loops)}cell {cell}" if cell else "what all cells share"
        cost = "5 to 20 s; the first cell 10 to 30 s"
        to_stderr(f"gradlab: compiling {what}, once on this machine ({cost})\n")
    loops.setdefault(kernel, set()).add(signature)


def _cell_of(kinds):
    """The name of the cell whose weights are among the types of a call's arguments, else None."""
    if module := _module_of(kinds):
        own = _USERS.fullmatch(module)
        return own[1] if own else module.rpartition(".")[2]
    return None


def _module_of(kinds):
    """The module of that cell: of the first NamedTuple that is not one that all cells share."""
    for kind in getattr(kinds, "args", kinds):  # a C function's is a Signature
        made = getattr(kind, "instance_class", None)
        if made and not made.__module__.startswith("gradlab.kernels."):
            return made.__module__
        if inside := _module_of(getattr(kind, "types", ())):
            return inside
    return None


_USERS = re.compile(r"gradlab_cell_(\w+)_[0-9a-f]{12}")
_SYMBOLS: dict[str, CFunc] = {}
_warned = False
_told: dict[str, bool] = {}
_FOLDER = cache_folder()
