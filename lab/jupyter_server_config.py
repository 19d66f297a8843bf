"""Configuration of a student's Jupyter server: tells of the home's space, and starts kernels in a full home."""

import sys
from pathlib import Path

c = get_config()

# Found by this server alone; in the environment, the students' programs would see it too. Last: nothing is hidden.
sys.path.append(str(Path(__file__).parent))

c.ServerApp.jpserver_extensions.update({"coursehub_home.extension": True})
c.KernelProvisionerFactory.default_provisioner_name = "coursehub-home"
