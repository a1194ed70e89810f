"""One jit policy: Numba's decorators are called in kernels/jit.py alone, and with its options."""

import ast
import importlib
import os
import pkgutil
import subprocess
import sys

import numba
import pytest
from numba.core.dispatcher import Dispatcher
from sources import ROOT, files, imports, module_name

import gradlab.cells
import gradlab.kernels

DECORATORS = {"njit", "jit", "vectorize", "guvectorize", "cfunc", "stencil", "jitclass"}
DECORATORS |= {"register_jitable", "generated_jit"}
POLICY = ROOT / "gradlab" / "kernels" / "jit.py"
RACE = ROOT / "experiments" / "race"
OTHERS = RACE / "with_jax.py", RACE / "jax_epoch.py"  # whose jit is XLA's
FORBIDDEN_MATH = {"fast", "nnan", "ninf"}


def decorators(source):
    """The Numba decorators that `source` names, as an attribute or by import from numba."""
    named = {node.attr for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute)}
    for found in imports(source):
        if found.target.startswith("numba."):
            named.add(found.target.rpartition(".")[2])
    return named & DECORATORS


def options(source):
    """Each value that `source` gives to fastmath or parallel, as (name, node)."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.keyword) and node.arg:
            yield node.arg, node.value
        elif isinstance(node, ast.Dict):
            yield from (
                (getattr(k, "value", None), v) for k, v in zip(node.keys, node.values, strict=True)
            )
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
            yield getattr(node.targets[0].slice, "value", None), node.value


def switched_on(source):
    return [n for n, v in options(source) if n in {"fastmath", "parallel"} and _is_true(v)]


def _is_true(node):
    return isinstance(node, ast.Constant) and bool(node.value)


@pytest.mark.parametrize("path", files("gradlab") + files("experiments"), ids=module_name)
def test_only_the_policy_calls_numba_s_decorators(path):
    source = path.read_text(encoding="utf-8")
    assert not switched_on(source)
    assert path in (POLICY, *OTHERS) or not decorators(source)


@pytest.mark.parametrize(
    "source",
    [
        "from numba import njit",
        "import numba\n@numba.njit(cache=True)\ndef f(): pass",
        "import numba as nb\ng = nb.vectorize(f)",
        "def f():\n    from numba import guvectorize",
        "from numba.experimental import jitclass",
    ],
)
def test_a_decorator_elsewhere_is_seen(source):
    assert decorators(source)


@pytest.mark.parametrize(
    "source", ["kernel(fastmath=True)", "o = {'parallel': True}", "o['fastmath'] = True"]
)
def test_a_forbidden_option_is_seen(source):
    assert switched_on(source)


def sums_of_two_products(source):
    """Lines with x y + u v or x y - u v: which product is fused into the sum is not said."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
            sides = node.left, node.right
            if all(isinstance(s, ast.BinOp) and isinstance(s.op, ast.Mult) for s in sides):
                yield ast.unparse(node)


@pytest.mark.parametrize("path", files("gradlab/kernels") + files("gradlab/cells"), ids=module_name)
def test_a_kernel_leaves_no_choice_of_what_is_fused(path):
    assert not list(sums_of_two_products(path.read_text(encoding="utf-8")))


def test_a_choice_of_what_is_fused_is_seen():
    assert list(sums_of_two_products("z = f(2) + (x * y - u * v)")) == ["x * y - u * v"]
    assert not list(sums_of_two_products("z = x * y + u + rounded_product(u, v)"))


def dispatchers():
    """Every compiled function of kernels and cells, by the name it was defined under."""
    for room in (gradlab.kernels, gradlab.cells):
        for found in pkgutil.iter_modules(room.__path__, f"{room.__name__}."):
            for value in vars(importlib.import_module(found.name)).values():
                if isinstance(value, Dispatcher):
                    yield f"{value.__module__}.{value.__name__}", value


