"""What a course is: one frozen model per section, every key with its meaning. Defaults are those of the paper."""

from ipaddress import IPv4Address
from typing import Annotated, Literal

from pydantic import Field, SecretStr

from config.homes import Homes, Participant
from config.https import Https
from config.login import Lti13, OAuth
from config.network import Network
from config.section import Section
from config.types import (
    Address,
    ChartReference,
    ChartRepository,
    ChartVersion,
    ClusterName,
    Cores,
    Count,
    CourseName,
    DatasetName,
    FilePath,
    ImageRef,
    NodePort,
    PoolName,
    Port,
    Seconds,
    Size,
    Url,
    UserName,
)


class Identity(Section):
    """Which course this is, and how serious."""

    name: CourseName = "course"
    """The course's short name; the stack's name unless given. The cluster is called after it."""
    environment: Literal["development", "production"] = "production"
    """`development` allows what must never meet students: the dummy authenticator."""


class PoolFile(Section):
    """A file that serves as the pool's disk, for development and tests. Real disks are never formatted by coursehub."""

    path: FilePath
    """Where the file is made; it takes disk space only as it fills."""
    size: Size
    """How large the pool is, at least 64Mi (the least that ZFS takes). It can grow, never shrink."""


class Snapshots(Section):
    """Snapshots of the whole course, taken by the server's own timer. The last one of so many hours, days and weeks is
    kept; held ones, and those that were given a name, always."""

    schedule: Literal["hourly", "daily"] = "hourly"
    """How often one is taken."""
    hourly: Count = 24
    """Of how many hours the last one is kept."""
    daily: Count = 14
    """Of how many days."""
    weekly: Count = 26
    """Of how many weeks: a semester."""


class Storage(Section):
    """Where the course's data lives: one ZFS dataset on a pool that already exists."""

    pool: PoolName = "jhub-pool"
    """The pool; it must exist unless `poolFile` is given."""
    dataset: DatasetName = "userdata"
    """The course's dataset in the pool. Two courses on one server need two datasets: another stack's is refused."""
    quota: Size | None = None
    """How much the whole course may take; without it the pool is the limit."""
    dedup: bool = True
    """Keep equal blocks once. Costs about 1.25 GiB of memory for each TiB of data."""
    compression: Literal["lz4", "zstd", "gzip", "off"] = "lz4"
    """lz4 and zstd become gzip where the ZFS of the machine, or the pool, has them not."""
    pool_file: PoolFile | None = None
    """A file-backed pool, made when missing."""
    snapshots: Snapshots | None = None
    """Snapshots at set times; `{}` takes the defaults. None are taken unless given."""
    archive: FilePath | None = None
    """The folder for archives of the whole course; best on another disk."""
    on_destroy: Literal["keep", "archive", "destroy"] = "keep"
    """What `pulumi destroy` does with the students' work: `keep` it, with a held snapshot; `archive` it too, verified;
    `destroy`: move what a verified archive has all of into the pool's trash. It counts as the last `up` knew it: after
    a change run `make up` before `make down`."""
    confirm_destroy: str | None = None
    """For `onDestroy: destroy`, the full name of the dataset, typed once more."""

    @property
    def path(self) -> str:
        """The dataset's full name, `pool/dataset`."""
        return f"{self.pool}/{self.dataset}"


class Cluster(Section):
    """The one-node kind cluster. It is disposable: the data is not in it."""

    name: ClusterName | None = None
    """The cluster's name; `coursehub-<course>` unless given."""
    node_image: ImageRef | None = None
    """The kind node image; one that fits `parts` unless given."""
    listen_address: Address = IPv4Address("127.0.0.1")
    """The server's address on which students reach the hub. 0.0.0.0 is every address of the server."""
    host_port: Port = 30080
    """The server's port on which students reach the hub."""
    node_port: NodePort = 30080
    """The port of the hub's service inside the cluster."""
    api_port: Port = 16443
    """The port of the Kubernetes API, on 127.0.0.1 only."""
    memory: Size | None = None
    """How much of the server's memory the whole cluster may use; all but 1Gi unless given. Leave room for the cache of
    ZFS, and for other courses. Changed in place."""


class Images(Section):
    """The images of the hub; those of the chart, or of `parts`, unless given."""

    hub: ImageRef | None = None
    """The hub's own image."""
    proxy: ImageRef | None = None
    """The proxy's image."""
    singleuser: ImageRef | None = None
    """The image of the students' servers: what students can import is what is in it."""


class Cpu(Section):
    """Cores for each student's server. More may be promised in all than the server has: idle students use none."""

    guarantee: Cores = 0.1
    """Cores that are always there for a student."""
    limit: Cores = 1.0
    """Cores that a student may use at most."""


class Memory(Section):
    """Memory for each student's server. The guarantee is set aside, whether used or not."""

    guarantee: Size = Size(512 << 20)
    """Memory that is set aside for a running server."""
    limit: Size = Size(1 << 30)
    """Memory above which a server is ended."""


