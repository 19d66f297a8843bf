"""From the chart's values to the traits of JupyterHub and KubeSpawner. Pure: nothing is read, nothing is set."""

from typing import Any

Traits = dict[str, dict[str, Any]]
Values = dict[str, Any]

HOME = "home"  # the name of the volume that holds a student's home
CULLER = "jupyterhub-idle-culler"


def traits(values: Values, namespace: str, release: str, python: str) -> Traits:
    """All traits by class name; those of `hub.config` win over what the other values say."""
    found: Traits = {
        "JupyterHub": _jupyterhub(values, python),
        "ConfigurableHTTPProxy": {"api_url": "http://proxy-api:8001", "should_start": False},
        "Spawner": {"consecutive_failure_limit": values["hub"]["consecutiveFailureLimit"]},
        "KubeSpawner": _kubespawner(values["singleuser"], namespace, release),
    }
    for section, own in values["hub"]["config"].items():
        found[section] = {**found.get(section, {}), **own}
    secret = found["JupyterHub"]["cookie_secret"]
    found["JupyterHub"]["cookie_secret"] = bytes.fromhex(secret)
    return found


def _jupyterhub(values: Values, python: str) -> dict[str, Any]:
    hub = values["hub"]
    in_memory = hub["db"]["type"] == "sqlite-memory"
    found = {
        "spawner_class": "kubespawner.KubeSpawner",
        "hub_bind_url": "http://:8081",
        "hub_connect_url": "http://hub:8081",
        "db_url": "sqlite://" if in_memory else "sqlite:////srv/jupyterhub/jupyterhub.sqlite",
        "concurrent_spawn_limit": hub["concurrentSpawnLimit"],
        "active_server_limit": hub.get("activeServerLimit") or 0,
        "allow_named_servers": hub["allowNamedServers"],
        # The proxy and the students' servers outlive the hub's pod.
        "cleanup_servers": False,
        "cleanup_proxy": False,
        "last_activity_interval": 60,
        "tornado_settings": {"slow_spawn_timeout": 0},
    }
    return {**found, **_culler(values["cull"], python)} if values["cull"]["enabled"] else found


def _culler(cull: Values, python: str) -> dict[str, Any]:
    command = [
        python,
        "-m",
        "jupyterhub_idle_culler",
        "--url=http://localhost:8081/hub/api",
        f"--timeout={cull['timeout']}",
        f"--cull-every={cull['every']}",
        f"--max-age={cull['maxAge']}",
        f"--concurrency={cull['concurrency']}",
        *(["--cull-users"] if cull["users"] else []),
    ]
    scopes = ["list:users", "read:users:activity", "read:servers", "delete:servers"]
    return {
        "services": [{"name": CULLER, "command": command}],
        "load_roles": [
            {"name": CULLER, "services": [CULLER], "scopes": [*scopes, *(["admin:users"] if cull["users"] else [])]}
        ],
    }


def _kubespawner(singleuser: Values, namespace: str, release: str) -> dict[str, Any]:
    image = singleuser["image"]
    found = {
        "namespace": namespace,
        "image": f"{image['name']}:{image['tag']}",
        "image_pull_policy": image["pullPolicy"],
        "cmd": singleuser["cmd"],
        "default_url": singleuser["defaultUrl"],
        "start_timeout": singleuser["startTimeout"],
        "uid": singleuser["uid"],
        "fs_gid": singleuser["fsGid"],
        "allow_privilege_escalation": singleuser["allowPrivilegeEscalation"],
        "cpu_guarantee": singleuser["cpu"]["guarantee"],
        "cpu_limit": singleuser["cpu"]["limit"],
        "mem_guarantee": singleuser["memory"]["guarantee"],
        "mem_limit": singleuser["memory"]["limit"],
        "environment": singleuser["extraEnv"],
        "common_labels": {"app": "jupyterhub", "release": release},
        "extra_labels": singleuser["extraLabels"],
        "extra_pod_config": singleuser["extraPodConfig"],
        **_storage(singleuser["storage"]),
    }
    return {trait: value for trait, value in found.items() if value is not None}


def _storage(storage: Values) -> dict[str, Any]:
    volumes, mounts = _listed(storage.get("extraVolumes")), _listed(storage.get("extraVolumeMounts"))
    home = {"name": HOME, "mountPath": storage["homeMountPath"]}
    match storage["type"]:
        case "dynamic":
            dynamic = storage["dynamic"]
            volume = dynamic["volumeNameTemplate"]
            return {
                "storage_pvc_ensure": True,
                "pvc_name_template": dynamic["pvcNameTemplate"],
                "storage_capacity": storage["capacity"],
                "storage_class": dynamic.get("storageClass"),
                "storage_access_modes": dynamic["storageAccessModes"],
                "volumes": [{"name": volume, "persistentVolumeClaim": {"claimName": "{pvc_name}"}}, *volumes],
                "volume_mounts": [{**home, "name": volume}, *mounts],
            }
        case "static":
            static = storage["static"]
            return {
                "volumes": [{"name": HOME, "persistentVolumeClaim": {"claimName": static["pvcName"]}}, *volumes],
                "volume_mounts": [{**home, "subPath": static["subPath"]}, *mounts],
            }
        case _:
            return {"volumes": volumes, "volume_mounts": mounts}


def _listed(given: list[Any] | dict[str, Any] | None) -> list[Any]:
    """A list as it is; an object's values in the order of its keys."""
    return [given[key] for key in sorted(given)] if isinstance(given, dict) else given or []