def breaches(dispatcher):
    """The options of a compiled function that are not the policy's."""
    given = dispatcher.targetoptions
    math = given.get("fastmath", False)
    wrong = {name for name in ("nopython", "nogil") if not given.get(name)}
    wrong |= {"parallel"} if given.get("parallel") else set()
    wrong |= {"error_model"} if given.get("error_model") != "numpy" else set()
    return wrong | ({"fastmath"} if math is True or FORBIDDEN_MATH & set(math or ()) else set())


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing is compiled with NUMBA_DISABLE_JIT")
def test_every_kernel_is_compiled_by_the_policy_and_once():
    kernels = dict(dispatchers())
    assert kernels
    assert not {name: bad for name, one in kernels.items() if (bad := breaches(one))}
    assert len({one.py_func for one in kernels.values()}) == len(set(kernels.values()))


def test_a_kernel_of_another_policy_is_seen():
    @numba.njit(fastmath=True, error_model="python")
    def other():
        pass

    assert breaches(other) == {"fastmath", "error_model", "nogil"}


LINKED = """
from gradlab.kernels.jit import kernel
@kernel
def third(x):
    return x / 3
@kernel
def ninth(x):
    return third(third(x))
@kernel
def sixth(x):
    return third(x) / 2
"""
TOLD_OF_LINKED = """
import called
linked = called.third.get_call_template.__self__
print(called.{call}, len(called.third.overloads))
made = [own.library.get_pointer_to_function("") for own in linked.overloads.values()]
print(made, sum(linked.stats.cache_hits.values()), called.third(6.0))
"""
BY_ADDRESS = """
from gradlab.kernels.jit import apart, kernel
@apart
def third(x):
    return x / 3
@kernel
def ninth(x):
    return third(third(x))
@kernel
def more(x):
    return ninth(x) + 1
@apart
def most(x):
    return more(x) + third(x)
"""
TOLD_BY_ADDRESS = """
import called
print(called.{call}, *(sum(called.third.stats[i].values()) for i in (1, 2)))
"""


@pytest.fixture
def told(tmp_path):
    """told(code, call): the words that another process prints, with the cache of those before."""
    if numba.config.DISABLE_JIT:
        pytest.skip("nothing is compiled with NUMBA_DISABLE_JIT")

    def printed(code, call):
        environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
        done = subprocess.run(
            [sys.executable, "-c", code.format(call=call)], cwd=tmp_path, env=environment,
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        return done.stdout.split()

    return printed


def test_what_a_kernel_calls_is_linked_in_and_cached_without_machine_code(tmp_path, told):
    """None of it can be called from Python, until Python asks; the next caller reads it."""
    (tmp_path / "called.py").write_text(LINKED)
    assert told(TOLD_OF_LINKED, "ninth(18.0)") == ["2.0", "0", "[0]", "0", "2.0"]
    assert told(TOLD_OF_LINKED, "sixth(18.0)") == ["3.0", "0", "[0]", "1", "2.0"]
    again = told(TOLD_OF_LINKED, "sixth(18.0)")
    assert again == ["3.0", "0", "[]", "0", "2.0"]  # it stands in the caller


def test_what_is_called_by_address_is_there_before_its_callers(tmp_path, told):
    """Also where they come from a cache, which holds no more of it than a name."""
    (tmp_path / "called.py").write_text(BY_ADDRESS)
    assert told(TOLD_BY_ADDRESS, "ninth(18.0)") == ["2.0", "0", "1"]
    assert told(TOLD_BY_ADDRESS, "ninth(18.0)") == ["2.0", "1", "0"]
    assert told(TOLD_BY_ADDRESS, "most(18.0)") == ["9.0", "1", "0"]
    assert told(TOLD_BY_ADDRESS, "most(18.0)") == ["9.0", "1", "0"]
    for file in (tmp_path / "cache").rglob("called.third-*"):
        file.unlink()
    assert told(TOLD_BY_ADDRESS, "most(18.0)") == ["9.0", "0", "1"]
