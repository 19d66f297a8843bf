"""The domain types of a configuration: sizes, names, ports. A name that reaches a command comes from an allow-list."""

import re
import unicodedata
from collections.abc import Callable
from ipaddress import IPv4Address
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

_UNITS = {"": 1, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40}
_SIZE = re.compile(r"(\d+)(Ki|Mi|Gi|Ti)?")


class Size(int):
    """A number of bytes, written as Kubernetes writes it: `500Mi`, `2Gi`, or plain bytes. Powers of 1024."""

    @classmethod
    def parse(cls, given: object) -> Self:
        """Read `2Gi` or a whole number of bytes above zero. Raises PydanticCustomError for anything else."""
        match = _SIZE.fullmatch(str(given)) if isinstance(given, str | int) and not isinstance(given, bool) else None
        size = int(match[1]) * _UNITS[match[2] or ""] if match else 0
        if size <= 0:
            raise PydanticCustomError("size", "a size above zero is needed, such as 500Mi, 2Gi or 1Ti")
        return cls(size)

    def __str__(self) -> str:
        for unit in ("Ti", "Gi", "Mi", "Ki"):
            if self % _UNITS[unit] == 0:
                return f"{self // _UNITS[unit]}{unit}"
        return str(int(self))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls.parse, serialization=core_schema.plain_serializer_function_ser_schema(str)
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": ["string", "integer"], "pattern": f"^{_SIZE.pattern}$", "examples": ["500Mi", "2Gi"]}


def _name(pattern: str, rule: str, forbidden: str = "") -> Any:
    """A validator for names that may reach a command: nothing but what the pattern lists passes."""
    return AfterValidator(_allowed(pattern, rule, forbidden))


def _allowed(pattern: str, rule: str, forbidden: str = "") -> Callable[[str], str]:
    def check(value: str) -> str:
        if not re.fullmatch(pattern, value) or (forbidden and re.fullmatch(forbidden, value)):
            raise PydanticCustomError("name", "{rule}", {"rule": rule})
        return value

    return check


def _address(pattern: str, rule: str) -> Any:
    """A validator for addresses: what the pattern lists, and never a password, which would stand in state and logs."""
    listed = _allowed(pattern, rule)

    def check(value: str) -> str:
        if re.match(r"[^/]*//[^/]*@", value):
            raise PydanticCustomError(
                "address",
                "a user or password in an address would be seen in state and logs: leave it out; {rule}",
                {"rule": rule},
            )
        return listed(value)

    return AfterValidator(check)


