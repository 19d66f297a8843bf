"""How many students' servers run at the same time on one server, with the figures: what does not fit is a fault.

What is guaranteed is set aside and never promised twice. Limits may be promised more than once, since few students
need all of theirs at the same time; but there is always room for one that grows to its limit, or one student's notebook
would be everybody's end. Figures of memory were measured with Kubernetes 1.34.4 on a node with 17 pods.
"""

import math
from dataclasses import dataclass, replace

from config.course import Course
from config.faults import Fault, WrongConfiguration
from config.types import Size
from plan.runtime import overhead

STUDENT_CLASS = "coursehub-student"  # the priority class of students' servers
# Kubernetes' own, of what a node cannot do without: never ended by the kubelet, and by the kernel last of all. The
# other way to that, as many cores asked for as allowed, would take half of a small server from the students.
HUB_CLASS = "system-node-critical"

_MI, _GI = 1 << 20, 1 << 30
SYSTEM = Size(_GI)  # of the server, for what is not in the cluster
CONTROL_PLANE = Size(_GI)  # 744 MiB measured: API server, etcd, kubelet, containerd, ...
# What kind's own pods ask for is counted by the scheduler, so of the control plane only the rest is set aside besides.
RESERVED = Size(CONTROL_PLANE - 322 * _MI)
EVICTION = Size(512 * _MI)  # of free memory; below it the kubelet ends pods
_POD_OVERHEAD = Size(6 * _MI)  # of memory for each pod: its shim, its pause, its entry in the control plane
_OTHERS_CPU = 0.96  # cores that kind's own pods ask for
_MOST_PODS = 110 - 14  # the kubelet's default, less kind's own, hub, proxy and some to spare
_START_CPU = 3.4  # core-seconds that one start takes: ten at once took 18 s on two cores
_STARTS_PER_CORE = 8  # at once; more would only make all of them slower
_START_PATIENCE = 4  # times as long as that may a start take, where others work meanwhile or in a sandbox
_SHORTEST_START = 30  # seconds; KubeSpawner's default


@dataclass(frozen=True)
class Server:
    """The server, as far as it bounds a course: cores, and memory in bytes."""

    cores: int
    memory: int


@dataclass(frozen=True)
class Pod:
    """What a pod asks for and what it may use at most: cores, and memory in bytes."""

    cpu_guarantee: float
    cpu_limit: float
    memory_guarantee: Size
    memory_limit: Size


# All that hub and proxy may use is set aside: they are everybody's. Cores are not: what they do not use, students may.
HUB = Pod(0.1, 1, Size(_GI), Size(_GI))
PROXY = Pod(0.05, 1, Size(256 * _MI), Size(256 * _MI))
OTHER = Pod(0.01, 0.5, Size(32 * _MI), Size(128 * _MI))  # a pod that does not say what it needs
OTHERS = 4  # such pods in the hub's share: those of checks, and helpers of the chart


def student_server(course: Course) -> Pod:
    """A student's server, as the course's file has it."""
    student = course.hub.student
    return Pod(student.cpu.guarantee, student.cpu.limit, student.memory.guarantee, student.memory.limit)


def student_pod(course: Course) -> Pod:
    """A student's server with the sandbox around it."""
    server, more = student_server(course), overhead(course)
    return replace(
        server,
        memory_guarantee=Size(server.memory_guarantee + more),
        memory_limit=Size(server.memory_limit + more),
    )


@dataclass(frozen=True)
class Room:
    """What a server has for students: memory in bytes, cores, and how many servers each of them, and pods, allow."""

    memory: int
    cores: float
    by_memory: int
    by_cpu: int

    @property
    def seats(self) -> int:
        """Servers that fit."""
        return max(0, min(self.by_memory, self.by_cpu, _MOST_PODS))


def room(course: Course, server: Server) -> Room:
    """What `server` has for the students of `course`."""
    pod, node = student_pod(course), course.cluster.memory or default_memory(server)
    hub = HUB.memory_guarantee + PROXY.memory_guarantee + OTHERS * OTHER.memory_guarantee
    memory = node - CONTROL_PLANE - EVICTION - hub
    cores = server.cores - _OTHERS_CPU - HUB.cpu_guarantee - PROXY.cpu_guarantee
    return Room(
        memory,
        cores,
        by_memory=math.floor((memory - _growth(pod)) / _each(pod)) - SPARE,
        by_cpu=math.floor(cores / pod.cpu_guarantee + 1e-9),
    )


