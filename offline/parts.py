"""The programs of a course and how each is built. To change a version, change it here and in the part's go.mod.

Every part is a Go module of ours, offline/go/<part>, whose go.mod and go.sum pin all that goes into it. Where a
program cannot be built as it is published, a comment in its go.mod or main.go says why. Libraries have one version in
coredns and local-path-provisioner, and one in command and pulumi-kubernetes: what two parts share is compiled once.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from offline.steps import Step, Workshop

GO = Path(__file__).parent / "go"

PULUMI = "3.259.0"
KUBERNETES = "1.34.4"
KUBERNETES_PROVIDER = "4.25.0"
COMMAND_PROVIDER = "1.2.1"  # of the SDK that the stand-in serves

# What runs on the server, by the step that makes it; all else lives in images.
PROGRAMS = {
    "pulumi": ("pulumi",),
    "pulumi-language-python": ("pulumi-language-python", "pulumi-language-python-exec"),
    "kind": ("kind",),
    "kubernetes": ("kubectl",),
}
PLUGINS = {
    "command": ("pulumi-resource-command", f"resource-command-v{COMMAND_PROVIDER}"),
    "pulumi-kubernetes": ("pulumi-resource-kubernetes", f"resource-kubernetes-v{KUBERNETES_PROVIDER}"),
}


def go_step(
    name: str,
    package: str = ".",
    *,
    program: str | None = None,
    tags: str = "",
    stamps: Mapping[str, str] | None = None,
) -> Step:
    """Build one program; `stamps` sets its version variables, which the makers set when they release it."""
    program = program or name
    flags = " ".join(["-s -w", *(f"-X {variable}={value}" for variable, value in (stamps or {}).items())])

    def make(shop: Workshop) -> None:
        go_build(shop, GO / name, package, shop.out / program, flags, tags)

    return Step(name, make, recipe=[GO / name], pins={"flags": flags, "tags": tags, "package": package})


def go_build(
    shop: Workshop, folder: Path, package: str, out: Path, flags: str, tags: str = "", toolchain: str | None = None
) -> None:
    """Build one static program, so that it runs in any image; by another Go than the server's where one is named."""
    build: Sequence[str | Path] = ["go", "build", "-trimpath", f"-tags={tags}", f"-ldflags={flags}", "-o", out, package]
    env = {"CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly -buildvcs=false"}
    # The compiler collects its garbage rarely: the largest packages compile in 0.6 of the time, as measured.
    env |= {"GOGC": "1000", "GOMEMLIMIT": "2GiB"}
    shop.run(build, cwd=folder, env={**env, **({"GOTOOLCHAIN": toolchain} if toolchain else {})})


def module_folder(shop: Workshop, folder: Path, module: str) -> Path:
    """Where Go keeps the source of a module that `folder` requires."""
    shop.run(["go", "mod", "download", module], cwd=folder)
    return Path(shop.ask(["go", "list", "-m", "-f", "{{.Dir}}", module], cwd=folder))


def _kubernetes() -> Step:
    version = {"gitVersion": f"v{KUBERNETES}", "gitMajor": "1", "gitMinor": KUBERNETES.split(".")[1]}
    version |= {"gitTreeState": "clean", "gitCommit": f"v{KUBERNETES}", "buildDate": "1970-01-01T00:00:00Z"}
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    stamps = {f"{package}.{variable}": value for package in packages for variable, value in version.items()}
    step = go_step("kubernetes", stamps=stamps)

    def make(shop: Workshop) -> None:
        step.make(shop)
        (shop.out / "kubectl").symlink_to("kubernetes")

    return Step(step.name, make, recipe=step.recipe, pins=step.pins)


def _kind() -> Step:
    step = go_step("kind", "sigs.k8s.io/kind")

    def make(shop: Workshop) -> None:
        step.make(shop)
        # The node image is made of them: entrypoint, units and slices as this version of kind expects them.
        source = module_folder(shop, GO / "kind", "sigs.k8s.io/kind") / "images" / "base" / "files"
        shutil.copytree(source, shop.out / "node-files")

    return Step(step.name, make, recipe=step.recipe, pins=step.pins)


def _language_python() -> Step:
    # The host's own module is not to be had; this release of the SDK still holds it, and it serves newer CLIs.
    step = go_step("pulumi-language-python", "github.com/pulumi/pulumi/sdk/v3/python/cmd/pulumi-language-python")

    def make(shop: Workshop) -> None:
        step.make(shop)
        sdk = module_folder(shop, GO / "pulumi", "github.com/pulumi/pulumi/sdk/v3")
        launcher = shop.out / "pulumi-language-python-exec"
        shutil.copyfile(sdk / "python" / "cmd" / launcher.name, launcher)
        launcher.chmod(0o755)

    return Step(step.name, make, recipe=[*step.recipe, GO / "pulumi" / "go.mod"], pins=step.pins)


def _kubernetes_provider() -> Step:
    folder = GO / "pulumi-kubernetes"
    module = "github.com/pulumi/pulumi-kubernetes/provider/v4"
    flags = f"-s -w -X {module}/pkg/version.Version=v{KUBERNETES_PROVIDER}"

    def make(shop: Workshop) -> None:
        # The provider embeds its schema, 7 MB, which its module holds: it is put beside our main for the build.
        source = shop.out / "source"
        shutil.copytree(folder, source)
        embedded = module_folder(shop, folder, module) / "cmd" / "pulumi-resource-kubernetes"
        for name in ("schema.json", "terraform-mapping.json"):
            content = json.loads((embedded / name).read_text())
            (source / name).write_text(json.dumps(content, separators=(",", ":")))
        go_build(shop, source, ".", shop.out / "pulumi-resource-kubernetes", flags)
        shutil.rmtree(source)

    return Step("pulumi-kubernetes", make, recipe=[folder], pins={"flags": flags})


# What everything else waits for comes first.
TOOL_STEPS: list[Step] = [
    _kubernetes(),
    go_step("etcd"),
    go_step("pause"),
    _kind(),
    go_step("coredns"),
    go_step("local-path-provisioner", "github.com/rancher/local-path-provisioner"),
    go_step("kube-router", "github.com/cloudnativelabs/kube-router/v2/cmd/kube-router"),
    go_step(
        "pulumi",
        "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
        tags="osusergo,grpcnotrace",
        stamps={"github.com/pulumi/pulumi/sdk/v3/go/common/version.Version": f"v{PULUMI}"},
    ),
    _language_python(),
    go_step("command", program="pulumi-resource-command"),
    _kubernetes_provider(),
]


def link_tools(results: Mapping[str, Path], cache: Path, programs: Mapping[str, Sequence[str]] = PROGRAMS) -> Path:
    """Put the server's programs into a folder for PATH, and Pulumi's plugins where it looks for them; the first folder.

    Hard links: pulumi takes a language host for its own only where both really lie in one folder.
    """
    tools = cache / "tools"
    for step, names in programs.items():
        for program in names:
            _link(results[step] / program, tools / program)
    for step, (program, plugin) in PLUGINS.items():
        _link(results[step] / program, cache / "pulumi" / "plugins" / plugin / program)
    return tools


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f".{target.name}")
    fresh.unlink(missing_ok=True)
    fresh.hardlink_to(source.resolve())
    fresh.replace(target)
