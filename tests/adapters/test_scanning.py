"""What scans have in common: pages of what is found, reading ahead, tokens that lead in a circle."""

import threading
from collections.abc import Generator, Iterator
from concurrent.futures import Future

import pytest
from pydantic import TypeAdapter

from adapters import (
    BadRecordError,
    Found,
    InvalidError,
    Key,
    Listing,
    Mark,
    ModelRecord,
    Page,
    TransientError,
    paged,
    scanning,
)
from adapters.scanning import (
    MOST_EMPTY,
    MOST_SAME,
    Ahead,
    Rounds,
    Steps,
    attempt,
    awaited,
    read_state,
    read_until,
)


def model(number: int) -> ModelRecord:
    return ModelRecord(key=Key("model", f"{number}"), name=f"m{number}")


def finding(*found: Found, watermark: str | None = "end") -> Generator[Found, None, str | None]:
    yield from found
    return watermark


def shown(page: Page) -> str:
    """`12*x`: two records and a mark; `!` stands for a bad record, `=` for a listing."""
    records = "".join(record.key.native_id for record in page.records)
    return records + "!" * len(page.bad) + "=" * len(page.listed) + (f"*{page.mark}" if page.mark else "")


def made(found: Generator[Found, None, str | None], limit: int) -> list[str]:
    pages = [*paged(found, limit)]
    assert [page.watermark for page in pages[:-1]] == [None] * (len(pages) - 1)
    return [shown(page) for page in pages]


def test_pages_hold_as_many_records_as_were_asked_for() -> None:
    assert made(finding(*map(model, range(5))), 2) == ["01", "23", "4"]
    assert made(finding(), 2) == [""]


def test_the_last_page_has_what_the_generator_returned() -> None:
    (page,) = paged(finding(model(1), watermark="w"), 10)
    assert page.watermark == "w"
    (page,) = paged(finding(model(1), watermark=None), 10)
    assert page.watermark is None


@pytest.mark.parametrize(
    ("found", "pages"),
    [
        ("12x34y5", ["12*x", "345"]),
        ("1x2y345", ["12*y", "345"]),
        ("1x23y45", ["123*y", "45"]),
        ("x1234y567", ["123", "4*y", "567"]),
        ("1234x5678", ["123", "4*x", "567", "8"]),
        ("12!=x4", ["12!=*x", "4"]),
        ("1!2!3", ["12!", "3!"]),
        ("1=2=3=4", ["123===", "4"]),
    ],
)
def test_a_page_ends_at_the_last_mark_that_fits_into_it(found: str, pages: list[str]) -> None:
    def things() -> Generator[Found, None, str]:
        for sign in found:
            yield (
                model(int(sign)) if sign.isdigit()
                else BadRecordError("odd") if sign == "!"
                else Listing("model") if sign == "="
                else Mark(sign)
            )  # fmt: skip
        return "end"

    assert made(things(), 3) == pages


def test_what_was_found_before_an_error_is_given_before_it_is_raised() -> None:
    def failing() -> Iterator[Found]:
        yield from (model(1), Mark("x"), model(2))
        raise TransientError("away")

    pages = paged(failing(), 10)  # type: ignore[arg-type]
    assert shown(next(pages)) == "1*x"
    with pytest.raises(TransientError, match="away"):
        next(pages)


def test_a_page_that_takes_long_is_handed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(scanning, "monotonic", lambda: clock[0])

    def slowly() -> Generator[Found, None, str]:
        for number in range(4):
            clock[0] += scanning.PAGE_SECONDS / 2 + 1
            yield model(number)
        for _ in range(3):
            clock[0] += scanning.EMPTY_PAGE_SECONDS / 2 + 1
            yield None
        return "end"

    assert made(slowly(), 10) == ["0", "12", "3", "", ""]


def test_a_scan_that_is_left_closes_what_finds() -> None:
    closed: list[bool] = []

    def found() -> Generator[Found, None, str]:
        try:
            yield from map(model, range(9))
        finally:
            closed.append(True)
        return "end"

    pages = paged(found(), 2)
    next(pages)
    pages.close()  # type: ignore[attr-defined]
    assert closed == [True]


