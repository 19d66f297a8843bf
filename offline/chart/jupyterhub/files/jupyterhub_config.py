"""The hub's configuration: the chart's values, then `hub.config`, then `hub.extraConfig`."""

import json
import os
import sys
from pathlib import Path

from tornado.httpclient import AsyncHTTPClient

CHART = Path("/usr/local/etc/jupyterhub")
sys.path.insert(0, str(CHART))
from traits import traits

c = get_config()
# As in the official chart: tornado's own client is too slow for the proxy when many log in at once.
AsyncHTTPClient.configure("tornado.curl_httpclient.CurlAsyncHTTPClient")
values = json.loads((CHART / "values.json").read_text())

for section, own in traits(values, os.environ["POD_NAMESPACE"], os.environ["RELEASE"], sys.executable).items():
    for trait, value in own.items():
        setattr(c[section], trait, value)

for name, code in sorted(values["hub"]["extraConfig"].items()):
    print(f"running hub.extraConfig.{name}")
    exec(compile(code, f"hub.extraConfig.{name}", "exec"))
