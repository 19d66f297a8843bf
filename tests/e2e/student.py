"""A student at a browser: logs in over HTTP, starts a server, runs code in a kernel, reads and writes files."""

import contextlib
import json
import re
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import requests
import websocket

_SERVER_SECONDS = 180
_CELL_SECONDS = 60


class LoginRefusedError(Exception):
    """The hub did not let the student in."""


@dataclass
class Student:
    """One session with the hub at `url`."""

    url: str
    name: str
    session: requests.Session = field(default_factory=requests.Session)

    def log_in(self, password: str) -> None:
        """Log in through the hub's form. Raises LoginRefusedError with what the page says."""
        self.session.get(f"{self.url}/hub/login", timeout=30).raise_for_status()
        form = {"username": self.name, "password": password, "_xsrf": self._xsrf("/hub/")}
        answer = self.session.post(f"{self.url}/hub/login", data=form, timeout=30, allow_redirects=False)
        if answer.status_code != requests.codes.found:
            said = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text)).strip()
            raise LoginRefusedError(f"{answer.status_code}: {said}")

    def sign_up(self, password: str) -> str:
        """Make a native account; what the page answers."""
        self.session.get(f"{self.url}/hub/signup", timeout=30).raise_for_status()
        form = {"username": self.name, "signup_password": password, "signup_password_confirmation": password}
        answer = self.session.post(
            f"{self.url}/hub/signup", data={**form, "_xsrf": self._xsrf("/hub/")}, timeout=30, allow_redirects=False
        )
        return answer.text

    def let_in(self, name: str) -> None:
        """As staff, let a native account in."""
        self.session.get(f"{self.url}/hub/authorize", timeout=30).raise_for_status()
        form = {"let_in": "yes", "_xsrf": self._xsrf("/hub/")}
        self.session.post(f"{self.url}/hub/authorize/{name}", data=form, timeout=30).raise_for_status()

    def start_server(self) -> float:
        """Start the student's server; the seconds from the request that was let through until the hub calls it ready.

        Raises TimeoutError where the hub asks to come back later for too long.
        """
        deadline = time.monotonic() + _SERVER_SECONDS
        # The hub refuses to start a server that it is about to end.
        while self._server().get("pending") == "stop" and time.monotonic() < deadline:
            time.sleep(0.5)
        while True:
            start = time.monotonic()
            answer = self.hub("POST", f"/users/{self.name}/server")
            if answer.status_code != requests.codes.too_many_requests:
                break
            if start > deadline:
                raise TimeoutError(f"{self.name}'s server was refused for {_SERVER_SECONDS} s: {answer.text}")
            time.sleep(int(answer.headers.get("Retry-After", 10)))
        if answer.status_code not in (201, 202, 400):  # 400: it runs already
            answer.raise_for_status()
        while not self._server().get("ready"):
            if time.monotonic() - start > _SERVER_SECONDS:
                raise TimeoutError(f"{self.name}'s server is not ready after {_SERVER_SECONDS} s: {self._server()}")
            time.sleep(0.5)
        # The server knows the student once the hub has sent the browser round. After a restart of the node the hub
        # takes a while to mend the way to a server that runs again.
        while not (page := self.session.get(f"{self.url}/user/{self.name}/lab", timeout=60)).ok:
            if time.monotonic() - start > _SERVER_SECONDS:
                page.raise_for_status()
            time.sleep(1)
        return time.monotonic() - start

    def stop_server(self) -> None:
        """Stop the server and wait until it is gone."""
        self.hub("DELETE", f"/users/{self.name}/server")
        deadline = time.monotonic() + _SERVER_SECONDS
        while self._server():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.name}'s server does not stop")
            time.sleep(0.5)

    def new_token(self) -> str:
        """A token of the student's own for the hub's API."""
        answer = self.hub("POST", f"/users/{self.name}/tokens")
        answer.raise_for_status()
        return str(answer.json()["token"])

    def is_known_by(self, token: str) -> bool:
        """Whether the hub takes `token` for this student's."""
        answer = requests.get(f"{self.url}/hub/api/user", headers={"Authorization": f"token {token}"}, timeout=30)
        return answer.ok and answer.json()["name"] == self.name

    def run_cell(self, code: str) -> str:
        """Run code in a new kernel; what it printed and its result. A traceback is returned as text too."""
        with self.kernel() as kernel:
            return self.execute(kernel, code)

    @contextlib.contextmanager
    def kernel(self) -> Iterator[str]:
        """A new kernel, by its id."""
        kernel = self.new_kernel()
        try:
            yield kernel
        finally:
            self._jupyter("DELETE", f"/api/kernels/{kernel}")

    def new_kernel(self) -> str:
        """Start a kernel; its id."""
        return str(self._jupyter("POST", "/api/kernels", json={"name": "python3"}).json()["id"])

    def restart(self, kernel: str) -> None:
        """Restart a kernel, as the button does."""
        self._jupyter("POST", f"/api/kernels/{kernel}/restart").raise_for_status()

    def get(self, path: str) -> requests.Response:
        """Ask the student's server."""
        return self._jupyter("GET", path)

    def write_file(self, path: str, text: str) -> requests.Response:
        """Save a file as JupyterLab does."""
        content = {"type": "file", "format": "text", "content": text}
        return self._jupyter("PUT", f"/api/contents/{path}", json=content)

    def read_file(self, path: str) -> str:
        """Read a file as JupyterLab does."""
        answer = self._jupyter("GET", f"/api/contents/{path}")
        answer.raise_for_status()
        return str(answer.json()["content"])

    def execute(self, kernel: str, code: str) -> str:
        """Run code in a kernel; what `run_cell` returns."""
        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.session.cookies)
        address = f"{self.url.replace('http', 'ws', 1)}/user/{self.name}/api/kernels/{kernel}/channels"
        # Whom the session trusts: a file of certificates, where it does not speak plain HTTP.
        trusted = {"ca_certs": self.session.verify} if isinstance(self.session.verify, str) else None
        socket = websocket.create_connection(address, timeout=_CELL_SECONDS, cookie=cookies, sslopt=trusted)
        message = uuid.uuid4().hex
        header = {"msg_id": message, "msg_type": "execute_request", "session": message, "version": "5.3"}
        content = {"code": code, "silent": False, "store_history": False, "allow_stdin": False}
        request = {"header": {**header, "username": "", "date": ""}, "parent_header": {}, "metadata": {}}
        socket.send(json.dumps({**request, "content": content, "channel": "shell"}))
        printed = ""
        try:
            while True:
                answer = json.loads(socket.recv())
                if answer["parent_header"].get("msg_id") != message:
                    continue
                match answer["msg_type"], answer["content"]:
                    case "stream", said:
                        printed += said["text"]
                    case "execute_result", said:
                        printed += said["data"]["text/plain"]
                    case "error", said:
                        printed += f"{said['ename']}: {said['evalue']}"
                    case "status", {"execution_state": "idle"}:
                        return printed
        finally:
            socket.close()

    def _server(self) -> dict[str, Any]:
        servers: dict[str, Any] = self.hub("GET", f"/users/{self.name}").json().get("servers", {})
        found: dict[str, Any] = servers.get("", {})
        return found

    def hub(self, method: str, path: str) -> requests.Response:
        """Ask the hub's API as a page of the hub does."""
        headers = {"X-XSRFToken": self._xsrf("/hub/"), "Referer": f"{self.url}/hub/home"}
        return self.session.request(method, f"{self.url}/hub/api{path}", headers=headers, timeout=60)

    def _jupyter(self, method: str, path: str, json: Any = None) -> requests.Response:
        base = f"{self.url}/user/{self.name}"
        headers = {"X-XSRFToken": self._xsrf(f"/user/{self.name}/"), "Referer": f"{base}/lab"}
        return self.session.request(method, f"{base}{path}", json=json, headers=headers, timeout=_CELL_SECONDS)

    def _xsrf(self, path: str) -> str:
        """The token of the hub or of the server: each keeps a cookie of its own path."""
        return next((c.value or "" for c in self.session.cookies if c.name == "_xsrf" and c.path == path), "")
