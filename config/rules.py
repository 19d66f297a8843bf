"""The rules that join two or more keys. A rule is looked at only when all its keys were given soundly."""

from collections.abc import Callable
from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError

from config.course import Course
from config.types import StudentName

_HOME: TypeAdapter[str] = TypeAdapter(StudentName)


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
    staff = any(student.role == "staff" for student in course.homes.roster)
    if course.hub.authentication.method == "native" and not course.hub.authentication.admin_users and not staff:
        return "with the native authenticator somebody must be able to let students in: name at least one admin"
    return None


def _destruction_is_confirmed(course: Course) -> str | None:
    storage = course.storage
    if storage.on_destroy == "destroy" and storage.confirm_destroy != storage.path:
        return f"`onDestroy: destroy` takes away all students' work: to confirm, set this to {storage.path}"
    return None


def _archives_have_a_folder(course: Course) -> str | None:
    if course.storage.on_destroy == "archive" and course.storage.archive is None:
        return "`onDestroy: archive` needs a folder, best on another disk: set this to its path"
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


def _a_roster_has_somebody(course: Course) -> str | None:
    if course.homes.mode == "roster" and not course.homes.roster:
        return (
            "nobody could log in: list students and staff, as `- name: ada`; or set homes.mode: dynamic, and whoever"
            " logs in gets a home whose size nothing enforces"
        )
    return None


def _a_roster_has_everybody_once(course: Course) -> str | None:
    entries: dict[str, list[str]] = {}
    for number, student in enumerate(course.homes.roster, 1):
        entries.setdefault(student.name, []).append(str(number))
    twice = [f"{name} (entries {' and '.join(where)})" for name, where in entries.items() if len(where) > 1]
    return f"{', '.join(twice)}: once is enough, remove the others" if twice else None


def _a_roster_is_for_the_mode_roster(course: Course) -> str | None:
    if course.homes.roster and course.homes.mode != "roster":
        return "a roster is given, but homes.mode is dynamic: remove one of the two"
    return None


def _a_closed_course_is_its_staffs(course: Course) -> str | None:
    if course.homes.closed and course.homes.mode != "roster":
        return "with homes.mode: dynamic no home can be made read-only: take the hub down instead (`make down`)"
    # Without a name on its list the hub would let everybody in.
    if course.homes.closed and not course.members:
        return "only staff may log in to a closed course: name at least one admin, or somebody with `role: staff`"
    return None


def _one_list_of_users(course: Course) -> str | None:
    if course.homes.mode == "roster" and course.hub.authentication.allowed_users:
        return "with homes.mode: roster the roster alone says who may log in: remove it"
    return None


def _admins_can_have_homes(course: Course) -> str | None:
    if course.homes.mode != "roster":
        return None
    for name in course.hub.authentication.admin_users:
        try:
            _HOME.validate_python(name)
        except ValidationError as error:
            return f"{name!r} would have a home, as all with homes.mode: roster: {error.errors()[0]['msg']}"
    return None


def _budgets_fit_the_quota(course: Course) -> str | None:
    quota = course.storage.quota
    too_large = [s.name for s in course.participants if quota and (s.budget or course.homes.budget) > quota]
    if too_large:
        return f"the budget of {too_large[0]} is more than the whole course may take ({quota}): lower it"
    return None


def _ranges_are_for_the_mode_ranges(course: Course) -> str | None:
    network = course.network
    if network.internet == "ranges" and not network.ranges:
        return "with network.internet: ranges, list the addresses that students may reach, such as 192.0.2.0/24"
    if network.ranges and network.internet != "ranges":
        return f"ranges are listed, but network.internet is {network.internet}: set it to ranges, or remove them"
    return None


def _blocked_is_for_the_mode_web(course: Course) -> str | None:
    if course.network.blocked and course.network.internet != "web":
        return f"with network.internet: {course.network.internet} nothing else is open that could be blocked: remove it"
    return None


