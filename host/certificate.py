"""The unit that makes a self-signed certificate once, for development. Run again it gives back what it gave before."""

import ipaddress
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from host.before import printed_before
from host.run import BadSpecification, run

_DAYS = 3650  # nobody would renew it; for students there are certificates that somebody vouches for


@dataclass(frozen=True)
class Certificate:
    """The names and addresses by which the hub is reached."""

    names: tuple[str, ...]


def parse(given: dict[str, Any]) -> Certificate:
    """Read the specification: {"names": ["localhost", "127.0.0.1"]}."""
    names = given.get("names")
    if not isinstance(names, list) or not names:
        raise BadSpecification("a certificate needs at least one name")
    return Certificate(tuple(str(name) for name in names))


def observe(want: Certificate) -> dict[str, str]:
    """Nothing can be read: it is kept in the stack's state alone."""
    return {}


def apply(want: Certificate) -> dict[str, Any]:
    """Certificate and key as PEM, with their names; made anew only for other names. Raises CommandFailed."""
    before = printed_before()
    if before.get("names") == list(want.names):
        return before
    # openssl writes its files for their owner alone; the folder is so too.
    with tempfile.TemporaryDirectory() as folder:
        key, certificate = Path(folder) / "key.pem", Path(folder) / "certificate.pem"
        run(request(want, key, certificate))
        return {"names": list(want.names), "certificate": certificate.read_text(), "key": key.read_text()}


def request(want: Certificate, key: Path, certificate: Path) -> list[str]:
    """The command that makes both files."""
    alternatives = ",".join(f"{'IP' if _is_address(name) else 'DNS'}:{name}" for name in want.names)
    return [
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
        *("-days", str(_DAYS), "-subj", "/CN=coursehub", "-addext", f"subjectAltName={alternatives}"),
        *("-keyout", str(key), "-out", str(certificate)),
    ]


def remove(want: Certificate) -> dict[str, str]:
    """It goes with the stack's state."""
    return {}


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
