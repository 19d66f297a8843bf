"""The server extension: GET <base>/coursehub/home answers with the home's space."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

from jupyter_server.base.handlers import APIHandler
from jupyter_server.serverapp import ServerApp
from jupyter_server.utils import url_path_join
from tornado import web

from coursehub_home.space import BUDGET, report


class HomeHandler(APIHandler):
    """Answers with `space.report` as JSON, to the student alone."""

    _track_activity = False  # asked every minute: it would keep an idle server from being stopped

    @web.authenticated
    async def get(self) -> None:
        """Look at the home, beside the event loop: the walk may take a while."""
        budget = int(os.environ.get(BUDGET, 0))
        self.finish(json.dumps(await asyncio.to_thread(report, Path.home(), budget)))


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    return [{"module": __name__}]


def _load_jupyter_server_extension(app: ServerApp) -> None:
    address = url_path_join(app.base_url, "coursehub", "home")
    app.web_app.add_handlers(".*$", [(address, HomeHandler)])  # type: ignore[no-untyped-call]
