"""The values of the JupyterHub release. Keys and their meaning: the official chart, zero-to-jupyterhub-k8s 4.4."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from config.course import Course
from config.login import Lti13, OAuth
from config.types import Size
from plan.capacity import HUB, HUB_CLASS, PROXY, STUDENT_CLASS, Pod, Starts
from plan.homes import HOMES, admin_users, allowed_users, budgets
from plan.hubside import hubside_values
from plan.lab import lab_mount, lab_volume
from plan.parts import Parts
from plan.runtime import pod_config, sandboxed
from plan.start_command import scratch_mount, scratch_volume, start_command
from plan.volumes import DATABASE, STATIC_CLASS

Values = dict[str, Any]

NAMESPACE = "jhub"
RELEASE = "jupyterhub"
HOME = "/home/jovyan"


@dataclass(frozen=True)
class SecretRef:
    """Stands in the values where one of the course's secrets goes; the component puts the secret itself there."""

    name: str


PROXY_TOKEN = SecretRef("proxy_token")
COOKIE_SECRET = SecretRef("cookie_secret")
CRYPT_KEY = SecretRef("crypt_key")
PASSWORD = SecretRef("password")
CERTIFICATE = SecretRef("certificate")  # not secret as such, but it comes as the key does
KEY = SecretRef("key")
CLIENT_SECRET = SecretRef("client_secret")

_DAY = 86_400  # seconds
_COOKIE_DAYS = 7  # how long somebody stays logged in
_HTTPS_ONLY = 30 * _DAY  # how long browsers refuse plain HTTP after a visit; whoever gives HTTPS up has to wait for it

# How many bytes of randomness each has; the cookie secret and the key must have 32.
SECRET_BYTES = {PROXY_TOKEN.name: 32, COOKIE_SECRET.name: 32, CRYPT_KEY.name: 32, PASSWORD.name: 6}


def hub_values(course: Course, parts: Parts, sources: Mapping[str, str], starts: Starts) -> Values:
    """All values of the release, for one course on one node. `sources` are the files of hubside/, by name."""
    return {
        "hub": {**_hub(course, parts, starts), **hubside_values(course, sources)},
        "proxy": _proxy(course, parts),
        "singleuser": _singleuser(course, parts),
        "cull": {
            "enabled": True,
            "timeout": course.hub.cull.timeout,
            "every": course.hub.cull.every,
            "maxAge": course.hub.cull.max_age,
        },
        **_single_node(),
    }


# The chart's own policies are wide, and the Release drops the empty lists that would narrow them: plan/policies.py has
# all of ours.
_NO_POLICY = {"networkPolicy": {"enabled": False}}
# Where memory runs short, students' servers end and these stay.
_CRITICAL = {"priorityClassName": HUB_CLASS}


