"""What the course's materials mean for the template: the name of a version, and where it comes from."""

import hashlib
import re
from typing import Any

from config.course import Course
from config.template import Template
from plan.homes import GID, UID

EMPTY = "initial"  # the version where homes begin empty


def version(template: Template, digest: str = "") -> str:
    """The name of the version: what it is called decides whether it is made, so all that makes it another one is in it.

    A folder's is the digest of its content; that of a git revision is the revision, for people, and six digits of a
    hash of address and revision, so that neither `a/b` and `a-b` nor two repositories' `main` are one version.
    """
    if template.folder:
        return digest
    if template.git and template.revision:
        unique = hashlib.sha256(f"{template.git}\n{template.revision}".encode()).hexdigest()[:6]
        return f"{_readable(template.revision)}-{unique}"
    return EMPTY


def _readable(revision: str) -> str:
    """A revision as a part of a dataset's name; of a commit its first twelve digits."""
    if re.fullmatch(r"[0-9a-f]{40}", revision):
        return revision[:12]
    return re.sub(r"[^A-Za-z0-9._-]", "-", revision).lstrip("._-")[:50] or "revision"


def template_spec(course: Course, version: str) -> dict[str, Any]:
    """The specification of the host unit `template`."""
    return {
        "pool": course.storage.pool,
        "dataset": course.storage.dataset,
        "version": version,
        "source": course.homes.template.model_dump(exclude_none=True),
        "uid": UID,
        "gid": GID,
    }


def origin(template: Template) -> str:
    """Where the materials come from, for people."""
    if template.folder:
        return template.folder
    return f"{template.git} at {template.revision}" if template.git else "nothing, as homes begin empty"