def _one_source_of_the_template(course: Course) -> str | None:
    template = course.homes.template
    if template.folder and template.git:
        return "the materials come from homes.template.git already: remove one of the two"
    return None


def _git_needs_a_revision(course: Course) -> str | None:
    template = course.homes.template
    if template.git and not template.revision:
        return "say which tag, branch or commit of homes.template.git is to be fetched, such as main"
    if template.revision and not template.git:
        return "a revision is one of a git repository: give homes.template.git too, or remove it"
    return None


def _a_template_is_for_a_roster(course: Course) -> str | None:
    template = course.homes.template
    if course.homes.mode == "dynamic" and (template.folder or template.git):
        return "with homes.mode: dynamic homes begin empty: set it to roster, or remove homes.template"
    return None


def _one_certificate(course: Course) -> str | None:
    https = course.hub.https
    if https is None:
        return None
    if https.self_signed and (https.certificate or https.key):
        return "a certificate is given, and one is to be made: remove it, or selfSigned"
    if not https.self_signed and not https.certificate:
        return "HTTPS needs the path of a certificate; in development `selfSigned: true` does as well"
    return None


def _a_certificate_has_its_key(course: Course) -> str | None:
    https = course.hub.https
    if https and https.certificate and not https.key:
        return "set this to the path of the certificate's private key"
    return None


def _self_signed_only_in_development(course: Course) -> str | None:
    if course.hub.https and course.hub.https.self_signed and course.course.environment != "development":
        return (
            "who learns to click a browser's warning away will do so for a thief's page too: give certificate and key,"
            " or declare course.environment: development"
        )
    return None


def _passwords_are_not_sent_in_plain_text(course: Course) -> str | None:
    open_to_others = not course.cluster.listen_address.is_loopback
    if course.course.environment == "production" and open_to_others and not course.browsers_speak_https:
        return (
            "passwords would cross the network readable: give hub.https; or, behind a proxy that speaks HTTPS, set this"
            " to 127.0.0.1, or hub.url to the proxy's address, https://..."
        )
    return None


def _the_address_speaks_https_too(course: Course) -> str | None:
    url = course.hub.url
    if course.hub.https and url and not url.startswith("https:"):
        return "hub.https is given: begin it with https://"
    return None


def _oauth_has_its_section(course: Course) -> str | None:
    return _has_its_section(course, "oauth", "the login service's addresses, clientId and clientSecret")


def _lti13_has_its_section(course: Course) -> str | None:
    return _has_its_section(course, "lti13", "the platform's issuer, authorizeUrl and jwksUrl, and clientIds")


def _has_its_section(course: Course, method: str, what: str) -> str | None:
    authentication = course.hub.authentication
    given = getattr(authentication, method) is not None
    if authentication.method == method and not given:
        return f"with the method {method} give {what}"
    if given and authentication.method != method:
        return f"the method is {authentication.method}: set it to {method}, or remove this"
    return None


def _accounts_elsewhere_need_an_address_with_https(course: Course) -> str | None:
    method = course.hub.authentication.method
    if method in ("oauth", "lti13") and not (course.hub.url or "").startswith("https:"):
        return f"with {method} browsers are sent back here: set it to the address that students type, https://..."
    return None


def _a_login_service_knows_too_many(course: Course) -> str | None:
    authentication = course.hub.authentication
    if authentication.method == "oauth" and course.homes.mode != "roster" and not authentication.allowed_users:
        return "whoever has an account at the login service would be let in: list who may, or set homes.mode: roster"
    return None


def _a_chart_has_its_version(course: Course) -> str | None:
    chart = course.hub.chart
    if chart is not None and not _is_path(chart) and course.hub.version is None:
        return f"say which version of {chart}, such as 4.4.1: without it, another one would come by itself one day"
    return None