class Student(Section):
    """What each student's server gets."""

    storage: Size = Size(2 << 30)
    """Size of the claim for the student's home."""
    storage_class: Literal["standard"] = "standard"
    """Class of the claim: the one that keeps homes in the course's dataset."""
    cpu: Cpu = Cpu()
    memory: Memory = Memory()
    runtime: Literal["default", "gvisor", "kata"] = "default"
    """`gvisor` gives each server a kernel of its own, for 64Mi of memory and slower files; `kata` a virtual machine, on
    a `nodeImage` that has it. Proven in the cluster before servers use it."""


class Authentication(Section):
    """Who may log in, and how."""

    method: Literal["native", "oauth", "lti13", "dummy"] = "native"
    """`native`: accounts with passwords of their own. `oauth`: a login service of the university. `lti13`: a learning
    platform. `dummy`: one password for all, in development only."""
    oauth: OAuth | None = None
    """The login service, for `oauth`."""
    lti13: Lti13 | None = None
    """The learning platform, for `lti13`."""
    password: SecretStr | None = None
    """The one password of `dummy`; drawn at random unless given. Set it with `pulumi config set --secret --path`."""
    allowed_users: tuple[UserName, ...] = ()
    """Who may log in. Empty: with `dummy` everybody, with `native` those whom an admin lets in, with `lti13` whom the
    platform sends."""
    admin_users: tuple[UserName, ...] = ()
    """Who may see and stop all servers and let users in, with the roster's staff: exactly these; rights that were given
    by hand in the hub end with the next `up` that changes it. With a roster they have homes too, in it or not."""


class Cull(Section):
    """When servers that nobody uses are stopped. Files stay, running programs end."""

    timeout: Seconds = Field(default=3600, ge=60)
    """Seconds without activity."""
    every: Seconds = Field(default=600, ge=10)
    """Seconds between two looks."""
    max_age: Seconds = 43200
    """Seconds after which a server is stopped even if in use; 0 is never."""


class Throttle(Section):
    """How often one may knock. Who knocks more often is told how long to wait, and costs the others nothing."""

    starts: int = Field(default=3, ge=1, le=100)
    """How many times a student may start a server one after the other."""
    start_seconds: Seconds = Field(default=20, ge=1)
    """After how many seconds each further start is allowed."""
    wrong_passwords: int = Field(default=5, ge=1, le=100)
    """How many wrong passwords one name may have one after the other before it is locked out; one address may have
    twenty times as many."""
    wrong_password_seconds: Seconds = Field(default=30, ge=1)
    """After how many seconds each further try is allowed. Who uses a browser in which they have logged in before does
    not wait for those who guess at the name from elsewhere."""


class Hub(Section):
    """The JupyterHub release."""

    chart: ChartReference | None = None
    """The chart's name, path (with / or ./ first) or oci:// reference; the official one, or that of `parts`, unless
    given."""
    version: ChartVersion | None = None
    """The chart's exact version; needed where `chart` is a name or oci:// reference."""
    repository: ChartRepository | None = None
    """The chart's repository, where `chart` is a name: https://, without a password."""
    images: Images = Images()
    url: Url | None = None
    """What students type to reach the hub, where that is not the server's own address and port: its name, or that of a
    proxy in front of it. With https://, browsers never send a cookie without HTTPS."""
    https: Https | None = None
    """HTTPS at the hub's own port. Without it that port speaks plain HTTP, for a proxy that speaks HTTPS."""
    student: Student = Student()
    authentication: Authentication = Authentication()
    cull: Cull = Cull()
    throttle: Throttle = Throttle()
    active_servers: Annotated[int, Field(ge=1)] | None = None
    """How many servers may run at the same time: one for each who has a home, or as many as the server has room for,
    unless given."""


class Course(Section):
    """The whole configuration of one stack."""

    course: Identity = Identity()
    parts: Literal["makers", "registries"] = "makers"
    """Where node image, chart and images come from: their makers, or the build from package registries in offline/."""
    storage: Storage = Storage()
    homes: Homes = Homes()
    cluster: Cluster = Cluster()
    network: Network = Network()
    hub: Hub = Hub()

    @property
    def participants(self) -> tuple[Participant, ...]:
        """Who has a home of the roster's: all in it, and as staff the admins who are not."""
        if self.homes.mode != "roster":
            return ()
        listed = {participant.name for participant in self.homes.roster}
        admins = dict.fromkeys(name for name in self.hub.authentication.admin_users if name not in listed)
        # Not validated here: a rule tells of names that no home can have.
        return (*self.homes.roster, *(Participant.model_construct(name=name, role="staff") for name in admins))

    @property
    def members(self) -> tuple[Participant, ...]:
        """Who may log in and write to the home: all participants; of a closed course staff alone."""
        admins = self.hub.authentication.admin_users
        return tuple(
            entry
            for entry in self.participants
            if not self.homes.closed or entry.role == "staff" or entry.name in admins
        )

    @property
    def scheme(self) -> str:
        """What the hub's own port speaks: `https` or `http`."""
        return "https" if self.hub.https else "http"

    @property
    def browsers_speak_https(self) -> bool:
        """Whether browsers reach the hub by HTTPS alone: at its own port, or at that of a proxy in front of it."""
        return self.hub.https is not None or (self.hub.url or "").startswith("https:")

    @property
    def cluster_name(self) -> str:
        """The kind cluster's name."""
        return self.cluster.name or f"coursehub-{self.course.name}"
