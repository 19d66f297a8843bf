"""Kernels start also in a home that has become full while the server runs."""

from pathlib import Path

from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from jupyter_core.paths import jupyter_runtime_dir

from coursehub_home.space import has_room


class HomeProvisioner(LocalProvisioner):
    """The usual local kernel. In a full home, where IPython would hang, it keeps its files beside the server's own."""

    def _finalize_env(self, env: dict[str, str]) -> None:
        super()._finalize_env(env)
        if not has_room(Path.home()):
            self.log.warning("the home is full: this kernel's history is not kept")
            env["IPYTHONDIR"] = str(Path(jupyter_runtime_dir(), "ipython"))
