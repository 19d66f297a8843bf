"""The container images of a course, built from Debian's packages, PyPI and npm.

Root file systems are made by debootstrap and imported. What comes from PyPI is installed in a container that is then
committed: the server's own registry settings and certificates are mounted into it while it runs, and never set in its
environment, which a commit would keep, so that nothing of them stays in the image. An image is there when Docker holds
it with the recipe's key as a label.
"""

import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from offline.steps import Step, Workshop

HERE = Path(__file__).parent / "images"
SUITE = "bookworm"
LABEL = "coursehub.recipe"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
PIP_CONFIG = {Path("/etc/pip.conf"): "/etc/pip.conf", Path("~/.config/pip/pip.conf"): "/root/.config/pip/pip.conf"}
REGISTRY_VARIABLES = (
    *("http_proxy", "https_proxy", "no_proxy", "pip_proxy"),
    *("pip_index_url", "pip_extra_index_url", "pip_trusted_host", "pip_default_timeout"),
)

HUB = "coursehub/hub:5.5.4"
PROXY = "coursehub/proxy:5.3.0"
SINGLEUSER = "coursehub/singleuser:5.5.4"
APP_BASE = f"coursehub/app-base:{SUITE}"
NODE_ROOT = f"coursehub/node-root:{SUITE}"
SMALL_ROOT = f"coursehub/small-root:{SUITE}"

APP_PACKAGES = ("ca-certificates", "git", "python3", "python3-venv", "tini")
# What kind's own node image installs, and the container runtime and policy tools that it brings as binaries.
NODE_PACKAGES = (
    *("systemd", "systemd-sysv", "dbus", "util-linux", "mount", "kmod", "procps", "bash", "ca-certificates"),
    *("containerd", "runc", "containernetworking-plugins", "libseccomp2", "pigz", "curl", "jq"),
    *("conntrack", "iptables", "nftables", "iproute2", "ipset", "ethtool", "socat", "nfs-common", "e2fsprogs"),
    *("busybox-static", "netbase"),  # for the small root that the node's own images stand on
)


def held(image: str, key: str) -> bool:
    """Whether Docker holds the image, made by the recipe with this key."""
    label = f'{{{{index .Config.Labels "{LABEL}"}}}}'
    found = subprocess.run(
        ["docker", "image", "inspect", "--format", label, image], capture_output=True, text=True, check=False
    )
    return found.returncode == 0 and found.stdout.strip() == key


def image_step(
    name: str, image: str, make: Callable[[Workshop], None], *, recipe: Sequence[Path] = (), needs: Sequence[str] = ()
) -> Step:
    """A step whose result is an image; its folder only tells the image's name."""

    def make_and_note(shop: Workshop) -> None:
        make(shop)
        (shop.out / "image").write_text(image)

    # This file is part of every recipe: what an image is made of stands here.
    return Step(
        name,
        make_and_note,
        recipe=[Path(__file__), *recipe],
        pins={"image": image},
        needs=needs,
        made=lambda key: held(image, key),
    )


def root_step(name: str, packages: Sequence[str]) -> Step:
    """A Debian root file system with some packages, as `rootfs.tar`."""

    def make(shop: Workshop) -> None:
        root = shop.out / "root"
        include = f"--include={','.join(packages)}"
        shop.run(["debootstrap", "--variant=minbase", include, SUITE, root, debian_mirror()])
        for rubbish in ("var/cache/apt/archives", "var/lib/apt/lists", "usr/share/doc", "usr/share/man"):
            shutil.rmtree(root / rubbish, ignore_errors=True)
        (root / "etc/resolv.conf").write_text("")
        shop.run(["tar", "-C", root, "-cf", shop.out / "rootfs.tar", "."])
        shutil.rmtree(root)

    return Step(name, make, pins={"suite": SUITE, "packages": " ".join(packages)})


def debian_mirror() -> str:
    """Where this server gets Debian's packages from; Debian's own address where that cannot be told."""
    for source in sorted(Path("/etc/apt").glob("sources.list.d/*.sources")):
        for line in source.read_text().splitlines():
            if line.startswith("URIs:") and "/debian" in line and "security" not in line:
                return line.split()[1]
    for line in _lines(Path("/etc/apt/sources.list")):
        words = [word for word in line.split() if not word.startswith("[")]
        if words[:1] == ["deb"] and words[1].rstrip("/").endswith("/debian"):
            return words[1]
    return "http://deb.debian.org/debian"


def _lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


def imported(image: str, root: str) -> Callable[[Workshop], None]:
    """Make `image` of the root file system that step `root` made."""

    def make(shop: Workshop) -> None:
        label = f"LABEL {LABEL}={shop.key}"
        shop.run(["docker", "import", "-c", label, shop.results[root] / "rootfs.tar", image])

    return make


