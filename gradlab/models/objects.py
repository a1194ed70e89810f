"""What a program holds: a state_dict, a module, a Keras layer or model, a dict of arrays.

Nothing of PyTorch or Keras is imported: a module is what has state_dict(), a Keras layer what has
get_config() and weights, an array what has __array__. Their arrays are copied.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from gradlab import given
from gradlab.errors import UserError
from gradlab.models.tensors import Tensor, shown


def tensors_of(named: Mapping[Any, Any]) -> dict[str, Tensor]:
    """{name: Tensor} of the arrays among a dict's values; what is no array is passed over."""
    found = {}
    for name in named:
        value = named[name]
        if hasattr(value, "__array__") or isinstance(value, list | tuple):
            found[str(name)] = _tensor(str(name), value)
    return found


def of_module(module: Any) -> tuple[dict[str, Tensor], dict[str, str], set[str]]:
    """The tensors of a PyTorch module, what modules in it say of themselves, and the embeddings.

    {name: activation}, and the names of those that embed.
    """
    said, embeddings = {}, set()
    for name, part in module.named_modules() if hasattr(module, "named_modules") else ():
        if isinstance(f := getattr(part, "nonlinearity", None), str):
            said[name] = f
        if hasattr(part, "num_embeddings") and hasattr(part, "embedding_dim"):
            embeddings.add(name)
    return tensors_of(module.state_dict()), said, embeddings


def is_batch_first(thing: Any) -> bool:
    """Whether a module, or every recurrent one in it, takes (B, T, D): all of Keras do."""
    if is_keras(thing):
        return True
    parts = [part for _, part in thing.named_modules()] if hasattr(thing, "named_modules") else []
    said = [part.batch_first for part in parts if hasattr(part, "weight_hh_l0")]
    return bool(said) and all(said)


def is_keras(thing: Any) -> bool:
    """Whether it is a Keras layer or model."""
    return hasattr(thing, "get_config") and hasattr(thing, "get_weights")


def of_keras(layer: Any) -> tuple[dict[str, Tensor], dict[str, dict[str, Any]]]:
    """The variables of a Keras layer or model, and the settings of each recurrent layer in it."""
    found: dict[str, Tensor] = {}
    for variable in layer.weights:
        if (path := _path(variable)) in found:
            raise UserError(f"two variables are called {shown(path)}: give one layer at a time")
        found[path] = _tensor(path, variable)
    configs = {
        _path(variable): config
        for one, config in _recurrent_layers(layer)
        for variable in one.weights
        if _path(variable).partition(":")[0].endswith("recurrent_kernel")
    }
    return found, configs


def _recurrent_layers(layer: Any) -> Iterator[tuple[Any, dict[str, Any]]]:
    """(layer, settings) of every recurrent layer in a layer or model."""
    ways = [getattr(layer, name, None) for name in ("forward_layer", "backward_layer")]
    if all(ways):
        merge = str(layer.get_config().get("merge_mode"))
        for one in ways:
            yield one, _config(one) | {"go_backwards": False, "merge_mode": merge}
    elif hasattr(layer, "cell"):
        cells = getattr(layer.cell, "cells", None)
        yield from (
            ((cell, cell.get_config()) for cell in cells) if cells else [(layer, _config(layer))]
        )
    else:
        for one in getattr(layer, "layers", ()):
            yield from _recurrent_layers(one)


def _config(layer: Any) -> dict[str, Any]:
    """A layer's settings; those of RNN(cell) stand with its cell."""
    config = layer.get_config()
    return config if "activation" in config else {**layer.cell.get_config(), **config}


def _path(variable: Any) -> str:
    return str(getattr(variable, "path", None) or variable.name)


def _tensor(name: str, value: Any) -> Tensor:
    value = value if hasattr(value, "shape") and hasattr(value, "dtype") else np.asarray(value)
    kind = getattr(value.dtype, "name", None) or str(value.dtype).removeprefix("torch.")
    return Tensor(tuple(map(int, value.shape)), kind, lambda: _array(name, value, kind))


def _array(name: str, value: Any, kind: str) -> np.ndarray:
    if kind == "bfloat16":  # NumPy has none: PyTorch widens its own, ml_dtypes casts
        value = value.float() if hasattr(value, "float") else np.asarray(value).astype(np.float32)
    if hasattr(value, "numpy") and not hasattr(value, "detach"):  # a Keras variable
        value = value.numpy()
    return given.real(name, value)
