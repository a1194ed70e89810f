"""Kernels as other kernels call them: text to link in, without machine code of their own.

Numba makes machine code, and a way in from Python, of each function as soon as it is compiled. What
other kernels call is linked into them before that, so that its own is never run: a third of the
time in which a cell was compiled.
"""

import contextlib
from types import SimpleNamespace

from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler
from numba.core.compiler_lock import global_compiler_lock


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
def read_as_linked(context):
    """What Numba reads from its cache meanwhile is `Linked`."""
    codegen = context.codegen()
    with global_compiler_lock:
        before = codegen._library_class
        codegen._library_class = Linked
        try:
            yield
        finally:
            codegen._library_class = before
