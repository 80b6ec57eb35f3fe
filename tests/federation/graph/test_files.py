"""The files of the graph: whatever happens to them, a reader sees a whole graph or says that there is none."""

from pathlib import Path

import numpy as np
import pytest

from federation.graph import overlay, rows
from federation.graph.rows import DamagedError
from federation.graph.snapshot import SnapshotReader
from tests.federation.graph.worlds import Edge, GraphWorld, arrays, columns

LINE = GraphWorld(kinds=[1, 1, 1], registries=[1, 1, 1], edges={(1, 0, 1)})
LATER: Edge = (2, 1, 1)


def write(folder: Path, position: int = 1) -> rows.Rows:
    return rows.write(folder, position, columns(LINE, range(3)), arrays(LINE.edges))


def edges(reader: SnapshotReader) -> set[Edge]:
    source, target, kind = reader.snapshot().edges()
    return set(zip(source.tolist(), target.tolist(), kind.tolist(), strict=True))


def test_a_reader_sees_an_overlay_as_soon_as_it_is_written(tmp_path: Path) -> None:
    written, reader = write(tmp_path), SnapshotReader(tmp_path)
    assert (edges(reader), reader.snapshot().position) == ({(1, 0, 1)}, 1)
    overlay.save(tmp_path, overlay.Overlay(written.name, 2, added={LATER}, removed={(1, 0, 1)}))
    assert (edges(reader), reader.snapshot().position) == ({LATER}, 2)


def test_an_overlay_of_other_rows_is_void(tmp_path: Path) -> None:
    old = write(tmp_path)
    overlay.save(tmp_path, overlay.Overlay(old.name, 2, added={LATER}))
    write(tmp_path, position=3)
    reader = SnapshotReader(tmp_path)
    assert (edges(reader), reader.snapshot().position) == ({(1, 0, 1)}, 3)


def test_a_snapshot_in_use_survives_new_rows(tmp_path: Path) -> None:
    write(tmp_path)
    held = SnapshotReader(tmp_path).snapshot()
    write(tmp_path, position=2)
    assert held.edges()[0].tolist() == [1]
    assert held.position == 1


def test_the_worker_goes_on_with_its_overlay_after_a_restart(tmp_path: Path) -> None:
    kept = overlay.Overlay(write(tmp_path).name, 7, {LATER}, {(1, 0, 1)}, {2: (1, 2, 0, 1, 99)})
    overlay.save(tmp_path, kept)
    assert overlay.restore(overlay.load(tmp_path)) == kept


def test_node_changes_reach_a_reader_and_leave_the_rows_alone(tmp_path: Path) -> None:
    written = write(tmp_path)
    overlay.save(tmp_path, overlay.Overlay(written.name, 2, nodes={2: (1, 3, 1, 9, 5)}))
    snapshot = SnapshotReader(tmp_path).snapshot()
    assert (snapshot.nodes["stage"][2], snapshot.nodes["live"][2], snapshot.registries) == (3, 1, 9)
    assert rows.open_rows(tmp_path, verify=True).nodes["stage"][2] == 2


def test_nothing_written_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(DamagedError, check=lambda error: "no graph rows yet" in error.detail):
        SnapshotReader(tmp_path).snapshot()


@pytest.mark.parametrize("damage", ["flip", "cut", "drop", "meta", "format"])
def test_damage_is_found_when_a_process_opens_the_rows(tmp_path: Path, damage: str) -> None:
    place = tmp_path / write(tmp_path).name
    file = place / "down_ptr.npy"
    content = file.read_bytes()
    if damage == "flip":
        file.write_bytes(content[:1000] + bytes([content[1000] ^ 1]) + content[1001:])
    elif damage == "cut":
        file.write_bytes(content[:-8])
    elif damage == "drop":
        file.unlink()
    elif damage == "meta":
        (place / "meta.json").write_text("[]")
    else:
        (place / "meta.json").write_text('{"format": 1}')
    with pytest.raises(DamagedError):
        SnapshotReader(tmp_path).snapshot()


def test_a_damaged_overlay_is_found(tmp_path: Path) -> None:
    overlay.save(tmp_path, overlay.Overlay(write(tmp_path).name, 2, added={LATER}))
    content = (tmp_path / overlay.FILE).read_bytes()
    (tmp_path / overlay.FILE).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(DamagedError, check=lambda error: "checksum" in error.detail):
        SnapshotReader(tmp_path).snapshot()


def test_edges_survive_packing() -> None:
    top = (1 << 28) - 1
    row, column, kind = (np.array(part) for part in ([0, top, 5], [top, 0, 6], [255, 0, 7]))
    assert [part.tolist() for part in rows.unpack(rows.pack(row, column, kind))] == [
        [0, top, 5],
        [top, 0, 6],
        [255, 0, 7],
    ]


def test_rows_whose_checksum_begins_like_json_are_read(tmp_path: Path) -> None:
    for position in range(1, 2_000):
        written = write(tmp_path, position)
        content = (tmp_path / written.name / "meta.json").read_bytes()
        if content[:1] == b"{":
            assert rows.open_rows(tmp_path, verify=True).position == position
            return
    raise AssertionError("no checksum begins with a brace")
