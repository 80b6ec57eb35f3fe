"""A backend that fails: which error comes, what it says, and that nothing is believed lost."""

from collections.abc import Callable, Iterator
from functools import partial

from adapters.conformance.check import check
from adapters.conformance.harness import RETRY_AFTER, Fault
from adapters.conformance.lab import CheckFailed, Lab, ScanResult, refused, require
from adapters.contract import Adapter, Capability, Page, Registration
from adapters.errors import AdapterError, AuthError, BadRecordError, NotFoundError, TransientError
from adapters.records import Key, Record, VersionRecord

LONGEST = 300
HEALING_TRIES = 20


def _calls(lab: Lab, adapter: Adapter, key: Key) -> Iterator[tuple[str, Callable[[], object]]]:
    yield "probe", adapter.probe
    yield "scan", lambda: lab.scan(limit=10, adapter=adapter)
    yield "get", lambda: adapter.get(key)


def _known(lab: Lab) -> Key:
    model, version = lab.put()
    return lab.version(model, version).key


def _expect(lab: Lab, fault: Fault, *expected: type[AdapterError]) -> list[AdapterError]:
    """Every read call under a fault raises one of these."""
    key = _known(lab)
    with lab.harness.fail_with(fault):
        adapter = lab.adapter()
        return [
            refused(call, *expected, doing=f"{name} of a backend that is {fault.value}")
            for name, call in _calls(lab, adapter, key)
        ]


@check("put", "fault unreachable")
def an_unreachable_backend_is_transient(lab: Lab) -> None:
    """A refused or reset connection is a TransientError: it will pass."""
    _expect(lab, Fault.UNREACHABLE, TransientError)


@check("put", "fault silent")
def a_silent_backend_is_transient(lab: Lab) -> None:
    """No answer within the timeout is a TransientError; nothing hangs."""
    _expect(lab, Fault.SILENT, TransientError)


@check("put", "fault broken")
def a_broken_backend_is_transient(lab: Lab) -> None:
    """An error on the backend's side (HTTP 500) is a TransientError."""
    _expect(lab, Fault.BROKEN, TransientError)


@check("put", "fault throttled")
def throttling_is_transient(lab: Lab) -> None:
    """Too many requests is a TransientError, not a refusal."""
    _expect(lab, Fault.THROTTLED, TransientError)


@check("put", "fault throttled_until")
def throttling_says_when_to_come_back(lab: Lab) -> None:
    """The backend's Retry-After reaches the caller, in seconds."""
    for error in _expect(lab, Fault.THROTTLED_UNTIL, TransientError):
        assert isinstance(error, TransientError)
        wish = error.retry_after
        near = wish is not None and abs(wish - RETRY_AFTER) <= 1
        require(near, f"retry_after is {wish}, the backend said {RETRY_AFTER}")


@check("put", "fault unauthorised")
def a_refused_credential_is_an_auth_error(lab: Lab) -> None:
    """A credential that is not valid is an AuthError: trying again changes nothing."""
    _expect(lab, Fault.UNAUTHORISED, AuthError)


@check("put", "fault forbidden")
def a_missing_permission_is_an_auth_error(lab: Lab) -> None:
    """A permission that is missing is an AuthError, and never looks like an empty backend."""
    _expect(lab, Fault.FORBIDDEN, AuthError)


@check("put", "fault garbage")
def garbage_is_an_adapter_error(lab: Lab) -> None:
    """A proxy's HTML page instead of an answer is an AdapterError, never an empty backend or a crash."""
    _expect(lab, Fault.GARBAGE, AdapterError)


@check("put", "fault truncated")
def a_truncated_answer_is_transient(lab: Lab) -> None:
    """An answer that ends in the middle is a TransientError, never half a listing."""
    _expect(lab, Fault.TRUNCATED, TransientError)


@check("put", "fail_with")
def a_failing_backend_proves_no_absence(lab: Lab) -> None:
    """No fault makes `get` say NotFoundError: that would be the proof of a deletion."""
    key = _known(lab)
    for fault in sorted(lab.harness.faults, key=lambda fault: fault.value):
        with lab.harness.fail_with(fault):
            try:
                lab.adapter().get(key)
            except NotFoundError as error:
                raise CheckFailed(f"get says not found while the backend is {fault.value}") from error
            except Exception:  # noqa: S112 - which error it is, other checks say
                continue


@check("put", "fail_with")
def a_failing_backend_is_not_empty(lab: Lab) -> None:
    """No fault makes a scan end well: an empty listing would make everything a candidate for deletion."""
    _known(lab)
    for fault in sorted(lab.harness.faults, key=lambda fault: fault.value):
        with lab.harness.fail_with(fault):
            try:
                given = lab.scan(limit=10, adapter=lab.adapter()).records
            except Exception:  # noqa: S112 - which error it is, other checks say
                continue
        raise CheckFailed(f"a scan ended with {len(given)} records while the backend is {fault.value}")


