"""The graph's tests see no server but the one that they make up."""

from collections.abc import Callable
from pathlib import Path

import pytest

FAKE = """\
#!/bin/sh
case "$*" in
  "version") exit 0 ;;
  "get -Hp -d 2 -o name,property,value mounted,"*) cat {folder}/template ;;
  "get -Hp -d 2 -o name,property,value,source type,"*) cat {folder}/homes ;;
  "list -H -t snapshot -o name -r "*"/homes") ;;
  *) echo "the fake was not told of: zfs $*" >&2; exit 99 ;;
esac
"""

Zfs = Callable[[str, str], None]


@pytest.fixture(autouse=True)
def zfs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Zfs:
    """A `zfs` that prints what it is told, for the template and for the homes; without being told, of no dataset."""
    folder = tmp_path / "fake"
    folder.mkdir()
    (folder / "zfs").write_text(FAKE.format(folder=folder))
    (folder / "zfs").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")

    def prints(template: str, homes: str) -> None:
        (folder / "template").write_text(template)
        (folder / "homes").write_text(homes)

    prints("", "")
    return prints
