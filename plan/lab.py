"""The folder lab/ in a student's server: as a ConfigMap, so that it works with every image.

A server takes it as it is when it starts. The files in a server that runs follow a change within a minute or two, but
its Jupyter has read them already: students get the new ones with their next server, and nothing restarts. That is why
the ConfigMap keeps its name: of another name, the hub would restart at every change, and a server that a restart of the
node starts again would wait for ever for the one that is gone.
"""

from typing import Any

NAME = "lab"
FOLDER = "/etc/coursehub"
FILES = (
    "jupyter_server_config.py",
    "coursehub_home/__init__.py",
    "coursehub_home/extension.py",
    "coursehub_home/kernels.py",
    "coursehub_home/space.py",
    "coursehub_home-1.dist-info/METADATA",
    "coursehub_home-1.dist-info/entry_points.txt",
    "labextensions/coursehub-home/package.json",
    "labextensions/coursehub-home/static/remoteEntry.js",
)


def key(file: str) -> str:
    """The file's key in the ConfigMap, where a slash may not be."""
    return file.replace("/", ".")


def lab_volume() -> dict[str, Any]:
    """The ConfigMap as a volume with folders. A server starts without it, or without a file of it, as well."""
    items = [{"key": key(file), "path": file} for file in FILES]
    return {"name": NAME, "configMap": {"name": NAME, "items": items, "optional": True}}


def lab_mount() -> dict[str, Any]:
    """Where the volume is in a student's server."""
    return {"name": NAME, "mountPath": FOLDER, "readOnly": True}
