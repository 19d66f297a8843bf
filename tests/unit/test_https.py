"""HTTPS: what a configuration may ask for, what the chart is told, and which certificates are refused."""

import datetime
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from components.https import read_certificate
from config.course import Course
from config.faults import WrongConfiguration, check
from host import certificate
from host.run import BadSpecification, run
from plan.capacity import Starts
from plan.hub_values import CERTIFICATE, KEY, hub_values
from plan.next_steps import here, url
from plan.parts import parts
from plan.policies import PROXY, Addresses, flows
from plan.probes import probes
from plan.server import certificate_spec

FILES = {"certificate": "/c.pem", "key": "/k.pem"}
PRODUCTION: dict[str, Any] = {"environment": "production"}
DEVELOPMENT: dict[str, Any] = {"environment": "development"}
EVERYWHERE = {"listenAddress": "0.0.0.0"}


def raw(identity: dict[str, Any] = PRODUCTION, cluster: dict[str, Any] | None = None, **hub: Any) -> dict[str, Any]:
    return {
        "course": identity,
        "cluster": cluster or {},
        "homes": {"roster": [{"name": "prof", "role": "staff"}]},
        "hub": hub,
    }


def faults(given: dict[str, Any]) -> dict[str, str]:
    try:
        check(given)
    except WrongConfiguration as error:
        return {fault.path: str(fault) for fault in error.faults}
    return {}


@pytest.mark.parametrize(
    ("given", "path"),
    [
        (raw(https={}), "hub.https.certificate"),
        (raw(https={"key": "/k.pem"}), "hub.https.certificate"),
        (raw(https={"certificate": "/c.pem"}), "hub.https.key"),
        (raw(https={"selfSigned": True}), "hub.https.selfSigned"),
        (raw(DEVELOPMENT, https={**FILES, "selfSigned": True}), "hub.https.certificate"),
        (raw(https={"certificate": "c.pem", "key": "/k.pem"}), "hub.https.certificate"),
        (raw(cluster=EVERYWHERE), "cluster.listenAddress"),
        (raw(cluster=EVERYWHERE, url="http://example.org"), "cluster.listenAddress"),
        (raw(https=FILES, url="http://example.org"), "hub.url"),
        (raw(url="https://example.org/course"), "hub.url"),
        (raw(url="https://Example.org"), "hub.url"),
        (raw(url="ftp://example.org"), "hub.url"),
    ],
)
def test_what_is_not_safe_or_not_whole_is_a_fault(given: dict[str, Any], path: str) -> None:
    assert set(faults(given)) == {path}


@pytest.mark.parametrize(
    "given",
    [
        raw(),
        raw(https=FILES),
        raw(cluster=EVERYWHERE, https=FILES),
        raw(cluster=EVERYWHERE, url="https://example.org"),
        raw(https=FILES, url="https://example.org:8443"),
        raw(DEVELOPMENT, cluster=EVERYWHERE),
        raw(DEVELOPMENT, https={"selfSigned": True}),
    ],
)
def test_what_may_be_asked_for(given: dict[str, Any]) -> None:
    assert faults(given) == {}


def values(course: Course) -> dict[str, Any]:
    return hub_values(course, parts(course), {}, Starts(16, 109))


def headers(course: Course) -> dict[str, str]:
    found: dict[str, str] = values(course)["hub"]["config"]["JupyterHub"]["tornado_settings"]["headers"]
    return found


def test_the_hubs_port_speaks_https_and_nothing_else() -> None:
    course = check(raw(https=FILES))
    proxy = values(course)["proxy"]
    assert proxy["https"] == {"enabled": True, "type": "manual", "manual": {"cert": CERTIFICATE, "key": KEY}}
    assert proxy["service"] == {"type": "NodePort", "nodePorts": {"https": 30080}, "disableHttpPort": True}
    assert next(flow.ports for flow in flows(course, Addresses("192.0.2.1")) if flow.target == PROXY) == ("TCP/8443",)
    assert 8443 in {probe.port for probe in probes(course) if probe.to == "proxy" and not probe.open}


def test_without_https_the_port_is_the_papers() -> None:
    proxy = values(check(raw()))["proxy"]
    assert "https" not in proxy
    assert proxy["service"] == {"type": "NodePort", "nodePorts": {"http": 30080}}


def test_browsers_remember_https_where_a_name_has_it_for_good() -> None:
    name = "Strict-Transport-Security"
    assert "max-age=" in headers(check(raw(https=FILES)))[name]
    assert "max-age=" in headers(check(raw(url="https://example.org")))[name]
    assert name not in headers(check(raw()))
    assert name not in headers(check(raw(DEVELOPMENT, https={"selfSigned": True}))), "it would hit all of localhost"


def test_cookies_follow_the_address_that_browsers_see() -> None:
    plain, https = (values(check(each))["hub"]["config"]["JupyterHub"] for each in (raw(), raw(url="https://a.org")))
    assert https["public_url"] == "https://a.org"
    assert https["tornado_settings"]["cookie_options"]["secure"] is True
    assert "public_url" not in plain
    assert "secure" not in plain["tornado_settings"]["cookie_options"]
    own = values(check(raw(DEVELOPMENT, https={"selfSigned": True})))["hub"]["config"]["JupyterHub"]
    assert own["tornado_settings"]["cookie_options"]["secure"] is True


