"""One scan: every model is listed, and those whose row has changed, or whose turn it is, are read whole."""

from collections.abc import Iterator

from adapters.errors import BadRecordError
from adapters.payloads import Raw
from adapters.records import Listing
from adapters.round_robin import RoundRobinScan
from adapters.scanning import Found, Readers
from adapters.unity.keys import of_model
from adapters.unity.reads import Reader, WholeModel


def scan(reader: Reader, state: str | None, *, is_full: bool, budget: int) -> RoundRobinScan[WholeModel]:
    """A scan from where `state`, a watermark or mark, says that the last one stood; None: of everything."""

    def ident(raw: Raw) -> str | None:
        at = of_model(raw)
        return at.model.native_id if reader.api.config.reads(at.name) else None

    def give(model: WholeModel) -> Iterator[Found]:
        yield from reader.records(model)
        if "versions" in model.unread:
            yield BadRecordError(model.unread["versions"], native=of_model(model.row).name)
        elif not is_full:
            yield Listing("version", of=of_model(model.row).model)

    return RoundRobinScan(
        state=state,
        budget=0 if is_full else budget,
        readers=Readers(reader.api.config.concurrency),
        pages=reader.api.models,
        ident=ident,
        read=reader.whole,
        give=give,
        may_pass=lambda model: model.may_pass,
    )
