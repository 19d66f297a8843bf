"""The unit of the node: when a stopped one may start."""

from pathlib import Path

from host.node import Want, unmounted


def test_a_node_starts_only_where_dataset_and_homes_are_mounted(tmp_path: Path) -> None:
    bare, mount = str(tmp_path), "/proc"
    assert unmounted(Want("course", mount, "jhub", "hub", homes=mount)) == []
    assert unmounted(Want("course", mount, "jhub", "hub", homes=bare)) == [bare]
    assert unmounted(Want("course", bare, "jhub", "hub", homes=mount)) == [bare]
    assert unmounted(Want("course", mount, "jhub", "hub")) == [], "without a roster"