def installed(image: str, folder: Path, changes: Sequence[str]) -> Callable[[Workshop], None]:
    """Make `image` by running `install.sh` of `folder`, seen as /recipe, in the base image."""

    def make(shop: Workshop) -> None:
        container = f"coursehub-build-{image.replace('/', '-').replace(':', '-')}"
        forget(container)
        settings = shop.out / "settings"
        settings.touch(mode=0o600)
        settings.write_text(exports(registry_settings(os.environ)))
        mounts = {folder: "/recipe", settings: "/settings", CERTIFICATES: str(CERTIFICATES), **PIP_CONFIG}
        found = [(source.expanduser(), target) for source, target in mounts.items() if source.expanduser().exists()]
        options = ["--network=host", *(f"--volume={source}:{target}:ro" for source, target in found)]
        script = ". /settings; . /recipe/install.sh"
        shop.run(["docker", "run", "--name", container, *options, APP_BASE, "sh", "-euc", script])
        labelled = [f"LABEL {LABEL}={shop.key}", *changes]
        shop.run(
            ["docker", "commit", *(word for change in labelled for word in ("--change", change)), container, image]
        )
        shop.run(["docker", "rm", container])
        settings.unlink()

    return make


def forget(container: str) -> None:
    """Take away a container that an interrupted build left, and what goes on in it."""
    subprocess.run(["docker", "rm", "--force", "--volumes", container], capture_output=True, check=False)


def registry_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables by which pip reaches its registry as it does on this server."""
    kept = {name: value for name, value in environment.items() if name.lower() in REGISTRY_VARIABLES}
    # The certificates are mounted where Debian has its own, wherever they are on the server.
    return {**kept, "PIP_CERT": str(CERTIFICATES)}


def exports(variables: Mapping[str, str]) -> str:
    """Lines of shell that set the variables."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())


def make_proxy(shop: Workshop) -> None:
    """The proxy image; npm runs on the server and its result is copied in."""
    context = shop.out / "context"
    shutil.copytree(HERE / "proxy", context)
    shop.run(["npm", "ci", "--omit=dev", "--no-fund", "--no-audit"], cwd=context)
    docker_build(shop, PROXY, APP_BASE, context)
    shutil.rmtree(context)


def docker_build(shop: Workshop, image: str, base: str, context: Path) -> None:
    """Build `image` from the Dockerfile of a folder, labelled with the recipe's key."""
    shop.run(["docker", "build", "--label", f"{LABEL}={shop.key}", "--build-arg", f"BASE={base}", "-t", image, context])


def make_small_root(shop: Workshop) -> None:
    """The base of the images in the node, cut out of the node's own root."""
    context = shop.out / "context"
    shutil.copytree(HERE / "small-root", context)
    mounts = [f"--volume={context}:/out", f"--volume={HERE / 'small-root'}:/recipe:ro"]
    shop.run(["docker", "run", "--rm", "--network", "none", *mounts, NODE_ROOT, "sh", "-eu", "/recipe/files.sh"])
    docker_build(shop, SMALL_ROOT, "scratch", context)
    shutil.rmtree(context)


_PATH = 'ENV PATH="/opt/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" LANG=C.UTF-8'
_INIT = 'ENTRYPOINT ["tini", "--"]'
_HUB_CHANGES = [_PATH, _INIT, "USER 1000", "WORKDIR /srv/jupyterhub", 'CMD ["jupyterhub"]']
_STUDENT_CHANGES = [
    *(_PATH, _INIT, "USER 1000:100", "ENV HOME=/home/jovyan", "WORKDIR /home/jovyan"),
    'CMD ["jupyterhub-singleuser"]',
]

IMAGE_STEPS: list[Step] = [
    root_step("app-root", APP_PACKAGES),
    image_step("app-base", APP_BASE, imported(APP_BASE, "app-root"), needs=["app-root"]),
    root_step("node-root", NODE_PACKAGES),
    image_step("node-base", NODE_ROOT, imported(NODE_ROOT, "node-root"), needs=["node-root"]),
    image_step("small-root", SMALL_ROOT, make_small_root, recipe=[HERE / "small-root"], needs=["node-base"]),
    image_step("hub", HUB, installed(HUB, HERE / "hub", _HUB_CHANGES), recipe=[HERE / "hub"], needs=["app-base"]),
    image_step("proxy", PROXY, make_proxy, recipe=[HERE / "proxy"], needs=["app-base"]),
    image_step(
        "singleuser",
        SINGLEUSER,
        installed(SINGLEUSER, HERE / "singleuser", _STUDENT_CHANGES),
        recipe=[HERE / "singleuser"],
        needs=["app-base"],
    ),
]
