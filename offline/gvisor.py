"""gVisor, built only for stacks whose students' servers run in it: `python3 -m offline gvisor`.

It is built from a copy of its module, with the patches of offline/go/gvisor: as published it does not start in a kind
node on cgroup v1, nor where root cannot lower a process's oom score. They change nothing elsewhere.
"""

import shutil
from pathlib import Path

from offline.parts import GO, go_build, module_folder
from offline.steps import Step, Workshop

MODULE = "gvisor.dev/gvisor"
VERSION = "20250205.0"
PROGRAMS = ("runsc", "containerd-shim-runsc-v1")
# That of go.mod; named again for servers where Go may only use itself unless told.
_GO = "go1.23.12"
_FOLDER = GO / "gvisor"


def _make(shop: Workshop) -> None:
    source = shop.out / "source"
    shutil.copytree(_FOLDER, source)
    own = source / "gvisor"
    _copy(module_folder(shop, source, MODULE), own)
    for patch in sorted(_FOLDER.glob("*.patch")):
        shop.run(["patch", "--strip=1", f"--input={patch}"], cwd=own)
    shop.run(["go", "mod", "edit", f"-replace={MODULE}=./gvisor"], cwd=source, env={"GOTOOLCHAIN": _GO})
    flags = f"-s -w -X {MODULE}/runsc/version.version=release-{VERSION}"
    for program in PROGRAMS:
        go_build(shop, source, f"./{program}", shop.out / program, flags, toolchain=_GO)
    shutil.rmtree(source)


def _copy(module: Path, to: Path) -> None:
    """A copy that can be changed: Go keeps its own from being written."""
    shutil.copytree(module, to)
    for path in [to, *to.rglob("*")]:
        path.chmod(path.stat().st_mode | 0o200)


GVISOR = Step("gvisor", _make, recipe=[Path(__file__), _FOLDER])