def _hub(course: Course, parts: Parts, starts: Starts) -> Values:
    return {
        **_image(parts, "hub"),
        "config": {
            **_authentication(course),
            # Drawn once and kept: what the chart draws itself would roll hub and proxy.
            "ConfigurableHTTPProxy": {"auth_token": PROXY_TOKEN},
            "CryptKeeper": {"keys": [CRYPT_KEY]},
            "KubeSpawner": {
                # Deleting a user must not delete the home; KubeSpawner's default would.
                "delete_pvc": False,
                # The hub's database outlives the cluster; remembered claims would be taken for there in a new one.
                "remember_pvc_name": False,
                # The last of all that start at once would fail in 30 s, the default.
                "http_timeout": starts.seconds,
                # What tells the students' share of the quotas from the hub's.
                "priority_class_name": STUDENT_CLASS,
                # With what the chart sets, all that Pod Security `restricted` asks of a pod.
                "container_security_context": {
                    "runAsNonRoot": True,
                    "capabilities": {"drop": ["ALL"]},
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
            },
            # As text: Helm would write a large number as 2.147483648e+09. In the environment there is no room for a
            # roster of thousands: one variable holds 128 KiB.
            "CourseSpawner": {"budgets": {name: str(budget) for name, budget in budgets(course).items()}},
        },
        "db": {"type": "sqlite-pvc", "pvc": {"storage": str(DATABASE.size), "storageClassName": STATIC_CLASS}},
        # The counter is the whole hub's: one student whose server keeps failing would restart it for everybody.
        "consecutiveFailureLimit": 0,
        "concurrentSpawnLimit": starts.at_once,
        "allowNamedServers": False,
        # So that it is never Kubernetes that says no: the hub's own words are kinder, and do not count as a failure.
        **({"activeServerLimit": course.hub.active_servers} if course.hub.active_servers else {}),
        "resources": _resources(HUB),
        "extraPodSpec": _CRITICAL,
        **_NO_POLICY,
    }


def _authentication(course: Course) -> Values:
    authentication = course.hub.authentication
    allowed = allowed_users(course)
    who = {
        "admin_users": admin_users(course),
        "allowed_users": allowed,
        # Hub 5 wants an explicit rule. With `native`, nobody gets this far before an admin has let them in.
        "allow_all": not allowed,
        # With a list, the hub would go on to let in whoever was ever on it.
        "allow_existing_users": False,
    }
    return {
        "JupyterHub": {
            "authenticator_class": _CLASSES.get(authentication.method, authentication.method),
            "cookie_secret": COOKIE_SECRET,
            "cookie_max_age_days": _COOKIE_DAYS,
            "oauth_token_expires_in": _COOKIE_DAYS * _DAY,
            # A semester at most, for tokens that students make themselves.
            "token_expires_in_max_seconds": 180 * _DAY,
            "tornado_settings": {
                "headers": _headers(course),
                "cookie_options": {
                    # Browsers would keep it for longer than the hub takes it.
                    "expires_days": _COOKIE_DAYS,
                    # JupyterHub sees to it that a login is never sent without HTTPS; so its `_xsrf` is not either.
                    **({"secure": True} if course.browsers_speak_https else {}),
                },
            },
            **({"public_url": course.hub.url} if course.hub.url else {}),
        },
        "Authenticator": _without_empty(who),
        **_method(course),
    }


# Where JupyterHub knows them by another name than ours. hubside/ puts its own in the place of `native` and `lti13`.
_CLASSES = {"oauth": "generic-oauth", "lti13": "ltiauthenticator.lti13.auth.LTI13Authenticator"}


def _headers(course: Course) -> Values:
    """No other site may show the hub in a frame, guess what a file is, or learn addresses of pages."""
    lasting = course.browsers_speak_https and not (course.hub.https and course.hub.https.self_signed)
    return {
        "Content-Security-Policy": "frame-ancestors 'self'",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        # Browsers forget plain HTTP for this name. Not with a self-signed one: that may be localhost.
        **({"Strict-Transport-Security": f"max-age={_HTTPS_ONLY}"} if lasting else {}),
    }


def _method(course: Course) -> Values:
    authentication = course.hub.authentication
    if authentication.method == "dummy":
        return {"DummyAuthenticator": {"password": PASSWORD}}
    if authentication.oauth is not None:
        return {"GenericOAuthenticator": _oauth(authentication.oauth, course.hub.url or "")}
    if authentication.lti13 is not None:
        return {"LTI13Authenticator": _lti13(authentication.lti13)}
    return {
        "NativeAuthenticator": {
            "open_signup": False,
            "minimum_password_length": 10,
            "check_common_password": True,
            # Its own lock-out never forgets, and says nothing: hubside/logins.py has ours.
            "allowed_failed_logins": 0,
        }
    }


def _oauth(oauth: OAuth, url: str) -> Values:
    return {
        "login_service": "your university account",
        "client_id": oauth.client_id,
        "client_secret": CLIENT_SECRET,
        "oauth_callback_url": f"{url}/hub/oauth_callback",
        "authorize_url": oauth.authorize_url,
        "token_url": oauth.token_url,
        "userdata_url": oauth.userdata_url,
        "username_claim": oauth.username_claim,
        "scope": list(oauth.scopes),
    }


def _lti13(lti13: Lti13) -> Values:
    return {
        "issuer": lti13.issuer,
        "client_id": list(lti13.client_ids),
        "authorize_url": lti13.authorize_url,
        "jwks_endpoint": lti13.jwks_url,
        "username_key": lti13.username_claim,
        # What a proxy in front of the hub says of it may be missing.
        "uri_scheme": "https",
    }


def _without_empty(values: Values) -> Values:
    """Without empty lists: the Release drops them and the chart's default would stay."""
    return {key: value for key, value in values.items() if value != []}


def _proxy(course: Course, parts: Parts) -> Values:
    return {
        "service": {
            "type": "NodePort",
            "nodePorts": {course.scheme: course.cluster.node_port},
            **({"disableHttpPort": True} if course.hub.https else {}),
        },
        **({"https": _HTTPS} if course.hub.https else {}),
        "chp": {
            **_image(parts, "proxy"),
            "resources": _resources(PROXY),
            "extraPodSpec": _CRITICAL,
            **_NO_POLICY,
        },
    }


_HTTPS = {"enabled": True, "type": "manual", "manual": {"cert": CERTIFICATE, "key": KEY}}


def _singleuser(course: Course, parts: Parts) -> Values:
    student = course.hub.student
    return {
        **_image(parts, "singleuser"),
        "cpu": {"guarantee": student.cpu.guarantee, "limit": student.cpu.limit},
        "memory": {"guarantee": _memory(student.memory.guarantee), "limit": _memory(student.memory.limit)},
        "storage": {
            **_home(course),
            "homeMountPath": HOME,
            "extraVolumes": [scratch_volume(), lab_volume()],
            "extraVolumeMounts": [scratch_mount(), lab_mount()],
        },
        "cmd": start_command(),
        **({"extraPodConfig": pod_config(course)} if sandboxed(course) else {}),
        # The chart's privileged init container blocks port 80 only; the network policy blocks the address.
        "cloudMetadata": {"blockWithIptables": False},
        **_NO_POLICY,
    }


def _home(course: Course) -> Values:
    """Where a student's home is: a clone of the roster's, or a claim of its own as in the paper."""
    if course.homes.mode == "roster":
        # The name as it is: `{username}` would be another for names that begin with a digit, as numbers of students do.
        return {"type": "static", "static": {"pvcName": HOMES.claim, "subPath": "{unescaped_username}"}}
    student = course.hub.student
    return {
        "type": "dynamic",
        "capacity": str(student.storage),
        "dynamic": {"storageClass": student.storage_class},
    }


def _single_node() -> Values:
    """Without what only helps a cluster of many nodes: three pods remain to be paid for."""
    return {
        "scheduling": {"userScheduler": {"enabled": False}, "userPlaceholder": {"enabled": False}},
        "prePuller": {"hook": {"enabled": False}, "continuous": {"enabled": False}},
    }


def _image(parts: Parts, component: str) -> Values:
    image = parts.images.get(component)
    if image is None:
        return {}
    reference, at, digest = image.partition("@")
    name, _, tag = reference.rpartition(":")
    return {"image": {"name": name, "tag": tag + at + digest, "pullPolicy": "IfNotPresent"}}


def _memory(size: Size) -> str | int:
    """As JupyterHub writes memory: K, M, G and T are powers of 1024, and plain bytes are a number."""
    text = str(size)
    return text.removesuffix("i") if text.endswith("i") else int(size)


def _resources(pod: Pod) -> Values:
    return {
        "requests": {"cpu": pod.cpu_guarantee, "memory": str(pod.memory_guarantee)},
        "limits": {"cpu": pod.cpu_limit, "memory": str(pod.memory_limit)},
    }
