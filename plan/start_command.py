"""How a student's server is started: also in a home that is full, where Jupyter would die or hang without a word."""

from typing import Any

SCRATCH = "/run/jupyter"  # of the pod, gone when the server stops

# Measured with a home of 0 bytes free: these four, and no fewer, let server, kernel and settings work. Set only then:
# in a home with room, settings, history and the notebooks' trust stay in the home.
_MOVED = {
    "JUPYTER_DATA_DIR": f"{SCRATCH}/data",
    "IPYTHONDIR": f"{SCRATCH}/ipython",
    "JUPYTERLAB_SETTINGS_DIR": f"{SCRATCH}/lab-settings",
    "JUPYTERLAB_WORKSPACES_DIR": f"{SCRATCH}/lab-workspaces",
}

# A probe of 256 KiB, of random bytes since others would be compressed away.
_SCRIPT = f"""\
probe="$HOME/.space-probe"
if ! head -c 262144 /dev/urandom > "$probe" 2>/dev/null; then
  echo "this home is full: settings and history of this session are kept in {SCRATCH}, delete files to make room" >&2
  export HOME_IS_FULL=1 {" ".join(f"{name}={value}" for name, value in _MOVED.items())}
fi
rm -f "$probe"
exec jupyterhub-singleuser "$@"
"""


def start_command() -> list[str]:
    """The command of every student's server; the arguments that the hub adds come after it."""
    return ["sh", "-c", _SCRIPT, "start"]


def scratch() -> dict[str, Any]:
    """Volume and mount of the scratch folder, as the chart takes them."""
    return {
        "extraVolumes": [{"name": "scratch", "emptyDir": {"sizeLimit": "256Mi"}}],
        "extraVolumeMounts": [{"name": "scratch", "mountPath": SCRATCH}],
    }
