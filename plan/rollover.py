"""The next semester's stack from this one's file: what is new in it, what stays, and what cannot be copied."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Self

from config.course import Cluster, Course, Storage
from config.faults import Fault, WrongConfiguration
from plan.homes import admin_users

Tree = dict[str, Any]

_SHOWN = 5  # names of a list; of a longer one how many there are


@dataclass(frozen=True)
class Wish:
    """What is asked for of the next stack."""

    stack: str  # its name
    roster: str | None = None  # the path of a file beside the stacks' files; staff alone unless given
    template: str | None = None  # a revision where the materials come from git, else a folder; as before unless given


@dataclass(frozen=True)
class Taken:
    """What the stacks of a folder have already, so that no other may."""

    datasets: frozenset[str]  # with the pool
    clusters: frozenset[str]
    ports: frozenset[int]  # of the server
    node_ports: frozenset[int]

    @classmethod
    def by(cls, stacks: Mapping[str, Mapping[str, Any]]) -> Self:
        """What stacks have, by the sections of their files, which need not be sound."""
        storage, cluster = Storage(), Cluster()
        files = list(stacks.values())
        return cls(
            datasets=frozenset(
                f"{_at(file, 'storage.pool', storage.pool)}/{_at(file, 'storage.dataset', storage.dataset)}"
                for file in files
            ),
            clusters=frozenset(
                _at(file, "cluster.name", f"coursehub-{_at(file, 'course.name', stack)}")
                for stack, file in stacks.items()
            ),
            ports=frozenset(
                port
                for file in files
                for port in (
                    _at(file, "cluster.hostPort", cluster.host_port),
                    _at(file, "cluster.apiPort", cluster.api_port),
                )
            ),
            node_ports=frozenset(_at(file, "cluster.nodePort", cluster.node_port) for file in files),
        )


def following(old: Mapping[str, Any], course: Course, taken: Taken, wish: Wish) -> Tree:
    """The sections of the next stack's file, from those of the file that describes `course`; secrets are still in it.

    Raises WrongConfiguration where another stack has what it would be called, or nobody would be in it.
    """
    new: Tree = copy.deepcopy(dict(old))
    changes = {
        **_names(old, course, taken, wish.stack),
        **_ports(course.cluster, taken),
        **_people(course, wish.roster),
        **_materials(course, wish.template),
        # How a course ends is decided anew for each.
        "homes.closed": None,
        "storage.confirmDestroy": None,
        **({"storage.onDestroy": None} if course.storage.on_destroy == "destroy" else {}),
    }
    for path, value in changes.items():
        _put(new, path, value)
    return new


def _names(old: Mapping[str, Any], course: Course, taken: Taken, stack: str) -> Tree:
    dataset = "/".join([*course.storage.dataset.split("/")[:-1], stack])
    path, cluster = f"{course.storage.pool}/{dataset}", f"coursehub-{stack}"
    faults = [
        Fault(key, f"another stack of this folder has {name} already: choose another name than {stack}")
        for key, name, others in (
            ("storage.dataset", path, taken.datasets),
            ("cluster.name", cluster, taken.clusters),
        )
        if name in others
    ]
    if faults:
        raise WrongConfiguration(faults)
    # Without names of their own, course and cluster are called after the stack.
    name = None if _at(old, "course.name") is None else stack
    return {"course.name": name, "cluster.name": None, "storage.dataset": dataset}


def _ports(cluster: Cluster, taken: Taken) -> Tree:
    host = _free(cluster.host_port, taken.ports, range(1024, 65536))
    return {
        "cluster.hostPort": host,
        "cluster.apiPort": _free(cluster.api_port, taken.ports | {host}, range(1024, 65536)),
        "cluster.nodePort": _free(cluster.node_port, taken.node_ports, range(30000, 32768)),
    }


def _free(before: int, taken: frozenset[int], allowed: range) -> int:
    """The first free port after the one before; those at the end of the range are followed by its first."""
    return next(port for port in chain(range(before + 1, allowed.stop), allowed) if port not in taken)


def _people(course: Course, roster: str | None) -> Tree:
    """Staff stays, students go."""
    admins = admin_users(course)
    if roster is not None:
        return {"homes.roster": roster, "hub.authentication.adminUsers": admins or None}
    if course.homes.mode != "roster":
        return {}
    staff = [
        {"name": entry.name, "role": "staff", **({"budget": str(entry.budget)} if entry.budget else {})}
        for entry in course.participants
        if entry.role == "staff" or entry.name in admins
    ]
    if not staff:
        raise WrongConfiguration(
            [Fault("homes.roster", "nobody is staff, so nobody would be in it: give the next roster with --roster")]
        )
    return {"homes.roster": staff}


def _materials(course: Course, template: str | None) -> Tree:
    if template is None:
        return {}
    return {"homes.template.revision" if course.homes.template.git else "homes.template.folder": template}


def secrets(tree: Any, path: str = "") -> Iterator[str]:
    """Where secrets are, by path as pulumi writes it; another stack than their own cannot read them."""
    if _is_secret(tree):
        yield path
    elif isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from secrets(value, f"{path}.{key}" if path else key)
    elif isinstance(tree, list):
        for place, value in enumerate(tree):
            yield from secrets(value, f"{path}[{place}]")


def without_secrets(tree: Any) -> Any:
    """The same without its secrets."""
    if isinstance(tree, Mapping):
        return {key: without_secrets(value) for key, value in tree.items() if not _is_secret(value)}
    if isinstance(tree, list):
        return [without_secrets(value) for value in tree if not _is_secret(value)]
    return tree


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What differs between the sections of two stacks' files, a line for each key."""
    before, after = dict(_leaves(old)), dict(_leaves(new))
    return [
        f"{path}: {_shown(before.get(path))} -> {_shown(after.get(path))}"
        for path in dict.fromkeys([*before, *after])
        if before.get(path) != after.get(path)
    ]


