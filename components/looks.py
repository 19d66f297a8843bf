"""What the program looks at on this server before anything is changed: all that is wrong is told at once."""

from dataclasses import dataclass
from types import TracebackType

import pulumi

from components.capacity import on_this_server
from components.https import Certificate, read_certificate
from components.template import version_now
from config.course import Course
from config.faults import Fault, WrongConfiguration


@dataclass(frozen=True)
class Looks:
    """What was found."""

    course: Course  # with what it leaves open decided for this server
    certificate: Certificate | None
    version: str  # of the template


def look(course: Course) -> Looks:
    """Look at the server's memory, the certificate and the materials.

    Raises pulumi.RunError, which ends the program without a traceback, with all faults of the three.
    """
    faults = _Faults()
    with faults:
        fitted = on_this_server(course)
    with faults:
        certificate = read_certificate(course)
    with faults:
        version = version_now(course)
    if faults.found:
        raise pulumi.RunError(str(WrongConfiguration(faults.found)))
    return Looks(fitted, certificate, version)


class _Faults:
    """Keeps the faults that a look ends with, so that the next look follows."""

    def __init__(self) -> None:
        self.found: list[Fault] = []

    def __enter__(self) -> None:
        """Nothing has to be prepared."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> bool:
        if not isinstance(error, WrongConfiguration):
            return False
        self.found += error.faults
        return True
