"""What cannot be used is told by its beginning."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from adapters.payloads import EXCERPT, excerpt

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=200),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=50), inner),
)


@given(ANYTHING)
def test_an_excerpt_is_the_beginning_of_the_json(raw: Any) -> None:
    assert excerpt(raw) == json.dumps(raw)[:EXCERPT]


def test_something_large_is_not_written_whole_for_its_excerpt() -> None:
    written = []

    class CountedEntry:
        def __str__(self) -> str:
            written.append(self)
            return "x"

    assert excerpt([CountedEntry() for _ in range(1_000)]).startswith('["x", "x"')
    assert len(written) <= EXCERPT
