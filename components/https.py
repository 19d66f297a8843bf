"""The certificate of a course: read from the server's files and looked at as a browser would, or made by the stack."""

import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pulumi

from components.host_command import host_command
from config.course import Course
from config.faults import Fault, WrongConfiguration
from plan.server import certificate_spec


@dataclass(frozen=True)
class Certificate:
    """A certificate with its chain, and its private key, both as PEM."""

    certificate: str
    key: str


def read_certificate(course: Course) -> Certificate | None:
    """The certificate that the course names; None where it names none. The key is shown nowhere.

    Raises WrongConfiguration where a file cannot be read, the two do not belong together, or a browser would refuse the
    certificate for the hub's address: it is for another name, has ended or has not begun.
    """
    https = course.hub.https
    if https is None or https.certificate is None or https.key is None:
        return None
    found = Certificate(**_texts({"certificate": https.certificate, "key": https.key}))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # Without a way to ask: a key with a password is refused.
        server.load_cert_chain(https.certificate, https.key, password=lambda: "")
    except ssl.SSLError:
        raise _fault(
            "key", f"{https.key} is no PEM key without a password that belongs to {https.certificate}"
        ) from None
    if reason := _refusal(server, found.certificate, urlsplit(course.hub.url or "").hostname):
        raise _fault("certificate", f"browsers would refuse {https.certificate}: {reason}")
    return found


def make_certificate(name: str, course: Course, parent: pulumi.Resource) -> dict[str, pulumi.Output[str]]:
    """Certificate and key, self-signed: made once and kept encrypted in the state."""
    made = host_command(
        name, "certificate", spec=certificate_spec(course), identity=[], parent=parent, secret=True
    ).stdout.apply(json.loads)
    return {"certificate": made["certificate"], "key": made["key"]}


def _texts(paths: Mapping[str, str]) -> dict[str, str]:
    found, faults = {}, []
    for key, path in paths.items():
        try:
            found[key] = Path(path).read_text()
        except (OSError, ValueError) as error:
            said = error.strerror if isinstance(error, OSError) else "it is no text"
            faults.append(Fault(f"hub.https.{key}", f"{path} cannot be read: {said}"))
    if faults:
        raise WrongConfiguration(faults)
    return found


def _refusal(server: ssl.SSLContext, certificate: str, host: str | None) -> str:
    """Why a browser would refuse the certificate, were its maker known to it; empty if it would not."""
    browser = ssl.create_default_context(cadata=certificate)
    browser.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # who made it need not be in the file
    browser.check_hostname = host is not None
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        browser.wrap_bio(down, up, server_hostname=host),
        server.wrap_bio(up, down, server_side=True),
    ]
    try:
        for end in ends * 3:  # hello, certificate, done
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    return ""


def _fault(key: str, reason: str) -> WrongConfiguration:
    return WrongConfiguration([Fault(f"hub.https.{key}", reason)])
