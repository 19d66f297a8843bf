"""The JupyterHub release and its secrets."""

import json
from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from components import server
from components.cluster import Cluster
from components.dataset import Dataset
from components.drift import ROOT
from components.guardrails import Guardrails
from components.host_command import host_command, tree_hash
from components.https import Certificate, make_certificate
from components.runtime import Runtime
from components.workspaces import Workspaces
from config.course import Course
from plan import hubside
from plan.capacity import starts
from plan.homes import HOMES
from plan.hub_values import (
    CERTIFICATE,
    CLIENT_SECRET,
    KEY,
    NAMESPACE,
    PASSWORD,
    RELEASE,
    SECRET_BYTES,
    SecretRef,
    hub_values,
)
from plan.lab import FILES, NAME, key
from plan.parts import parts
from plan.volumes import DATABASE

_TIMEOUT_SECONDS = 600  # a first start pulls images where they are not loaded already

_REVISIONS = 10  # that Helm keeps, each a secret: without an end they would use up the quota of secrets


class Hub(pulumi.ComponentResource):
    """One release of the JupyterHub chart. What it draws at random is drawn once and kept encrypted in the state."""

    def __init__(
        self,
        name: str,
        *,
        course: Course,
        dataset: Dataset,
        cluster: Cluster,
        guardrails: Guardrails,
        workspaces: Workspaces | None = None,
        certificate: Certificate | None = None,
        runtime: Runtime | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("coursehub:hub:Hub", name, {}, opts)
        chosen = parts(course)
        drawn = host_command(
            f"{name}-secrets", "secrets", spec=SECRET_BYTES, identity=[], parent=self, secret=True
        ).stdout.apply(json.loads)
        secrets = {name: drawn[name] for name in SECRET_BYTES}
        own = course.hub.authentication.password
        if own is not None:
            secrets[PASSWORD.name] = pulumi.Output.secret(own.get_secret_value())
        if course.hub.authentication.oauth is not None:
            client_secret = course.hub.authentication.oauth.client_secret
            secrets[CLIENT_SECRET.name] = pulumi.Output.secret(client_secret.get_secret_value())
        if certificate is not None:
            secrets[CERTIFICATE.name] = pulumi.Output.from_input(certificate.certificate)
            secrets[KEY.name] = pulumi.Output.secret(certificate.key)
        elif course.hub.https is not None:
            secrets |= make_certificate(f"{name}-certificate", course, self)
        in_cluster, namespace = cluster.inside(self), guardrails.namespace
        database = kubernetes.core.v1.PersistentVolume(
            f"{name}-database",
            metadata={"name": DATABASE.name},
            spec=DATABASE.volume(NAMESPACE),
            opts=pulumi.ResourceOptions.merge(in_cluster, pulumi.ResourceOptions(depends_on=[dataset.database])),
        )
        lab = kubernetes.core.v1.ConfigMap(
            f"{name}-lab",
            metadata={"name": NAME, "namespace": namespace.metadata.name},
            data={key(file): (ROOT / "lab" / file).read_text() for file in FILES},
            opts=in_cluster,
        )
        self._claim_homes(name, namespace, in_cluster)
        homes = [] if workspaces is None else [workspaces.command]
        sandbox = [] if runtime is None else [runtime.command]
        self.release = kubernetes.helm.v3.Release(
            f"{name}-release",
            name=RELEASE,
            namespace=namespace.metadata.name,
            chart=chosen.chart,
            version=chosen.version,
            repository_opts=kubernetes.helm.v3.RepositoryOptsArgs(repo=chosen.repository)
            if chosen.repository
            else None,
            values=with_secrets(hub_values(course, chosen, hubside_sources(), starts(server.this_server())), secrets),
            description=f"chart {tree_hash(ROOT / chosen.chart)}" if (ROOT / chosen.chart).is_dir() else None,
            atomic=True,
            cleanup_on_fail=True,
            timeout=_TIMEOUT_SECONDS,
            max_history=_REVISIONS,
            # No pod may start before the rules are there, and no server before its home is (the kubelet would make a
            # plain folder of that name), nor without what it shows of it, nor in a sandbox that is not proven.
            opts=pulumi.ResourceOptions.merge(
                in_cluster, pulumi.ResourceOptions(depends_on=[*guardrails.rules, lab, database, *homes, *sandbox])
            ),
        )
        self.password = secrets[PASSWORD.name]
        self.status = self.release.status.apply(lambda status: status.status)
        self.register_outputs({"status": self.status})

    def _claim_homes(self, name: str, namespace: kubernetes.core.v1.Namespace, opts: pulumi.ResourceOptions) -> None:
        """The one volume that all homes are folders of, and the claim that students' pods name.

        Also where there is no roster: Kubernetes takes no claim away that a server uses, so that whoever gives up the
        roster would have to wait for all servers to end. The hub does not wait for them: binding the two takes as long
        as the hub's own start, and a student's pod waits by itself until they are bound.
        """
        volume = kubernetes.core.v1.PersistentVolume(
            f"{name}-homes-volume", metadata={"name": HOMES.name}, spec=HOMES.volume(NAMESPACE), opts=opts
        )
        kubernetes.core.v1.PersistentVolumeClaim(
            f"{name}-homes-claim",
            metadata={"name": HOMES.claim, "namespace": namespace.metadata.name},
            spec=HOMES.claim_spec(),
            opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[volume])),
        )


def hubside_sources() -> dict[str, str]:
    """The files of hubside/, by name."""
    return {name: (ROOT / "hubside" / name).read_text() for name in hubside.FILES}


def with_secrets(values: Any, secrets: Mapping[str, pulumi.Output[str] | str]) -> Any:
    """The values with every SecretRef replaced by its secret."""
    if isinstance(values, SecretRef):
        return secrets[values.name]
    if isinstance(values, dict):
        return {key: with_secrets(value, secrets) for key, value in values.items()}
    if isinstance(values, list):
        return [with_secrets(value, secrets) for value in values]
    return values
