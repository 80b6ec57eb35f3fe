"""Credentials: they are seen by the backend and by nobody else."""

import contextlib
import logging
import traceback
from collections.abc import Iterable, Iterator
from urllib.parse import quote

from adapters.conformance.check import check
from adapters.conformance.lab import Lab, require
from adapters.errors import AuthError, UnsupportedError
from adapters.notifications import Notification
from adapters.records import Key, VersionRecord


def _hidden(lab: Lab, text: str, where: str) -> None:
    for secret in lab.harness.secrets:
        shown = any(form in text for form in (secret, quote(secret, safe="")))
        require(not shown, f"a credential stands in {where}")


@check("secrets")
def no_secret_in_repr(lab: Lab) -> None:
    """Printing the adapter, before and after use, or what it keeps, shows no credential."""
    adapter = lab.main
    for moment in ("a new adapter", "a used adapter"):
        kept = getattr(adapter, "__dict__", {})
        _hidden(lab, f"{adapter!r} {adapter!s} {kept!r}", f"the repr of {moment}")
        adapter.probe()


@check("secrets")
def no_secret_in_records(lab: Lab) -> None:
    """No record holds a credential, the native payload included: it is stored and shown."""
    for record in lab.look():
        _hidden(lab, repr(record), f"the record {record.key.native_id}")


@check("secrets")
def no_secret_in_tokens(lab: Lab) -> None:
    """Marks, watermarks and the identity hold no credential: they are stored."""
    info = lab.probe()
    _hidden(lab, f"{info!r}", "what probe says")
    for number, page in enumerate(lab.walk(limit=1)):
        _hidden(lab, f"{page.mark} {page.watermark} {page.listed!r}", "a mark or watermark")
        if number > 20:
            break


@check("secrets")
def no_secret_in_snippets(lab: Lab) -> None:
    """The code that users copy to load a version holds no credential."""
    for record in [r for r in lab.look() if isinstance(r, VersionRecord)][-3:]:
        _hidden(lab, repr(lab.main.snippets("check", record)), "a snippet")


@check("secrets")
def nobody_is_believed_unproved(lab: Lab) -> None:
    """A notification that proves nothing names nothing: `changed` refuses it."""
    for body in (b"", b"{}", b'{"data": {"name": "check"}}'):
        named: object = None
        with contextlib.suppress(AuthError, UnsupportedError):
            named = lab.main.changed(Notification({}, body))
        require(named is None, "a request without any proof was believed to come from the backend")


@check("secrets", "fail_with")
def no_secret_in_errors(lab: Lab) -> None:
    """No error shows a credential, nor do the errors behind it or its traceback."""
    for error in _errors(lab):
        _hidden(lab, str(error), f"the message of a {type(error).__name__}")
        whole = "".join(traceback.format_exception(error))
        _hidden(lab, whole, f"the traceback behind a {type(error).__name__}")


def _errors(lab: Lab) -> Iterable[Exception]:
    for fault in sorted(lab.harness.faults, key=lambda fault: fault.value):
        with lab.harness.fail_with(fault):
            adapter = lab.adapter()
            for call in (adapter.probe, lambda a=adapter: lab.scan(adapter=a)):
                try:
                    call()
                except Exception as error:
                    yield error


@check("secrets")
def no_secret_in_logs(lab: Lab) -> None:
    """Nothing logged while probing, scanning, getting and failing holds a credential, at any level."""
    with _captured() as lines:
        lab.look()
        with contextlib.suppress(Exception):
            lab.main.get(Key("version", "waypost-no-such-version"))
        if "fail_with" in lab.harness.offers():
            list(_errors(lab))
    _hidden(lab, "\n".join(lines), "the log")


class _Collector(logging.Handler):
    def __init__(self, lines: list[str]) -> None:
        super().__init__(logging.DEBUG)
        self.lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@contextlib.contextmanager
def _captured() -> Iterator[list[str]]:
    """Everything that goes through `logging`, at every level of every logger."""
    lines: list[str] = []
    handler, root = _Collector(lines), logging.getLogger()
    loggers = [root, *(x for x in root.manager.loggerDict.values() if isinstance(x, logging.Logger))]
    levels = {logger: logger.level for logger in loggers}
    root.addHandler(handler)
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    try:
        yield lines
    finally:
        root.removeHandler(handler)
        for logger, level in levels.items():
            logger.setLevel(level)
