"""How a student's server is started: also in a home that is full, where Jupyter would die or hang without a word."""

from typing import Any

from plan.lab import FOLDER

SCRATCH = "/run/jupyter"  # of the pod, gone when the server stops

# Measured with a home of 0 bytes free: these four, and no fewer, let server, kernel and settings work. Set only then:
# in a home with room, settings, history and the notebooks' trust stay in the home.
_MOVED = {
    "JUPYTER_DATA_DIR": f"{SCRATCH}/data",
    "IPYTHONDIR": f"{SCRATCH}/ipython",
    "JUPYTERLAB_SETTINGS_DIR": f"{SCRATCH}/lab-settings",
    "JUPYTERLAB_WORKSPACES_DIR": f"{SCRATCH}/lab-workspaces",
}

# Always: what a running server and its kernels tell each other is needed no longer than the server, and must be written
# also when the home becomes full. The image's own folders stay behind those of lab/.
_ALWAYS = {
    "JUPYTER_RUNTIME_DIR": f"{SCRATCH}/runtime",
    "JUPYTER_PATH": f'"{FOLDER}${{JUPYTER_PATH:+:$JUPYTER_PATH}}"',
    "JUPYTER_CONFIG_PATH": f'"{FOLDER}${{JUPYTER_CONFIG_PATH:+:$JUPYTER_CONFIG_PATH}}"',
}


def _exports(variables: dict[str, str]) -> str:
    return "export " + " ".join(f"{name}={value}" for name, value in variables.items())


# A probe of 256 KiB, of random bytes since others would be compressed away.
_SCRIPT = f"""\
{_exports(_ALWAYS)}
probe="$HOME/.space-probe"
if ! head -c 262144 /dev/urandom > "$probe" 2>/dev/null; then
  echo "this home is full: settings and history of this session are kept in {SCRATCH}, delete files to make room" >&2
  {_exports({"HOME_IS_FULL": "1", **_MOVED})}
fi
rm -f "$probe"
exec jupyterhub-singleuser "$@"
"""


def start_command() -> list[str]:
    """The command of every student's server; the arguments that the hub adds come after it."""
    return ["sh", "-c", _SCRIPT, "start"]


def scratch_volume() -> dict[str, Any]:
    """The scratch folder as a volume: bounded, since it is on the node's disk."""
    return {"name": "scratch", "emptyDir": {"sizeLimit": "256Mi"}}


def scratch_mount() -> dict[str, Any]:
    """Where the scratch folder is in a student's server."""
    return {"name": "scratch", "mountPath": SCRATCH}