def what_next(old: tuple[str, Course], new: tuple[str, Course], left_out: Sequence[str]) -> Iterator[str]:
    """What there is to do, in lines, after `new` was made from `old`, each a stack with its course."""
    stack, course = new
    if left_out:
        yield "secrets can be read by their own stack alone and were left out; set them again:"
        yield f"  make stack STACK={stack}"
        for path in left_out:
            yield f"  . ./env.sh && pulumi config set --secret --path '{path}' --stack {stack}"
    if course.hub.url:
        yield (
            f"hub.url is still {course.hub.url}, and the new hub is at port {course.cluster.host_port} of this server:"
            " give it another address, or the old one's port once the old hub is down"
        )
    yield "next:"
    yield f"  make preview STACK={stack}"
    yield f"  make up STACK={stack}"
    yield from _ending(*old)


def _ending(stack: str, course: Course) -> Iterator[str]:
    yield f"once {stack} is over:"
    if course.homes.mode == "roster":
        yield (
            f"  `homes.closed: true` in Pulumi.{stack}.yaml, then `make up STACK={stack}`: students' homes become"
            " read-only, staff alone logs in"
        )
    yield f"  `make down STACK={stack}` takes its hub down and keeps all work, in {course.storage.path}"
    yield f"  `./coursehub --stack {stack} archive`, then `verify`, puts all of it into one file"


def _at(tree: Any, path: str, default: Any = None) -> Any:
    """The plain value at a path; the default where there is none."""
    for key in path.split("."):
        tree = tree.get(key) if isinstance(tree, Mapping) else None
    return tree if isinstance(tree, str | int) else default


def _put(tree: Tree, path: str, value: Any) -> None:
    """Set the value at a path, or take it away where it is None, together with sections that are empty then."""
    key, _, rest = path.partition(".")
    if not rest:
        if value is None:
            tree.pop(key, None)
        else:
            tree[key] = value
        return
    section = tree.setdefault(key, {})
    _put(section, rest, value)
    if not section:
        del tree[key]


def _leaves(tree: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping) and not _is_secret(value):
            yield from ((f"{key}.{path}", inner) for path, inner in _leaves(value))
        else:
            yield key, value


def _is_secret(value: Any) -> bool:
    return isinstance(value, Mapping) and set(value) == {"secure"}


def _shown(value: Any) -> str:
    if value is None:
        return "not given"
    if not isinstance(value, list):
        return str(value)
    names = [str(item.get("name") if isinstance(item, Mapping) else item) for item in value]
    return ", ".join(names) if len(names) <= _SHOWN else f"a list of {len(names)}"