@check("put", "fail_with")
def faults_heal(lab: Lab) -> None:
    """The instance that failed works again when the backend does: no broken connection is kept."""
    key = _known(lab)
    for fault in sorted(lab.harness.faults, key=lambda fault: fault.value):
        with lab.harness.fail_with(fault):
            adapter = lab.adapter()
            refused(partial(adapter.get, key), AdapterError, doing=f"get while the backend is {fault.value}")
        found = _healed(adapter, key, fault)
        require(found.key == key, f"after {fault.value} was over, get gives another record")


def _healed(adapter: Adapter, key: Key, fault: Fault) -> Record:
    """What `get` gives now. A busy machine may be slower than the short timeout of a harness: a few tries."""
    for left in reversed(range(HEALING_TRIES)):
        try:
            return adapter.get(key)
        except AdapterError as error:
            if not left or not isinstance(error, TransientError):
                raise CheckFailed(f"after {fault.value} was over, get still fails: {error}") from error
    raise AssertionError("unreachable")


@check("put", "fail_with")
def a_scan_goes_on_after_a_fault(lab: Lab) -> None:
    """A scan that a fault ends goes on behind the last mark, or begins again where it has none: nothing is lost."""
    lab.put(), lab.put()
    whole = lab.scan(limit=1)
    fault = min(lab.harness.faults, key=lambda fault: fault.value)
    given: list[Page] = []
    for page in lab.walk(limit=1):
        given.append(page)
        if page.mark is not None:
            break
    mark = given[-1].mark
    with lab.harness.fail_with(fault):
        failing = partial(lab.scan, limit=1, resume=mark, adapter=lab.adapter())
        refused(failing, AdapterError, doing="a failing scan")
    rest = lab.scan(limit=1, resume=mark)
    found = [item.key for item in (ScanResult(given).items if mark else [])] + [
        item.key for item in rest.items
    ]
    require(
        found == [item.key for item in whole.items], "a scan that went on after a fault gives other records"
    )


@check("put", "fail_with")
def error_messages_are_for_people(lab: Lab) -> None:
    """A message is one line of at most 300 characters that says what happened, without a traceback or a repr."""
    for fault in sorted(lab.harness.faults, key=lambda fault: fault.value):
        for error in _expect(lab, fault, AdapterError):
            text = str(error)
            require(10 <= len(text) <= LONGEST, f"under {fault.value} the message has {len(text)} characters")
            require("\n" not in text and "Traceback" not in text, f"under {fault.value} it is not one line")
            bare = " object at 0x" not in text and "<html" not in text.lower()
            require(bare, f"under {fault.value} the message shows an object or a page: {text[:80]}")


@check("put", "fail_with", any_of=Capability)
def writes_fail_with_adapter_errors(lab: Lab) -> None:
    """A write that meets a fault raises an AdapterError: the operation must learn that its outcome is unknown."""
    model, version = lab.put()
    record = lab.version(model, version)
    for fault in sorted(lab.harness.faults, key=lambda fault: fault.value):
        with lab.harness.fail_with(fault):
            for name, write in _writes(lab, record):
                refused(write, AdapterError, doing=f"{name} while the backend is {fault.value}")


def _writes(lab: Lab, record: VersionRecord) -> Iterator[tuple[str, Callable[[], object]]]:
    adapter = lab.adapter()
    able = {capability.value for capability in adapter.capabilities}
    new = Registration(model=lab.name(), source=lab.harness.source, token=lab.name())
    for field, (first, _) in lab.harness.stages.items():
        if "set_stage" in able and field in adapter.stage_fields:
            yield "set_stage", partial(adapter.set_stage, record.key, field, first)
    calls: dict[str, Callable[[], object]] = {
        "set_alias": lambda: adapter.set_alias(record.model, "champion", record.version),
        "set_tags": lambda: adapter.set_tags(record.key, {"team_owner": "risk"}),
        "register": lambda: adapter.register(new),
        "delete": lambda: adapter.delete(record.key),
    }
    yield from ((name, call) for name, call in calls.items() if name in able)


@check("put", "spoil")
def a_bad_record_hides_no_other(lab: Lab) -> None:
    """One record that cannot be understood leaves the others where they are."""
    (spoiled, version), (good, other) = lab.put(), lab.put()
    lab.harness.spoil(spoiled, version)
    scan = lab.scan()
    require(good in scan.models(), "a model is missing because another one's version is bad")
    require(
        other in scan.versions(scan.models()[good].key), "a version is missing because another one is bad"
    )


@check("put", "spoil")
def a_bad_record_is_reported(lab: Lab) -> None:
    """A record that cannot be understood is in `bad`, named in the backend's own words."""
    model, version = lab.put()
    before = len(lab.scan().bad)
    lab.harness.spoil(model, version)
    for limit in (1, 1000):
        bad = lab.scan(limit=limit).bad
        require(
            len(bad) == before + 1,
            f"page size {limit} reports {len(bad) - before} bad records instead of one",
        )
        require(any(error.native for error in bad), "no bad record is named in `native`")


@check("put", "spoil")
def a_bad_record_is_no_absence(lab: Lab) -> None:
    """`get` of a record that cannot be understood is a BadRecordError, never NotFoundError."""
    model, version = lab.put()
    key = lab.version(model, version).key
    lab.harness.spoil(model, version)
    refused(lambda: lab.main.get(key), BadRecordError, doing="get of a bad record")