def _login(pattern: str, rule: str) -> Any:
    """As `_name`, for names at login: people type them as they are used to, and look at them where they are refused."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise PydanticCustomError("name", "{rule}", {"rule": _what_is_wrong(value, rule)})
        return value

    return AfterValidator(check)


def _what_is_wrong(name: str, rule: str) -> str:
    """What is wrong with a name at login, with the remedy where there is a plain one."""
    if not name:
        return "a name is needed"
    foreign = [character for character in name if not character.isascii()]
    if foreign:
        # Some look like letters of a to z.
        return f"{foreign[0]!r} is {unicodedata.name(foreign[0], 'no letter')}; {rule}"
    if name != name.lower():
        return f"write it in lower case, as JupyterHub does at each login; {rule}"
    return rule


# Pool names that ZFS keeps for itself: zpool-create(8).
_RESERVED_POOLS = r"(mirror|raidz|draid|spare|log|cache|special|dedup|c[0-9]).*"

CourseName = Annotated[
    str, _name(r"[a-z][a-z0-9-]{0,29}", "lower-case letters, digits and - only, a letter first, at most 30 characters")
]
ClusterName = Annotated[
    str, _name(r"[a-z][a-z0-9-]{0,39}", "lower-case letters, digits and - only, a letter first, at most 40 characters")
]
PoolName = Annotated[
    str,
    _name(
        r"[a-z][a-z0-9_-]{0,62}",
        "lower-case letters, digits, - and _ only, a letter first, at most 63 characters,"
        " and none of the words that ZFS keeps (mirror, raidz, draid, spare, log, cache, special, dedup, c0 to c9)",
        _RESERVED_POOLS,
    ),
]
DatasetName = Annotated[
    str,
    _name(
        r"[a-z0-9][a-z0-9_-]{0,62}(/[a-z0-9][a-z0-9_-]{0,62}){0,5}",
        "parts of lower-case letters, digits, - and _, each at most 63 characters, joined by /, without the pool",
    ),
]
UserName = Annotated[
    str, _login(r"[a-z0-9][a-z0-9_-]{0,62}", "lower-case letters, digits, - and _ only, at most 63 characters")
]
# What JupyterHub, KubeSpawner, Kubernetes and ZFS all take as it is: tests/unit/test_hub_names.py.
STUDENT_NAME = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
StudentName = Annotated[
    str,
    _login(
        STUDENT_NAME,
        "lower-case letters, digits and - only, - neither first nor last, at most 63 characters",
    ),
]
FolderPath = Annotated[
    str,
    _name(
        r"(/|(\.\./)*)[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*/?",
        "a path of letters, digits, . _ and -, absolute or from the program's folder, such as materials/ or ../data",
    ),
]
Revision = Annotated[
    str,
    _name(
        r"[A-Za-z0-9_]([A-Za-z0-9_.+/-]{0,98}[A-Za-z0-9_+-])?",
        "a tag, a branch or a whole commit: letters, digits, _ . + / and -, at most 100 characters",
        r".*\.\..*",
    ),
]
FilePath = Annotated[
    str,
    _name(
        r"(/[A-Za-z0-9_][A-Za-z0-9._-]*)+",
        "an absolute path of letters, digits, . _ and -, where no part begins with a dot",
    ),
]
Url = Annotated[
    str,
    _address(
        r"https?://[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[1-9]\d{0,4})?",
        "an address without a path is needed, in lower-case letters, such as https://physics.example.org",
    ),
]
Endpoint = Annotated[
    str,
    _address(
        r"https://[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[1-9]\d{0,4})?(/[A-Za-z0-9._~%/?=&-]*)?",
        "an address that begins with https:// is needed, such as https://login.example.org/token",
    ),
]
ChartRepository = Annotated[
    str,
    _address(
        r"https://[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[1-9]\d{0,4})?(/[A-Za-z0-9._~%-]+)*/?",
        "an address that begins with https:// is needed, such as https://hub.jupyter.org/helm-chart/",
    ),
]
ChartReference = Annotated[
    str,
    _address(
        r"oci://[A-Za-z0-9][A-Za-z0-9.-]*(:[1-9]\d{0,4})?(/[A-Za-z0-9._-]+)+|[A-Za-z0-9./][A-Za-z0-9._/+-]*",
        "a name such as jupyterhub, a path that begins with / or ./, or an address such as"
        " oci://registry.example.org/jupyterhub is needed",
    ),
]
ChartVersion = Annotated[
    str,
    _name(
        r"\d+\.\d+\.\d+([+-][A-Za-z0-9.+-]+)?",
        "one version is needed, such as 4.4.1: of several, another one would come by itself one day",
    ),
]
Claim = Annotated[
    str,
    _name(
        r"[A-Za-z0-9_.:/-]{1,255}",
        "letters, digits, _ . : / and - only, at most 255 characters, such as preferred_username",
    ),
]
ClientName = Annotated[str, _name(r"[!-~]{1,255}", "letters, digits and signs without spaces, at most 255 characters")]
ImageRef = Annotated[
    str,
    _name(
        r"[a-z0-9]([a-z0-9._:/-]*[a-z0-9])?:[A-Za-z0-9_][A-Za-z0-9._-]{0,127}(@sha256:[0-9a-f]{64})?",
        "an image with its tag, such as kindest/node:v1.34.4, with or without @sha256:...",
    ),
]


def _git_address(value: str) -> str:
    """Nothing but addresses without a password passes. A fault never shows what was given: it may hold one."""
    if re.match(r"https?://[^/]*@|ssh://[^/@]*:[^/]*@", value):
        raise PydanticCustomError(
            "address",
            "a user or password in an address would be seen in state and logs: use an address git@host:path with a key"
            " of the user who runs pulumi, or let git keep the password (`git credential-store`)",
        )
    part, user, host = r"[A-Za-z0-9_~.][A-Za-z0-9_~.+-]*", r"[A-Za-z0-9_][A-Za-z0-9_.-]*@", r"[A-Za-z0-9][A-Za-z0-9.-]*"
    server = rf"https://{host}(:\d{{1,5}})?|ssh://({user})?{host}(:\d{{1,5}})?"
    if not re.fullmatch(rf"({server}|{user}{host}:/?{part}|/{part})(/{part})*/?", value):
        raise PydanticCustomError(
            "address", "a git repository is needed, such as https://host/path, ssh://git@host/path or git@host:path"
        )
    return value


GitAddress = Annotated[str, AfterValidator(_git_address)]
Port = Annotated[int, Field(ge=1, le=65535)]
NodePort = Annotated[int, Field(ge=30000, le=32767)]  # what Kubernetes gives to node ports unless told otherwise
Count = Annotated[int, Field(ge=0, le=10000)]
Seconds = Annotated[int, Field(ge=0)]
Cores = Annotated[float, Field(gt=0, le=1024)]
Address = IPv4Address