def test_students_type_the_url_and_the_server_asks_itself() -> None:
    course = check(raw(cluster={**EVERYWHERE, "hostPort": 443}, https=FILES, url="https://example.org"))
    assert (url(course), here(course)) == ("https://example.org", "https://localhost:443")
    assert certificate_spec(course) == {"names": ["localhost", "127.0.0.1", "example.org"]}


# The certificate that the stack makes


def test_a_made_certificate_holds_for_its_names_and_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    want = certificate.parse({"names": ["localhost", "127.0.0.1", "hub.example.org"]})
    made = certificate.apply(want)
    found = x509.load_pem_x509_certificate(made["certificate"].encode())
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost", "hub.example.org"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    monkeypatch.setattr("host.certificate.printed_before", lambda: made)
    assert certificate.apply(want) == made
    assert certificate.apply(certificate.parse({"names": ["localhost"]}))["key"] != made["key"]


def test_the_key_is_written_for_its_owner_alone(tmp_path: Path) -> None:
    key = tmp_path / "k"
    run(certificate.request(certificate.parse({"names": ["localhost"]}), key, tmp_path / "c"))
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


@pytest.mark.parametrize("given", [{}, {"names": []}, {"names": "localhost"}])
def test_a_certificate_needs_names(given: dict[str, Any]) -> None:
    with pytest.raises(BadSpecification):
        certificate.parse(given)


# The certificate that the course names

Make = Callable[..., dict[str, str]]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Writes a certificate, of an authority that is not in the file, and its key; the configuration that names both."""

    def write(name: str = "hub.example.org", days: tuple[int, int] = (-1, 90), password: bytes = b"") -> dict[str, str]:
        key, authority = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        now = datetime.datetime.now(datetime.UTC)
        built = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(x509.Name.from_rfc4514_string("CN=authority"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + datetime.timedelta(days=days[0]))
            .not_valid_after(now + datetime.timedelta(days=days[1]))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=True)
            .sign(authority, hashes.SHA256())
        )
        lock = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
        written = {"certificate": tmp_path / f"{name}.crt", "key": tmp_path / f"{name}.key"}
        written["certificate"].write_bytes(built.public_bytes(serialization.Encoding.PEM))
        pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        written["key"].write_bytes(key.private_bytes(pem, pkcs8, lock))
        return {kind: str(path) for kind, path in written.items()}

    return write


def course_with(https: dict[str, str]) -> Course:
    return check(raw(https=https, url="https://hub.example.org"))


def refusal(https: dict[str, str]) -> str:
    with pytest.raises(WrongConfiguration, match="nothing was changed") as error:
        read_certificate(course_with(https))
    return str(error.value)


def test_a_sound_certificate_is_taken_with_its_key(make: Make) -> None:
    files = make()
    found = read_certificate(course_with(files))
    assert found is not None
    assert (found.certificate, found.key) == tuple(Path(files[kind]).read_text() for kind in ("certificate", "key"))


def test_a_certificate_that_the_stack_makes_would_be_taken_too(tmp_path: Path) -> None:
    made = certificate.apply(certificate.parse({"names": ["hub.example.org"]}))
    for kind in ("certificate", "key"):
        (tmp_path / kind).write_text(made[kind])
    assert read_certificate(course_with({kind: str(tmp_path / kind) for kind in ("certificate", "key")}))


def test_a_course_without_files_reads_none() -> None:
    assert read_certificate(check(raw())) is None
    assert read_certificate(check(raw(DEVELOPMENT, https={"selfSigned": True}))) is None


def test_a_key_of_another_certificate_is_refused(make: Make) -> None:
    other = make("other.example.org")["key"]
    assert "hub.https.key: " in refusal({**make(), "key": other})


def test_a_key_with_a_password_is_refused_without_asking(make: Make) -> None:
    assert "without a password" in refusal(make(password=b"hunter2"))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"days": (-90, -1)}, "expired"),
        ({"days": (1, 90)}, "not yet valid"),
        ({"name": "other.example.org"}, "Hostname mismatch"),
    ],
)
def test_what_browsers_would_refuse_is_refused(make: Make, changed: dict[str, Any], said: str) -> None:
    found = refusal(make(**changed))
    assert "hub.https.certificate: browsers would refuse" in found
    assert said in found


def test_files_that_are_missing_or_none_of_the_kind_are_named(make: Make, tmp_path: Path) -> None:
    files = make()
    assert f"hub.https.key: {tmp_path}/nothing cannot be read" in refusal({**files, "key": f"{tmp_path}/nothing"})
    (tmp_path / "text").write_text("hunter2")
    said = refusal({**files, "key": f"{tmp_path}/text"})
    assert "hub.https.key: " in said
    assert "hunter2" not in said
