"""The rules that join two or more keys. A rule is looked at only when all its keys were given soundly."""

from collections.abc import Callable
from dataclasses import dataclass

from config.course import Course


@dataclass(frozen=True)
class Rule:
    """`broken` says what is wrong and the remedy, or None; the fault is shown at the first of `keys`."""

    keys: tuple[str, ...]
    broken: Callable[[Course], str | None]


def _dummy_only_in_development(course: Course) -> str | None:
    if course.hub.authentication.method == "dummy" and course.course.environment != "development":
        return (
            "the dummy authenticator lets everybody in as anybody: use `native`,"
            " or declare course.environment: development"
        )
    return None


def _password_only_for_dummy(course: Course) -> str | None:
    if course.hub.authentication.password is not None and course.hub.authentication.method != "dummy":
        return "only the dummy authenticator has one password for all: remove it"
    return None


def _native_needs_an_admin(course: Course) -> str | None:
    if course.hub.authentication.method == "native" and not course.hub.authentication.admin_users:
        return "with the native authenticator somebody must be able to let students in: name at least one admin"
    return None


def _destruction_is_confirmed(course: Course) -> str | None:
    storage = course.storage
    if storage.on_destroy == "destroy" and storage.confirm_destroy != storage.path:
        return f"`onDestroy: destroy` deletes all students' work: to confirm, set this to {storage.path}"
    return None


def _pool_file_large_enough(course: Course) -> str | None:
    file = course.storage.pool_file
    if file is not None and file.size < 64 << 20:
        return "ZFS takes no disk below 64Mi: raise it"
    return None


def _quota_fits_pool_file(course: Course) -> str | None:
    file, quota = course.storage.pool_file, course.storage.quota
    if file is not None and quota is not None and quota > file.size:
        return f"the course may have {quota}, its pool has only {file.size}: lower it, or raise storage.poolFile.size"
    return None


def _memory_limit_covers_guarantee(course: Course) -> str | None:
    memory = course.hub.student.memory
    if memory.limit < memory.guarantee:
        return f"the limit is below the guarantee of {memory.guarantee}: raise it, or lower the guarantee"
    return None


def _cpu_limit_covers_guarantee(course: Course) -> str | None:
    cpu = course.hub.student.cpu
    if cpu.limit < cpu.guarantee:
        return f"the limit is below the guarantee of {cpu.guarantee}: raise it, or lower the guarantee"
    return None


def _ports_differ(course: Course) -> str | None:
    if course.cluster.api_port == course.cluster.host_port:
        return f"cluster.hostPort is {course.cluster.host_port} as well: choose another port"
    return None


RULES = (
    Rule(("hub.authentication.method", "course.environment"), _dummy_only_in_development),
    Rule(("hub.authentication.password", "hub.authentication.method"), _password_only_for_dummy),
    Rule(("hub.authentication.adminUsers", "hub.authentication.method"), _native_needs_an_admin),
    Rule(("storage.confirmDestroy", "storage.onDestroy", "storage.pool", "storage.dataset"), _destruction_is_confirmed),
    Rule(("storage.poolFile.size",), _pool_file_large_enough),
    Rule(("storage.quota", "storage.poolFile.size"), _quota_fits_pool_file),
    Rule(("hub.student.memory.limit", "hub.student.memory.guarantee"), _memory_limit_covers_guarantee),
    Rule(("hub.student.cpu.limit", "hub.student.cpu.guarantee"), _cpu_limit_covers_guarantee),
    Rule(("cluster.apiPort", "cluster.hostPort"), _ports_differ),
)
