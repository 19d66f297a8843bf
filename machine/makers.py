"""The official tools from their makers. Not run where this was written, which reaches package registries only.

Providers, node image, chart and images are fetched by pulumi, kind and the node themselves when they are needed.
"""

import hashlib
import io
import tarfile
import urllib.request
from pathlib import Path

from machine.shell import NotReady, say

PULUMI = "3.259.0"
KIND = "0.32.0"
GVISOR = "20250707.0"


def tools(cache: Path) -> None:
    """Put pulumi and kind of the pinned versions into `<cache>/tools`, unless they are there. Raises NotReady."""
    folder = cache / "tools"
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "pulumi").exists():
        archive = _get(f"https://get.pulumi.com/releases/sdk/pulumi-v{PULUMI}-linux-x64.tar.gz")
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            for member in tar.getmembers():
                member.name = Path(member.name).name
                if member.isfile():
                    tar.extract(member, folder, filter="data")
    if not (folder / "kind").exists():
        (folder / "kind").write_bytes(_get(f"https://kind.sigs.k8s.io/dl/v{KIND}/kind-linux-amd64"))
        (folder / "kind").chmod(0o755)


def gvisor(cache: Path) -> None:
    """Put gVisor's programs of the pinned release into `<cache>/tools`, unless they are there. Raises NotReady."""
    base = f"https://storage.googleapis.com/gvisor/releases/release/{GVISOR}/x86_64"
    for name in ("runsc", "containerd-shim-runsc-v1"):
        target = cache / "tools" / name
        if target.exists():
            continue
        body = _get(f"{base}/{name}")
        if not is_published(body, _get(f"{base}/{name}.sha512").decode()):
            raise NotReady(f"{base}/{name} is not what its makers published there: run this again")
        fresh = target.with_name(f".{name}")
        fresh.write_bytes(body)
        fresh.chmod(0o755)
        fresh.replace(target)


def is_published(body: bytes, checksum: str) -> bool:
    """Whether a file is the one of a published SHA-512, as sha512sum writes it."""
    return checksum.split()[:1] == [hashlib.sha512(body).hexdigest()]


def _get(url: str) -> bytes:
    say(f"fetching {url}")
    try:
        with urllib.request.urlopen(url, timeout=300) as answer:
            body: bytes = answer.read()
    except OSError as error:
        raise NotReady(f"{url} cannot be fetched ({error}); COURSEHUB_WAY=registries builds all instead") from None
    return body
