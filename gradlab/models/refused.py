"""What kind of file it is, by its first bytes, and for those that are not read the line that
converts them. A pickle may run any program, so none is opened, whatever its name says."""

import os
import stat
import zipfile
from pathlib import Path

from gradlab.errors import UserError
from gradlab.models.tensors import shown

TORCH = (
    "a pickle of PyTorch, which could run any program; where you trust it, convert it once: "
    "import numpy, torch; numpy.savez('model.npz', **torch.load({path!r}, map_location='cpu', "
    "weights_only=True))"
)
PICKLE = (
    "a pickle, which could run any program; where you trust it, convert it once: import numpy, "
    "pickle; numpy.savez('model.npz', **pickle.load(open({path!r}, 'rb')))"
)
KERAS = (
    "a Keras file; convert it once: import keras, numpy; numpy.savez('model.npz', **{{v.path: "
    "v.numpy() for v in keras.saving.load_model({path!r}).weights}})"
)
H5 = (
    "an HDF5 file; if it is a whole Keras model, convert it once: import keras, numpy; numpy.savez("
    "'model.npz', **{{v.path: v.numpy() for v in keras.saving.load_model({path!r}).weights}}); if "
    "it has weights alone, build the model first and model.load_weights({path!r})"
)
SCRIPT = (
    "a TorchScript program; convert it once: import numpy, torch; numpy.savez('model.npz', "
    "**torch.jit.load({path!r}, map_location='cpu').state_dict())"
)
NPY = "a single array; save all of a network's by their names: numpy.savez('model.npz', **arrays)"
UNKNOWN = "no .safetensors, .npz or .onnx file; convert it to one of them"
STARTS = (
    (b"\x89HDF\r\n\x1a\n", H5),
    (b"\x93NUMPY", NPY),
    (b"GGUF", "a GGUF file, whose weights are quantised: give the model that it was made from"),
    (b"\x1f\x8b", "compressed by gzip: unpack it first"),
)
PICKLES = tuple(bytes([0x80, protocol]) for protocol in range(2, 6))
TORCH_SUFFIXES = (".pt", ".pth", ".bin", ".ckpt")


def kind_of(path: Path) -> str:
    """ "safetensors", "npz" or "onnx". Raises UserError, one line, for every other file."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            what = "a folder: give the file in it" if path.is_dir() else "no regular file"
            raise UserError(f"{path} is {what}")
        with open(path, "rb") as file:
            start = file.read(16)
        if start[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
            return _zip(path)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    suffix = path.suffix.lower()
    if suffix == ".npz":
        raise UserError(f"{path} is no whole .npz file: it does not start as one")
    if said := _refusal(start, suffix):
        raise UserError(f"{path} is {said.format(path=str(path))}")
    return "onnx" if suffix == ".onnx" else "safetensors"


def _refusal(start: bytes, suffix: str) -> str:
    """What it is, nothing if it may be read."""
    if start[4:9] == b"\0\0\0\0{":  # a length below 4 GB, whatever its bytes look like, and JSON
        return ""
    for magic, said in STARTS:
        if start.startswith(magic):
            return said
    if start[:2] in PICKLES or suffix in (".pkl", ".pickle", *TORCH_SUFFIXES):
        return TORCH if suffix in TORCH_SUFFIXES else PICKLE
    if suffix in (".keras", ".h5", ".hdf5"):
        return KERAS if suffix == ".keras" else H5
    return "" if suffix in (".onnx", ".safetensors") else UNKNOWN


def _zip(path: Path) -> str:
    """An archive by what is in it."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, RuntimeError, NotImplementedError) as error:
        raise UserError(f"{path} is no whole archive: {shown(error)}") from None
    names = [entry.filename for entry in entries]
    if any(entry.flag_bits & 1 for entry in entries):
        raise UserError(f"{path} is encrypted: unpack it, and give what it holds")
    if any(name.endswith("/constants.pkl") for name in names):
        raise UserError(f"{path} is {SCRIPT.format(path=str(path))}")
    if any(name.endswith("data.pkl") for name in names):
        raise UserError(f"{path} is {TORCH.format(path=str(path))}")
    if any(name.endswith("model.weights.h5") for name in names):
        raise UserError(f"{path} is {KERAS.format(path=str(path))}")
    if any(name.endswith(".npy") for name in names):
        return "npz"
    raise UserError(f"{path} is an archive without arrays: {UNKNOWN}")
