"""Listings that are read while others work: rows are deleted, pushed down, moved to the end, and come torn."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from functools import partial

from adapters.conformance.check import check
from adapters.conformance.lab import Lab, ScanResult, require
from adapters.records import Key, Record

MODELS = 6
MOST_PLACES = 8
"""Places in a scan, at most, at which things are changed in turn."""
_OTHER_CHECKS = frozenset({"etag", "native", "unread", "updated_at"})
"""Fields that may differ between two readings; whether they should is for other checks."""
Change = Callable[[], object]


@check("put", "drop")
def a_delete_during_a_scan_hides_nothing_else(lab: Lab) -> None:
    """When records are deleted anywhere in a scan, no other is skipped: pages that count offsets do that."""
    for lived, scan in _everywhere(lab, lab.harness.drop, incremental=False):
        missing = lived - scan.by_key().keys()
        require(not missing, f"{len(missing)} records that lived all along are not in the scan")


@check("put", "drop", since=2)
def a_delete_during_an_incremental_scan_hides_nothing_new(lab: Lab) -> None:
    """The same, while an incremental scan reads what is new: it would be missed until the next full one."""
    for lived, scan in _everywhere(lab, lab.harness.drop, incremental=True):
        missing = lived - scan.by_key().keys()
        require(not missing, f"{len(missing)} records that are new and lived all along are not in the scan")


@check("put", since=2)
def a_change_during_a_scan_hides_nothing_else(lab: Lab) -> None:
    """Where versions are made anywhere in a scan, every other record is in it or in the next: what changes may change
    its place, and all behind it move up.
    """
    for lived, scan in _everywhere(lab, lab.harness.put, incremental=False):
        following = lab.scan(since=scan.watermark)
        missing = lived - scan.by_key().keys() - following.by_key().keys()
        require(not missing, f"{len(missing)} records are in neither this scan nor the next")


def _everywhere(
    lab: Lab, change: Callable[[str], object], *, incremental: bool
) -> Iterator[tuple[set[Key], ScanResult]]:
    """Scans of new models, of which the oldest and the newest are changed after one page of each in turn: the keys of
    the other models and their versions, and the scan.
    """
    adapter, mark, after = lab.paged(), None, 0
    names: deque[str] = deque()
    while after == 0 or after < lab.disturbed_after:
        if incremental:
            mark, names = lab.scan(adapter=adapter).watermark, deque()
        new = [lab.put()[0] for _ in range(MODELS - len(names))]
        _each(lab.harness.put, new)  # the second version of each: one alone may be found by its model
        names += new
        ends = names.popleft(), names.pop()
        lived = _of(lab.scan(), set(names))
        changes: list[Change] = [*[_nothing] * after, partial(_each, change, ends)]
        yield lived, lab.disturbed(changes, adapter, since=mark)
        _each(lab.harness.drop, (*ends, *(names if incremental else ())))
        after += -(-lab.disturbed_after // MOST_PLACES)


def _nothing() -> None:
    """No change at this place."""


def _each(change: Callable[[str], object], names: Iterable[str]) -> None:
    for name in names:
        change(name)


def _of(scan: ScanResult, names: set[str]) -> set[Key]:
    """The keys of these models and of their versions."""
    models = {scan.models()[name].key for name in names}
    return models | {record.key for record in scan.records if getattr(record, "model", None) in models}


@check("put", "tag", since=2)
def what_comes_again_is_as_it_was(lab: Lab) -> None:
    """Models made while a scan runs push others onto pages that follow: the scan ends, and every copy of a record is
    the record.
    """
    for name in [lab.put()[0] for _ in range(MODELS)]:
        lab.harness.tag(name, None, "team_owner", "risk")
    whole = lab.scan(limit=1).by_key()
    makings: list[Change] = [partial(lab.put) for _ in range(MODELS)]
    for copy in lab.disturbed(makings, lab.paged()).records:
        if copy.key in whole:
            differing = _differing(copy, whole[copy.key])
            require(not differing, f"a copy of {copy.key.native_id} differs in {', '.join(differing)}")


def _differing(one: Record, other: Record | None) -> list[str]:
    """Fields in which two readings of a record differ."""
    names = [field.name for field in fields(one) if field.name not in _OTHER_CHECKS]
    return [name for name in names if other is None or getattr(one, name) != getattr(other, name)]


@check("put", "tag", "drop", since=2)
def a_disturbed_scan_leaves_nothing_wrong(lab: Lab) -> None:
    """After a scan during which records were made, changed and deleted, the same instance lists what is there: nothing
    that it read at different moments stays with it.
    """
    made, adapter = [lab.put() for _ in range(MODELS)], lab.paged()
    scan = lab.disturbed(_everything(lab, made), adapter)
    lab.scan(since=scan.watermark, adapter=adapter)
    again, fresh = lab.scan(adapter=adapter).by_key(), lab.scan(adapter=lab.adapter()).by_key()
    wrong = [key for key in {*again, *fresh} if key not in fresh or _differing(fresh[key], again.get(key))]
    require(not wrong, f"afterwards {len(wrong)} records are not what a new instance gives")


def _everything(lab: Lab, made: list[tuple[str, str]]) -> Iterable[Change]:
    """All that the harness can do to models and their versions, one thing at a time."""
    harness, (first, second, third, *others) = lab.harness, made
    yield partial(harness.tag, first[0], None, "team_owner", "fraud")
    yield partial(lab.dress, *second)
    yield partial(harness.put, third[0])
    yield partial(harness.drop, first[0])
    yield lab.put
    for model, version in others:
        yield partial(harness.tag, model, version, "team_owner", "fraud")


@check("put", "tag", "torn", since=2)
def a_torn_row_is_given(lab: Lab) -> None:
    """A record of which a listing lacks what a second statement fills is given, and what it lacks it lacks as a whole:
    nothing is made up, and it hides no other.
    """
    whole = _dressed(lab)
    with lab.harness.torn():
        scan = lab.scan(adapter=lab.paged())
    found = scan.by_key()
    missing = whole.keys() - found.keys()
    require(not missing, f"{len(missing)} records are not given because they are torn")
    took = any(_differing(found[key], record) for key, record in whole.items())
    require(took, "the harness's `torn` takes nothing from what a listing says")
    for key, record in whole.items():
        made_up = [name for name in _differing(found[key], record) if getattr(found[key], name)]
        require(not made_up, f"a torn {key.kind} says something else of {', '.join(made_up)}")


@check("put", "tag", "torn", since=2)
def get_is_whole_where_a_listing_is_torn(lab: Lab) -> None:
    """`get` reads a record whole, whatever a listing lacks: it is what a listing is judged by."""
    whole = {key: lab.main.get(key) for key in _dressed(lab)}
    with lab.harness.torn():
        torn = {key: _differing(lab.main.get(key), record) for key, record in whole.items()}
    wrong = {name for names in torn.values() for name in names}
    require(not wrong, f"while a listing is torn, `get` says something else of {', '.join(sorted(wrong))}")


@check("put", "tag", "torn", since=2)
def a_torn_row_is_not_remembered(lab: Lab) -> None:
    """What was read torn is whole in the next full scan of the same instance."""
    whole, adapter = _dressed(lab), lab.paged()
    with lab.harness.torn():
        lab.scan(adapter=adapter)
    again = lab.scan(adapter=adapter).by_key()
    wrong = [key for key, record in whole.items() if _differing(record, again.get(key))]
    require(not wrong, f"{len(wrong)} records are still torn when their listing no longer is")


def _dressed(lab: Lab) -> dict[Key, Record]:
    """Two models that say all they can, and their versions, as a scan gives them."""
    names = []
    for _ in range(2):
        model, version = lab.put()
        lab.harness.tag(model, None, "team_owner", "risk")
        lab.dress(model, version)
        names.append(model)
    scan = lab.scan()
    ours = _of(scan, set(names))
    return {key: record for key, record in scan.by_key().items() if key in ours}
