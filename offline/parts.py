"""The parts of a course and how each is built. To change a version, change its pin here or its go.mod."""

from collections.abc import Mapping
from pathlib import Path

from offline.steps import Step, Workshop

HERE = Path(__file__).parent
GO = HERE / "go"


def go_step(name: str, *packages: str, recipe: Path | None = None) -> Step:
    """A Go module of ours, offline/go/<name>, that pins what it builds in go.mod and go.sum."""
    folder = recipe or GO / name

    def make(shop: Workshop) -> None:
        shop.run(["go", "build", "-trimpath", "-ldflags=-s -w", "-o", f"{shop.out}/", *packages], cwd=folder)

    return Step(name, make, recipe=[folder])


STEPS: list[Step] = []


def link_tools(results: Mapping[str, Path], cache: Path) -> Path:
    """Put every program of the build into one folder for PATH; the folder."""
    tools = cache / "tools"
    tools.mkdir(exist_ok=True)
    return tools
