"""A real JupyterHub on this machine, configured as a course's is, without a cluster and without a proxy."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import requests

from config.course import Course
from plan.capacity import Starts
from plan.hub_values import SecretRef, hub_values
from plan.parts import parts

ROOT = Path(__file__).resolve().parents[2]
_SECONDS = 180  # on a server that builds something meanwhile

# What the chart does with `hub.config` and `hub.extraConfig`; browsers go to the hub itself. A server is a process that
# never answers. The database is in the folder: the next hub there goes on with it.
_CONFIGURATION = """
import json, os, sys
from jupyterhub.proxy import Proxy

class NoProxy(Proxy):
    should_start = False
    async def add_route(self, routespec, target, data): pass
    async def delete_route(self, routespec): pass
    async def get_all_routes(self): return {}

given = json.loads(os.environ["GIVEN"])
for section, traits in given["config"].items():
    for trait, value in traits.items():
        setattr(c[section], trait, value)
for name, code in sorted(given["extraConfig"].items()):
    exec(code)
c.JupyterHub.cookie_secret = bytes.fromhex(given["config"]["JupyterHub"]["cookie_secret"])
c.JupyterHub.proxy_class = NoProxy
c.JupyterHub.spawner_class = "simple"
c.Spawner.cmd = [sys.executable, "-c", "import time; time.sleep(600)"]
c.JupyterHub.db_url = "sqlite:///hub.sqlite"
c.JupyterHub.hub_bind_url = os.environ["BIND"]
"""


def free_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def real_hub(
    course: Course,
    secrets: Mapping[str, str],
    folder: Path,
    trusted: Path = Path(os.devnull),
    **changed: dict[str, Any],
) -> Iterator[str]:
    """The address of a hub that runs with the values of `course`, and trusts the certificate in `trusted`.

    `changed` are further traits by section. Its log is `folder`/hub.log, its database `folder`/hub.sqlite.
    """
    values = hub_values(course, parts(course), {}, Starts(16, 109))["hub"]
    given = _with(secrets, {"config": values["config"], "extraConfig": values["extraConfig"]})
    given["config"]["JupyterHub"] |= {
        "allow_named_servers": values["allowNamedServers"],
        "concurrent_spawn_limit": values["concurrentSpawnLimit"],
        "active_server_limit": values.get("activeServerLimit", 0),
    }
    # As in the chart: what starts is not waited for.
    given["config"]["JupyterHub"]["tornado_settings"]["slow_spawn_timeout"] = 0
    for section, traits in changed.items():
        given["config"].setdefault(section, {}).update(traits)
    # What only KubeSpawner knows.
    given["config"].pop("KubeSpawner")
    url = f"http://127.0.0.1:{free_port()}"
    file = folder / "jupyterhub_config.py"
    file.write_text(_CONFIGURATION)
    environment = {
        **os.environ,
        **values["extraEnv"],
        "PYTHONPATH": str(ROOT),
        "GIVEN": json.dumps(given),
        "BIND": url,
        "SSL_CERT_FILE": str(trusted),
    }
    with (folder / "hub.log").open("w") as log:
        argv = [sys.executable, "-m", "jupyterhub", f"--config={file}"]
        process = subprocess.Popen(argv, cwd=folder, env=environment, stdout=log, stderr=log)
        try:
            _wait(url, process, folder / "hub.log")
            yield url
        finally:
            process.terminate()
            process.wait(_SECONDS)


class Browser(requests.Session):
    """Sends the hub's cookies though they are for HTTPS alone: as the proxy would that ends HTTPS in front of it."""

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        """The request with all cookies."""
        prepared = super().prepare_request(request)
        prepared.headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return prepared


def form(hub: str, session: requests.Session, page: str, **fields: str) -> requests.Response:
    """Open one of the hub's pages, fill in its form and send that."""
    session.get(f"{hub}/hub/{page}", timeout=60).raise_for_status()
    fields = {**fields, "_xsrf": session.cookies["_xsrf"]}
    return session.post(f"{hub}/hub/{page}", data=fields, allow_redirects=False, timeout=60)


def log_in(hub: str, name: str, password: str, session: requests.Session | None = None) -> requests.Session:
    """A browser, a new one unless given, in which `name` has logged in."""
    browser = session or Browser()
    answer = form(hub, browser, "login", username=name, password=password)
    assert answer.status_code == 302, answer.text
    return browser


def api(hub: str, session: requests.Session, method: str, path: str, **more: Any) -> requests.Response:
    """Ask the hub's API as one of its pages does."""
    headers = {"X-XSRFToken": session.cookies.get("_xsrf", ""), "Referer": f"{hub}/hub/home"}
    return session.request(method, f"{hub}/hub/api{path}", headers=headers, allow_redirects=False, timeout=60, **more)


def _with(secrets: Mapping[str, str], tree: Any) -> Any:
    if isinstance(tree, SecretRef):
        return secrets.get(tree.name, "0c" * 32)
    if isinstance(tree, dict):
        return {key: _with(secrets, value) for key, value in tree.items()}
    return [_with(secrets, value) for value in tree] if isinstance(tree, list) else tree


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _SECONDS
    while True:
        with contextlib.suppress(requests.ConnectionError):
            if requests.get(f"{url}/hub/health", timeout=5).ok:
                return
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the hub does not answer:\n{log.read_text()[-4000:]}")
        time.sleep(0.2)
