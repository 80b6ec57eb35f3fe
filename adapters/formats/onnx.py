"""ONNX: the fields of a protocol buffer, of which large ones are passed by without being read."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import prod

from adapters.errors import BadRecordError
from adapters.formats.header import BoundedFile, CutError, Header, texts
from adapters.records import Column

LONGEST = 1 << 20
MOST_COLUMNS = 1000
TYPES = (
    "undefined", "float32", "uint8", "int8", "uint16", "int16", "int32", "int64", "string", "boolean", "float16",
    "float64", "uint32", "uint64", "complex64", "complex128", "bfloat16",
)  # fmt: skip
"""`TensorProto.DataType`, by number."""
LARGEST, MOST_DIMENSIONS = 1 << 40, 64
ODD = "it is no protocol buffer as ONNX writes it"
_PLAIN = {2: "producer_name", 3: "producer_version", 4: "domain", 6: "doc_string"}


VARINT, BYTES = 0, 2
"""How a field is written, as far as it is looked at."""


def read(source: BoundedFile) -> Header:
    """Its metadata, inputs and outputs, and the number of parameters that it holds itself."""
    model = _OnnxModel()
    for number, wire, value in _fields(source, source.size):
        match number, wire:
            case ((2 | 3 | 4 | 6), 2):
                model.told[_PLAIN[number]] = _text(source, value)
            case 7, 2:
                model.take_graph(source, source.at + value)
            case 14, 2:
                model.take_property(source, source.at + value)
    if not model.has_graph:
        raise BadRecordError("it has no graph, as a model in ONNX has")
    inputs = tuple(column for column in model.inputs if column.name not in model.weights)
    return Header("onnx", texts(model.told.items()), model.parameters, inputs, tuple(model.outputs))


@dataclass(slots=True)
class _OnnxModel:
    """What was read so far."""

    told: dict[str, str] = field(default_factory=dict)
    inputs: list[Column] = field(default_factory=list)
    outputs: list[Column] = field(default_factory=list)
    weights: set[str] = field(default_factory=set)
    parameters: int = 0
    has_graph: bool = False

    def take_property(self, source: BoundedFile, end: int) -> None:
        pair = {number: _text(source, value) for number, wire, value in _fields(source, end) if wire == BYTES}
        self.told[pair.get(1, "")] = pair.get(2, "")

    def take_graph(self, source: BoundedFile, end: int) -> None:
        self.has_graph = True
        for number, wire, value in _fields(source, end):
            if (number, wire) == (5, BYTES):
                self._take_weight(source, source.at + value)
            elif number in (11, 12) and wire == BYTES:
                columns = self.inputs if number == 11 else self.outputs
                if len(columns) == MOST_COLUMNS:
                    raise BadRecordError(f"it has more than {MOST_COLUMNS} inputs or outputs: it is not read")
                columns.append(_column(source, source.at + value))

    def _take_weight(self, source: BoundedFile, end: int) -> None:
        shape: list[int] = []
        for number, wire, value in _fields(source, end):
            match number, wire:
                case 1, 0:
                    shape.append(value)
                case 1, 2:
                    behind = source.at + value
                    while source.at < behind:
                        shape.append(_varint(source))
                case 8, 2:
                    self.weights.add(_text(source, value))
        self.parameters += prod(n for n in shape[:MOST_DIMENSIONS] if 0 <= n < LARGEST)


def _column(source: BoundedFile, end: int) -> Column:
    """A `ValueInfoProto`."""
    name, kind, shape = "", "any", None
    for number, wire, value in _fields(source, end):
        if (number, wire) == (1, BYTES):
            name = _text(source, value)
        elif (number, wire) == (2, BYTES):
            for which, how, size in _fields(source, source.at + value):
                if (which, how) == (1, BYTES):
                    kind, shape = _tensor(source, source.at + size)
    return Column(name, kind, shape=shape)


def _tensor(source: BoundedFile, end: int) -> tuple[str, tuple[int, ...] | None]:
    """A `TypeProto.Tensor`: the type of its elements, and its shape where it says one."""
    kind, shape = 0, None
    for number, wire, value in _fields(source, end):
        if (number, wire) == (1, VARINT):
            kind = value
        elif (number, wire) == (2, BYTES):
            inner = _fields(source, source.at + value)
            shape = tuple(_dimension(source, source.at + size) for _, how, size in inner if how == BYTES)
    return TYPES[kind] if kind < len(TYPES) else f"type {kind}", shape


def _dimension(source: BoundedFile, end: int) -> int:
    """A dimension's size; -1: free, or known by a name only."""
    sizes = [value for number, wire, value in _fields(source, end) if (number, wire) == (1, VARINT)]
    return sizes[0] if sizes and sizes[0] < LARGEST else -1


def _text(source: BoundedFile, length: int) -> str:
    return source.take(length, LONGEST).decode("utf-8", "replace")


def _fields(source: BoundedFile, end: int) -> Iterator[tuple[int, int, int]]:
    """The fields of a message that ends there: number, how it is written, and its value or length. Of what has a
    length, that which is not read is passed by.
    """
    while source.at < end:
        key = _varint(source)
        number, wire = key >> 3, key & 7
        if wire == BYTES:
            length = _varint(source)
            if length > end - source.at:
                raise CutError
            behind = source.at + length
            yield number, wire, length
            source.skip(behind - source.at)
        elif wire == VARINT:
            yield number, wire, _varint(source)
        elif wire in (1, 5):
            source.skip(8 if wire == 1 else 4)
        else:
            raise BadRecordError(ODD)


def _varint(source: BoundedFile) -> int:
    found = 0
    for place in range(0, 70, 7):
        byte = source.take(1, 1)[0]
        found |= (byte & 127) << place
        if byte < 128:
            return found
    raise BadRecordError(ODD)