# A server that is being stopped holds its memory while the next one starts.
SPARE = 1


def needed(course: Course, seats: int) -> int:
    """Memory in bytes for `seats` servers, a spare one, and one that grows to its limit."""
    pod = student_pod(course)
    return (seats + SPARE) * _each(pod) + _growth(pod)


def _each(pod: Pod) -> int:
    return pod.memory_guarantee + _POD_OVERHEAD


def _growth(pod: Pod) -> int:
    return pod.memory_limit - pod.memory_guarantee


@dataclass(frozen=True)
class Starts:
    """How many servers may be starting at the same time, and how many seconds each of them may take."""

    at_once: int
    seconds: int


def starts(server: Server) -> Starts:
    """What `server` starts at the same time so that the last is ready in time; others are told when to try again."""
    at_once = min(_STARTS_PER_CORE * server.cores, _MOST_PODS)
    last = _START_CPU * at_once / server.cores
    return Starts(at_once, max(_SHORTEST_START, math.ceil(_START_PATIENCE * last)))


def default_memory(server: Server) -> Size:
    """The memory of a cluster that is not told how much; in steps of 256Mi, so that a new kernel changes nothing."""
    step = 256 * _MI
    return Size((server.memory - SYSTEM) // step * step)


def fitted(course: Course, server: Server) -> Course:
    """The course with what it leaves open decided for `server`: the cluster's memory and the number of servers.

    Raises WrongConfiguration, with the figures and the remedy, where it asks for more than there is.
    """
    faults = [fault for fault in (_cluster_fault(course, server), _seats_fault(course, server)) if fault]
    if faults:
        raise WrongConfiguration(faults)
    wanted = course.hub.active_servers or len(course.participants) or _MOST_PODS
    hub = course.hub.model_copy(update={"active_servers": min(wanted, room(course, server).seats)})
    return sized(course, server).model_copy(update={"hub": hub})


def sized(course: Course, server: Server) -> Course:
    """The course with its cluster's memory decided for `server`, whether the rest fits or not."""
    cluster = course.cluster.model_copy(update={"memory": course.cluster.memory or default_memory(server)})
    return course.model_copy(update={"cluster": cluster})


def warning(course: Course) -> str:
    """What a teacher should know of a fitted course before the first lesson; empty if everybody has a place."""
    seats, students = course.hub.active_servers or 0, len(course.participants)
    if seats >= students:
        return ""
    return (
        f"{seats} of the {students} who have a home can work at the same time, the others are asked to come back later:"
        " a lower hub.student.memory.guarantee or hub.student.cpu.guarantee makes room for more"
    )


def _cluster_fault(course: Course, server: Server) -> Fault | None:
    most, asked = default_memory(server), course.cluster.memory
    if asked is None or asked <= most:
        return None
    return Fault(
        "cluster.memory",
        f"{_gib(asked)} is more than this server can give: it has {_gib(server.memory)} and needs {_gib(SYSTEM)} for"
        f" itself; set this to at most {most}",
    )


def _seats_fault(course: Course, server: Server) -> Fault | None:
    have, asked, pod = room(course, server), course.hub.active_servers, student_pod(course)
    seats = asked or 1
    if seats <= have.seats:
        return None
    lower = f"lower hub.activeServers to {have.seats}, " if have.seats else ""
    path, students = ("hub.activeServers", f"{seats} students") if asked else ("hub.student", "1 student")
    if have.by_memory < seats:
        return Fault(
            path,
            f"{students} x {_gib(pod.memory_guarantee)}, one more that is being stopped and one that grows to"
            f" {_gib(pod.memory_limit)} need {_gib(needed(course, seats))}; this server has {_gib(max(0, have.memory))}"
            f" for students: {lower}lower hub.student.memory, or raise cluster.memory"
            f" ({course.cluster.memory or default_memory(server)} now)",
        )
    if have.by_cpu < seats:
        return Fault(
            path,
            f"{students} x {pod.cpu_guarantee:g} cores need {seats * pod.cpu_guarantee:.4g}; this server has"
            f" {max(0.0, have.cores):.4g} for students: {lower}or lower hub.student.cpu.guarantee (0.05 is enough to"
            " work with: what others do not use is everybody's)",
        )
    return Fault(path, f"one node runs at most {_MOST_PODS} students' servers: lower hub.activeServers to {_MOST_PODS}")


def _gib(size: int) -> str:
    return f"{size / _GI:.2f} GiB"
