"""safetensors: eight bytes of length, a header in JSON, the numbers."""

from math import prod

from adapters.errors import BadRecordError
from adapters.formats.header import BoundedFile, CutError, Header, texts
from adapters.parsing import Bounds, holds_more_values, parse_json
from adapters.payloads import part

BOUNDS = Bounds(size=32 << 20, depth=8, nodes=2_000_000)
"""A hundred thousand tensors take 15 MiB and 1.2 million values."""
LARGEST = 2**63


def read(source: BoundedFile) -> Header:
    """Its metadata, the number of parameters, and whether all of the numbers are there."""
    length = source.number("<Q")
    body = source.take(length, BOUNDS.size)
    if holds_more_values(body, BOUNDS.nodes):
        raise BadRecordError(f"its header holds more than {BOUNDS.nodes:,} values: it is not read")
    raw = parse_json(body, "its header", BOUNDS, unique=True)
    if not isinstance(raw, dict):
        raise BadRecordError("its header is no JSON object")
    told = part(raw, "__metadata__").items()
    spans = [_span(name, raw[name]) for name in raw if name != "__metadata__"]
    if 8 + length + max((end for _, end in spans), default=0) > source.size:
        raise CutError
    return Header("safetensors", texts(told), sum(count for count, _ in spans))


def _span(name: str, tensor: object) -> tuple[int, int]:
    """How many numbers a tensor has, and where its bytes end behind the header."""
    match tensor:
        case {"shape": [*shape], "data_offsets": [int(begin), int(end)]}:
            if all(isinstance(n, int) and 0 <= n < LARGEST for n in shape) and 0 <= begin <= end < LARGEST:
                return prod(shape), end
    raise BadRecordError(f"tensor {name[:80]} has no shape and place that can be read")