def _a_chart_by_name_has_its_repository(course: Course) -> str | None:
    chart, repository = course.hub.chart, course.hub.repository
    by_name = course.parts == "makers" if chart is None else not _is_path(chart) and not chart.startswith("oci://")
    if chart is not None and by_name and repository is None:
        return (
            f"hub.chart is the name {chart}: say where it is, such as https://hub.jupyter.org/helm-chart/; or give its"
            " path, with / or ./ first"
        )
    if repository is not None and not by_name:
        what = "with parts: registries the chart is a folder" if chart is None else f"hub.chart is {chart}"
        return f"{what}, which is in no repository: remove this, or set hub.chart to a name such as jupyterhub"
    return None


def _is_path(chart: str) -> bool:
    return chart.startswith(("/", "."))


RULES = (
    Rule(("hub.authentication.oauth", "hub.authentication.method"), _oauth_has_its_section),
    Rule(("hub.authentication.lti13", "hub.authentication.method"), _lti13_has_its_section),
    Rule(("hub.url", "hub.authentication.method"), _accounts_elsewhere_need_an_address_with_https),
    Rule(
        ("hub.authentication.allowedUsers", "hub.authentication.method", "homes.mode"), _a_login_service_knows_too_many
    ),
    Rule(("hub.https.certificate", "hub.https.key", "hub.https.selfSigned"), _one_certificate),
    Rule(("hub.https.key", "hub.https.certificate"), _a_certificate_has_its_key),
    Rule(("hub.https.selfSigned", "course.environment"), _self_signed_only_in_development),
    Rule(
        ("cluster.listenAddress", "course.environment", "hub.https", "hub.url"), _passwords_are_not_sent_in_plain_text
    ),
    Rule(("hub.url", "hub.https"), _the_address_speaks_https_too),
    Rule(("network.ranges", "network.internet"), _ranges_are_for_the_mode_ranges),
    Rule(("network.blocked", "network.internet"), _blocked_is_for_the_mode_web),
    Rule(("homes.template.folder", "homes.template.git"), _one_source_of_the_template),
    Rule(("homes.template.revision", "homes.template.git"), _git_needs_a_revision),
    Rule(("homes.template", "homes.mode"), _a_template_is_for_a_roster),
    Rule(("homes.roster", "homes.mode"), _a_roster_has_somebody),
    Rule(("homes.roster",), _a_roster_has_everybody_once),
    Rule(("homes.mode", "homes.roster"), _a_roster_is_for_the_mode_roster),
    Rule(
        ("homes.closed", "homes.mode", "homes.roster", "hub.authentication.adminUsers"), _a_closed_course_is_its_staffs
    ),
    Rule(("hub.authentication.allowedUsers", "homes.mode"), _one_list_of_users),
    Rule(("hub.authentication.adminUsers", "homes.mode"), _admins_can_have_homes),
    Rule(("homes.budget", "homes.roster", "hub.authentication.adminUsers", "storage.quota"), _budgets_fit_the_quota),
    Rule(("hub.authentication.method", "course.environment"), _dummy_only_in_development),
    Rule(("hub.authentication.password", "hub.authentication.method"), _password_only_for_dummy),
    Rule(("hub.authentication.adminUsers", "hub.authentication.method", "homes.roster"), _native_needs_an_admin),
    Rule(("storage.confirmDestroy", "storage.onDestroy", "storage.pool", "storage.dataset"), _destruction_is_confirmed),
    Rule(("storage.archive", "storage.onDestroy"), _archives_have_a_folder),
    Rule(("storage.poolFile.size",), _pool_file_large_enough),
    Rule(("storage.quota", "storage.poolFile.size"), _quota_fits_pool_file),
    Rule(("hub.student.memory.limit", "hub.student.memory.guarantee"), _memory_limit_covers_guarantee),
    Rule(("hub.student.cpu.limit", "hub.student.cpu.guarantee"), _cpu_limit_covers_guarantee),
    Rule(("hub.version", "hub.chart"), _a_chart_has_its_version),
    Rule(("hub.repository", "hub.chart", "parts"), _a_chart_by_name_has_its_repository),
    Rule(("cluster.apiPort", "cluster.hostPort"), _ports_differ),
)
