"""One scan: every model is listed, and those whose row has changed, or whose turn it is, are read whole."""

from collections.abc import Iterator

from adapters.azureml.keys import of_model
from adapters.azureml.reads import Reader, WholeModel
from adapters.azureml.records import to_model, to_version
from adapters.errors import BadRecordError
from adapters.records import Listing
from adapters.round_robin import RoundRobinScan
from adapters.scanning import Found, Readers, attempt


def scan(reader: Reader, state: str | None, *, is_full: bool, budget: int) -> RoundRobinScan[WholeModel]:
    """A scan from where `state`, a watermark or mark, says that the last one stood; None: of everything."""

    def give(model: WholeModel) -> Iterator[Found]:
        yield (record := attempt(to_model, model.row))
        if isinstance(record, BadRecordError):
            return
        for raw in model.versions:
            yield attempt(to_version, reader.api.config, of_model(model.row), raw)
        if model.versions_unread is not None:
            yield BadRecordError(model.versions_unread, native=record.name)
        elif not is_full:
            yield Listing("version", of=record.key)

    return RoundRobinScan(
        state=state,
        budget=0 if is_full else budget,
        readers=Readers(reader.api.config.concurrency),
        pages=reader.api.models,
        ident=lambda raw: of_model(raw).model.native_id,
        read=reader.whole,
        give=give,
        may_pass=lambda model: model.may_pass,
    )
