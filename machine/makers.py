"""The official tools from their makers. Not run where this was written, which reaches package registries only.

Providers, node image, chart and images are fetched by pulumi, kind and the node themselves when they are needed.
"""

import hashlib
import io
import tarfile
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from machine.shell import NotReady, say

PULUMI = "3.259.0"
KIND = "0.32.0"
GVISOR = "20250707.0"

_HASHES = {64: "sha256", 128: "sha512"}  # by the hexadecimal digits of a hash


def tools(cache: Path) -> None:
    """Have pulumi and kind of the pinned versions in `<cache>/tools`. Raises NotReady."""
    folder = cache / "tools"
    if not is_there(folder, "pulumi", PULUMI):
        sums = f"https://github.com/pulumi/pulumi/releases/download/v{PULUMI}/SHA512SUMS"
        archive = _get(f"https://get.pulumi.com/releases/sdk/pulumi-v{PULUMI}-linux-x64.tar.gz", sums)
        put(folder, "pulumi", PULUMI, programs(archive))
    if not is_there(folder, "kind", KIND):
        url = f"https://kind.sigs.k8s.io/dl/v{KIND}/kind-linux-amd64"
        put(folder, "kind", KIND, {"kind": _get(url, f"{url}.sha256sum")})


def gvisor(cache: Path) -> None:
    """Have gVisor's programs of the pinned release in `<cache>/tools`. Raises NotReady."""
    folder = cache / "tools"
    if not is_there(folder, "gvisor", GVISOR):
        base = f"https://storage.googleapis.com/gvisor/releases/release/{GVISOR}/x86_64"
        names = ("runsc", "containerd-shim-runsc-v1")
        put(folder, "gvisor", GVISOR, {name: _get(f"{base}/{name}", f"{base}/{name}.sha512") for name in names})


def is_there(folder: Path, tool: str, version: str) -> bool:
    """Whether a tool was put there whole, in this version, and nobody took it away."""
    stamp = _stamp(folder, tool)
    have, *names = stamp.read_text().splitlines() if stamp.is_file() else [""]
    return have == version and all((folder / name).is_file() for name in names)


def put(folder: Path, tool: str, version: str, files: Mapping[str, bytes]) -> None:
    """Put a tool's programs there, each in one piece, in place of those of another version; the stamp comes last."""
    folder.mkdir(parents=True, exist_ok=True)
    _stamp(folder, tool).unlink(missing_ok=True)
    for name, body in files.items():
        fresh = folder / f".{name}"
        fresh.write_bytes(body)
        fresh.chmod(0o755)
        fresh.replace(folder / name)  # also where the old one runs
    _stamp(folder, tool).write_text("\n".join([version, *files]))


def programs(archive: bytes) -> dict[str, bytes]:
    """The files of a tar archive, by their names without folders."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        opened = {Path(member.name).name: tar.extractfile(member) for member in tar if member.isfile()}
        return {name: file.read() for name, file in opened.items() if file}


def is_published(name: str, body: bytes, checksums: str) -> bool:
    """Whether a file is the one of a published hash. `checksums` are lines as sha256sum or sha512sum writes them."""
    lines = [line.split() for line in checksums.splitlines()]
    published = [line[0] for line in lines if len(line) == 2 and line[1].lstrip("*").rpartition("/")[2] == name]
    hashes = [(digest, _HASHES.get(len(digest))) for digest in published]
    return any(kind is not None and hashlib.new(kind, body).hexdigest() == digest for digest, kind in hashes)


def _stamp(folder: Path, tool: str) -> Path:
    return folder / f".{tool}.version"


def _get(url: str, checksums: str) -> bytes:
    """A file, which has the hash that its makers publish at `checksums`."""
    body = _fetched(url)
    if not is_published(url.rpartition("/")[2], body, _fetched(checksums).decode()):
        raise NotReady(f"{url} is not what its makers published at {checksums}: run this again")
    return body


def _fetched(url: str) -> bytes:
    say(f"fetching {url}")
    try:
        with urllib.request.urlopen(url, timeout=300) as answer:
            body: bytes = answer.read()
    except OSError as error:
        raise NotReady(f"{url} cannot be fetched ({error}); COURSEHUB_WAY=registries builds all instead") from None
    return body
