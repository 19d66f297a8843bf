"""Every file of a folder, with all that must come back: one line each, its contents by their sha256."""

import hashlib
import json
import stat
from collections.abc import Iterable
from pathlib import Path

_BLOCK = 1 << 20  # bytes


def listing(root: Path) -> frozenset[str]:
    """A line for each file, link and folder below `root`, and for itself. Enters nothing that is mounted below."""
    lines, todo = [], [root]
    device = root.lstat().st_dev
    while todo:
        path = todo.pop()
        status = path.lstat()
        if status.st_dev != device:
            continue
        kind, content = _content(path, status.st_mode)
        size = status.st_size if kind == "file" else 0
        time = 0 if path == root else int(status.st_mtime)  # mounting may touch the root
        name = str(path.relative_to(root))
        mode = stat.S_IMODE(status.st_mode)
        lines.append(json.dumps([name, kind, mode, status.st_uid, status.st_gid, size, time, content]))
        if kind == "folder":
            todo += path.iterdir()
    return frozenset(lines)


def digest(lines: Iterable[str]) -> str:
    """One sha256 for a whole listing."""
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def names(lines: Iterable[str]) -> list[str]:
    """The files that lines are about."""
    return sorted({str(json.loads(line)[0]) for line in lines})


def size(lines: Iterable[str]) -> int:
    """Bytes in all files."""
    return sum(json.loads(line)[5] for line in lines)


def _content(path: Path, mode: int) -> tuple[str, str]:
    if stat.S_ISDIR(mode):
        return "folder", ""
    if stat.S_ISLNK(mode):
        return "link", str(path.readlink())
    if not stat.S_ISREG(mode):
        return "other", ""
    found = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while block := file.read(_BLOCK):
            found.update(block)
    return "file", found.hexdigest()
