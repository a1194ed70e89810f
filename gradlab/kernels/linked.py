"""How kernels call each other: what is small is linked in, what is large is called by address.

Numba makes machine code, and a way in from Python, of each function as soon as it is compiled, and
links all that a function calls into it, to be optimized once more. So the first was never run
(`Linked` leaves it out: a third of the time in which a cell was compiled), and large functions were
compiled in each of their callers (`Apart`: of the next cell's time, half).
"""

import contextlib
import copy
import functools
import hashlib
import importlib
from types import SimpleNamespace

from llvmlite import binding
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler
from numba.core.compiler_lock import global_compiler_lock
from numba.core.imputils import user_function


class Linked(JITCodeLibrary):
    """A function's code, optimized, to be linked into its callers'."""

    def _finalize_final_module(self):
        self._finalize_dynamic_globals()
        self._verify_declare_only_symbols()
        self._finalized = True

    def get_pointer_to_function(self, name):
        """None: nothing can be called."""
        return 0

    @property
    def codegen(self):
        """For `get_executable`, which would look for the environment of Python constants."""
        return SimpleNamespace(set_env=lambda name, environment: None)

    def serialize_using_object_code(self):
        """For Numba's cache: there is no object code."""
        return self.serialize_using_bitcode()


class LinkedCompiler(Compiler):
    """Numba's compiler, but what it makes is `Linked`."""

    def __init__(self, typingctx, targetctx, library, *others):
        if library is None:
            library = Linked(targetctx.codegen(), "linked")
            library.enable_object_caching()
        super().__init__(typingctx, targetctx, library, *others)


@contextlib.contextmanager
def libraries_are(kind, context):
    """What Numba reads from its cache or compiles meanwhile is of this class, unless it is told."""
    codegen = context.codegen()
    with global_compiler_lock:
        before = codegen._library_class
        codegen._library_class = kind
        try:
            yield
        finally:
            codegen._library_class = before


class Apart:
    """Machine code of a dispatcher's functions, which kernels call by address.

    A name that depends on the types alone stands for it in what is compiled: Numba's own names
    count what a process has compiled. Numba's cache keeps `load` with each function that calls one
    (`reload_init`), to be run before that is read.
    """

    def __init__(self, dispatcher):
        self._dispatcher, self._keys = dispatcher, {}
        function = dispatcher.py_func
        self._name = f"gradlab.{function.__module__}.{function.__qualname__}"

    def key(self, arguments):
        """What Numba calls the function by, for a tuple of types; it is there from now on."""
        if arguments not in self._keys:
            self._keys[arguments] = self._register(arguments)
        return self._keys[arguments]

    def _register(self, arguments):
        context = self._dispatcher.targetctx
        with libraries_are(JITCodeLibrary, context):
            self._dispatcher.compile(arguments)
        made = self._dispatcher.overloads[arguments]
        digest = hashlib.sha256(repr(arguments).encode()).hexdigest()[:16]
        description = copy.copy(made.fndesc)
        description.mangled_name = f"{self._name}.{digest}"
        address = made.library.get_pointer_to_function(made.fndesc.llvm_func_name)
        binding.add_symbol(description.mangled_name, address)
        key, call = object(), user_function(description, ())
        function = self._dispatcher.py_func
        load = functools.partial(_load, function.__module__, function.__name__, arguments)

        def written(context, builder, signature, values):
            context.active_code_library._reload_init.add(load)
            return call(context, builder, signature, values)

        written.signature, written.libs = call.signature, ()
        context._defns[key].append(written, call.signature)
        return key


def _load(module, name, arguments):
    getattr(importlib.import_module(module), name).apart.key(arguments)
