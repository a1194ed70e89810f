"""A path, or an object of a program, to what it holds: the one way in."""

import os
from collections.abc import Collection, Mapping
from typing import Any

from gradlab import files
from gradlab.errors import UserError
from gradlab.models import keras, npz, objects, own, pytorch, refused, safetensors
from gradlab.models.contents import OWN, Contents
from gradlab.models.tensors import Tensor

CONFIGS = dict[str, dict[str, Any]]


def of_file(path: str | os.PathLike) -> Contents:
    """What a .safetensors, .npz or .onnx file holds; ~ is the home folder.

    Raises UserError, one line, for every other kind: what it is, and what would convert it.
    """
    if not isinstance(path, str | os.PathLike):
        raise UserError(f"{type(path).__name__} is no path: gradlab.Network.of takes objects")
    place = files.expanded(path)
    kind = refused.kind_of(place)
    if kind == "onnx":
        from gradlab.models import onnx

        return onnx.contents(place)
    if kind == "npz":
        return _by_names(str(place), npz.look(place))
    tensors, metadata = safetensors.look(place)
    try:
        ours = own.find(tensors, metadata)
    except UserError as error:
        raise UserError(f"{place}: {error}") from None
    if ours:
        return Contents(str(place), OWN, tensors, ours, pytorch.linears(tensors))
    return _by_names(str(place), tensors)


def of_object(thing: Any) -> Contents:
    """What a module, a state_dict, a Keras layer or model, or a dict of arrays holds.

    Raises UserError, one line, for anything else.
    """
    kind = type(thing).__name__
    if isinstance(thing, str | os.PathLike):
        raise UserError(f"{thing!r} is a path: gradlab.Network.load reads files")
    if objects.is_keras(thing):
        tensors, configs = objects.of_keras(thing)
        return _by_names(kind, tensors, configs=configs)
    if hasattr(thing, "state_dict"):
        tensors, activations, embeddings = objects.of_module(thing)
        return _by_names(kind, tensors, activations, embeddings=embeddings)
    if not isinstance(thing, Mapping):
        right = "give a module, its state_dict, a Keras layer or a dict of arrays"
        raise UserError(f"{kind} holds no weights that are known: {right}")
    return _by_names(kind, objects.tensors_of(thing), nested=_nested(thing))


def _nested(thing: Mapping) -> str:
    """Where a checkpoint keeps its weights, if it is one."""
    inner = [name for name in thing if isinstance(thing[name], Mapping) and thing[name]]
    return f"its entry {inner[0]!r} is a dict of its own, give that" if inner else ""


def _by_names(
    source: str, tensors: Mapping[str, Tensor], activations: Mapping[str, str] | None = None,
    configs: CONFIGS | None = None, nested: str = "", embeddings: Collection[str] | None = None,
) -> Contents:  # fmt: skip
    """Tensors by PyTorch's names and Keras's."""
    of_torch = pytorch.find(tensors, activations)
    of_keras = keras.find(tensors, configs)
    return Contents(
        source, "PyTorch" if of_torch else "Keras" if of_keras else "", tensors,
        [*of_torch, *of_keras], [*pytorch.linears(tensors, embeddings), *keras.linears(tensors)],
        pytorch.hint(tensors) or nested,
    )  # fmt: skip
