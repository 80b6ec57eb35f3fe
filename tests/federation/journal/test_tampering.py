"""Whatever is done to an export, the verifier finds it; a rewrite with the log's own key thanks to a witness."""

import json
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from federation.journal.verify import NotAnExportError, verify_export
from tests.federation.journal.tampering import ALONE, WITNESSED, honest, join, tamper
from tests.soak import soak


@soak(sample=20 * len(ALONE + WITNESSED), full=10_000)
def test_every_tampering_is_found_and_the_first_bad_entry_named(
    cases: int, seed: int, tmp_path: Path
) -> list[str]:
    path = tmp_path / "export.jsonl"
    return [missed for case in range(cases) if (missed := tamper(seed + case, path))]


def test_the_exports_that_are_tampered_with_are_right_before(tmp_path: Path) -> None:
    for seed in range(20):
        book, data = honest(seed)
        path = tmp_path / "export.jsonl"
        path.write_bytes(data)
        kept = [point.note for point in book.checkpoints]
        assert verify_export(path, keys=book.verifiers[::2], checkpoints=kept).problem is None
        path.write_bytes(b"".join(book.bundle_lines(range(0, len(book.entries), 3))))
        assert verify_export(path, keys=book.verifiers[::2], checkpoints=kept[-1:]).problem is None


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=5,
)


@given(st.data())
def test_no_junk_in_an_export_makes_the_verifier_stumble(data: st.DataObject) -> None:
    lines = [json.loads(line) for line in honest(0)[1].splitlines()]
    at = data.draw(st.integers(0, len(lines) - 1))
    part = data.draw(st.sampled_from([*lines[at], "more"]))
    lines[at][part] = data.draw(junk)
    with tempfile.NamedTemporaryFile() as file:
        file.write(join(lines))
        file.flush()
        try:
            report = verify_export(Path(file.name))
        except NotAnExportError:
            return
    assert report.ok == (join(lines) == honest(0)[1])
    assert all(line.isprintable() for line in str(report).splitlines())
