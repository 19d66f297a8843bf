"""Runs the program against Pulumi's mocks and records what it registers, with edges and options."""

import os
import runpy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
from pulumi.runtime import mocks, rpc, set_all_config

ROOT = Path(__file__).resolve().parents[2]
NOWHERE = Path("/nonexistent")
DRAWN = '{"proxy_token": "t0", "cookie_secret": "c0", "crypt_key": "k0", "password": "p0"}'


@dataclass(frozen=True)
class Registered:
    """One resource as the engine would see it."""

    type: str
    inputs: dict[str, Any]
    parent: str
    needs: frozenset[str]  # names of the resources it waits for
    deleted_with: str
    replace_with: frozenset[str]
    delete_before_replace: bool
    replace_on_changes: tuple[str, ...]
    secret_outputs: tuple[str, ...]


class Answers(mocks.Mocks):
    """What the commands and the release would answer. Anything it was not told of fails."""

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        printed = {
            "dataset-zfs": "{}",
            "dataset-database": "{}",
            "cluster-kind": '{"kubeconfig": "/k", "address": "172.18.0.2", "server": []}',
            "dataset-schedule": "{}",
            "hub-secrets": DRAWN,
            "hub-certificate": '{"names": [], "certificate": "c1", "key": "k1"}',
            "homes-template": "{}",
            "runtime-proof": "{}",
            "homes-workspaces": "{}",
            "leaving-check": "{}",
        }
        match args.typ:
            case "command:local:Command":
                return args.name, {**args.inputs, "stdout": printed[args.name], "stderr": ""}
            case "kubernetes:helm.sh/v3:Release":
                return args.name, {**args.inputs, "status": {"status": "deployed"}}
            case typ if typ.startswith(
                (
                    "pulumi:providers:",
                    "kubernetes:core/v1:",
                    "kubernetes:networking.k8s.io/v1:",
                    "kubernetes:scheduling.k8s.io/v1:",
                )
            ):
                return args.name, dict(args.inputs)
            case typ if typ.startswith("coursehub:"):
                return args.name, dict(args.inputs)
        raise AssertionError(f"nothing is known of {args.typ}")

    def call(self, args: mocks.MockCallArgs) -> Any:
        raise AssertionError(f"the program called {args.token}: it would do so at preview as well")


class _Monitor(mocks.MockMonitor):
    def __init__(self) -> None:
        super().__init__(Answers())
        self.registered: dict[str, Registered] = {}

    def RegisterResource(self, request: Any) -> Any:
        if request.type != "pulumi:pulumi:Stack":
            self.registered[request.name] = Registered(
                type=request.type,
                inputs=rpc.deserialize_properties(request.object),
                parent=_name(request.parent),
                needs=frozenset(_name(urn) for urn in request.dependencies),
                deleted_with=_name(request.deletedWith),
                replace_with=frozenset(_name(urn) for urn in request.replace_with),
                delete_before_replace=request.deleteBeforeReplace,
                replace_on_changes=tuple(request.replaceOnChanges),
                secret_outputs=tuple(request.additionalSecretOutputs),
            )
        return super().RegisterResource(request)  # type: ignore[no-untyped-call]


def _name(urn: str) -> str:
    return urn.rsplit("::", 1)[-1]


def run_program(config: Mapping[str, Any], state: Path = NOWHERE) -> pulumi.Output[dict[str, Registered]]:
    """Run `__main__.py`, as at preview, with a configuration; what it registered, once everything is.

    `state` is the folder where the stack notes what it made; without it nothing is known to be made.
    """
    os.environ["COURSEHUB_STATE"] = str(state)
    monitor = _Monitor()
    mocks.set_mocks(mocks=Answers(), project="coursehub", stack="dev", monitor=monitor, preview=True)
    set_all_config({f"coursehub:{key}": value for key, value in config.items()}, [])
    exported: dict[str, Any] = {}
    export = pulumi.export
    pulumi.export = exported.__setitem__  # type: ignore[assignment] # the mocks keep no stack outputs
    try:
        made = runpy.run_path(str(ROOT / "__main__.py")).values()
    finally:
        pulumi.export = export
    components = [value for value in made if isinstance(value, pulumi.ComponentResource)]
    urns = [child.urn for component in components for child in component._childResources]
    return pulumi.Output.all(*urns, *exported.values()).apply(lambda _: monitor.registered)