def test_one_thing_is_read_ahead_and_no_more() -> None:
    read = [threading.Event() for _ in range(5)]

    def source() -> Iterator[int]:
        for number in range(5):
            read[number].set()
            yield number

    ahead = Ahead(source())
    assert next(ahead) == 0
    assert read[1].wait(60)
    ahead._pool.submit(lambda: None).result()
    assert not read[2].is_set()
    assert [*ahead] == [1, 2, 3, 4]
    assert [*ahead] == []


def test_an_error_ahead_is_raised_in_its_turn() -> None:
    def source() -> Iterator[int]:
        yield 1
        raise TransientError("away")

    ahead = Ahead(source(), 3)
    assert next(ahead) == 1
    with pytest.raises(TransientError, match="away"):
        next(ahead)
    ahead.close()
    assert [*ahead] == []


def test_tokens_that_lead_back_are_an_error() -> None:
    steps = Steps(lambda: TransientError("stuck"))
    for token in "abc":
        steps.take(token)
    with pytest.raises(TransientError, match="stuck"):
        steps.take("a")
    steps.again("c")
    steps.take("a")
    with pytest.raises(TransientError, match="stuck"):
        steps.take("c")


def test_pages_that_give_nothing_for_ever_are_an_error() -> None:
    steps = Steps(lambda: TransientError("stuck"))
    for number in range(MOST_EMPTY):
        steps.take(f"{number}", is_empty=True)
    steps.take("more")
    for _ in range(MOST_EMPTY):
        steps.take(None, is_empty=True)
    with pytest.raises(TransientError, match="stuck"):
        steps.take(None, is_empty=True)


def test_a_future_that_is_waited_for_says_so_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanning, "LOOK", 0.001)
    future: Future[int] = Future()
    waiting = awaited(future)
    assert next(waiting) is None
    future.set_result(7)
    with pytest.raises(StopIteration) as ended:
        while True:
            next(waiting)
    assert ended.value.value == 7
    cancelled: Future[int] = Future()
    cancelled.cancel()
    with pytest.raises(TransientError, match="closed"):
        next(awaited(cancelled))


def test_a_record_that_cannot_be_understood_is_found_as_its_error() -> None:
    def odd(number: int) -> ModelRecord:
        raise BadRecordError(f"{number} is odd")

    assert str(attempt(odd, 3)) == "3 is odd"
    assert attempt(model, 4) == model(4)


def test_a_scan_that_gives_one_page_again_and_again_goes_round() -> None:
    rounds, page = Rounds(), Page((model(1), model(2)))
    assert [rounds.closes(page) for _ in range(MOST_SAME + 1)] == [False] * MOST_SAME + [True]
    assert not any(rounds.closes(Page(())) for _ in range(100)), "it is being waited for"
    marked = Page((), mark=Mark("x"))
    assert [rounds.closes(marked) for _ in range(2)] == [False, True]


def test_what_is_no_record_is_handed_on_to_be_told() -> None:
    (page,) = paged(finding("nonsense"), 10)  # type: ignore[arg-type]
    assert [*map(str, page.records)] == ["nonsense"]


@pytest.mark.parametrize("state", ["", "all", "[]", "7", "{}", '{"at": "soon"}', '{"at": 1', "[[1], 2]"])
def test_what_another_adapter_left_is_refused(state: str) -> None:
    with pytest.raises(InvalidError, match="not of this adapter: begin the scan again"):
        read_until(state)
    with pytest.raises(InvalidError, match="not of this adapter"):
        read_state(state, TypeAdapter(tuple[str, int]))


def test_what_a_scan_left_is_read_back_as_it_was() -> None:
    assert read_until('{"at": 1764500000123}') == 1764500000123
    assert read_until('{"at": null}') is read_until(None) is None
    assert read_state('["a/b", 3]', TypeAdapter(tuple[str, int])) == ("a/b", 3)
