"""What files say of models: the headers of safetensors, GGUF and ONNX, what a pickle would import, `hubconf.py`, and
the files by which GTO and DVC describe artifacts.

The files are strangers' and nothing in them is run: each reader is our own, takes bounded parts of a file by ordinary
reads (never mapped into memory, where a file that shrinks ends the process), and stops at the first thing that is odd.
"""

from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import BinaryIO

from adapters.errors import BadRecordError
from adapters.formats import gguf, onnx, pickles, safetensors
from adapters.formats.facts import Facts
from adapters.formats.header import BoundedFile, CutError, Header

Read = Callable[[BoundedFile], Header]
READERS: Mapping[str, Read] = {
    ".safetensors": safetensors.read,
    ".gguf": gguf.read,
    ".onnx": onnx.read,
    **dict.fromkeys((".pkl", ".pickle", ".joblib", ".pt", ".pth", ".ckpt", ".bin"), pickles.read),
}
"""By the end of a file's name."""


def is_model(name: str) -> bool:
    """Whether a file is called like one that holds a model's weights."""
    return PurePath(name).suffix.lower() in READERS


def read_header(name: str, file: BinaryIO, size: int) -> Header | None:
    """What the header of a file of `size` bytes says; None where its name is of no format that is read.

    `file` is left anywhere. What is odd about it is told by `Header.problem`, what is missing by `Header.is_cut`.
    Errors: `OSError` of reading.
    """
    read = READERS.get(suffix := PurePath(name).suffix.lower())
    if read is None:
        return None
    format_name = "pickle" if read is pickles.read else suffix[1:]
    if suffix == ".bin":  # all sorts of files are called so
        begins = file.read(4)
        file.seek(0)
        if not begins.startswith((pickles.ARCHIVE, pickles.PROTOCOL)):
            return None
    try:
        return read(BoundedFile(file, size))
    except CutError:
        return Header(format_name, is_cut=True, problem="it is shorter than its header says")
    except BadRecordError as error:
        return Header(format_name, problem=str(error))


__all__ = ["BoundedFile", "CutError", "Facts", "Header", "is_model", "read_header"]
