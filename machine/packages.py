"""The server's packages: what is missing is installed from the distribution, nothing else is changed."""

from collections.abc import Callable, Mapping

from machine.shell import NotReady, root, say, there, works

# The program that proves a package installed, and the package. Debian and Ubuntu names.
ALWAYS = {"dockerd": "docker.io", "chattr": "e2fsprogs", "rsync": "rsync", "git": "git", "openssl": "openssl"}
DOCKER_CLIENT = {"docker": "docker-cli"}  # a package of its own since Debian 13
FOR_REGISTRIES = {"debootstrap": "debootstrap", "npm": "npm", "patch": "patch"}
CRON = {"cron": "cron"}
PYTHON = {"ensurepip": "python3-venv"}
KERNEL_ZFS = {"zfs": "zfsutils-linux"}
FUSE_ZFS = {"zfs-fuse": "zfs-fuse"}


def missing(wanted: Mapping[str, str], there: Callable[[str], bool]) -> list[str]:
    """The packages whose program is not there, in order."""
    return [package for program, package in wanted.items() if not there(program)]


def install(wanted: Mapping[str, str], there: Callable[[str], bool] = there) -> None:
    """Install what is missing. Raises NotReady where apt cannot."""
    lacking = missing(wanted, there)
    if not lacking:
        return
    if not works(["apt-get", "--version"]):
        raise NotReady(f"missing: {', '.join(lacking)}. This is no Debian or Ubuntu: install them by hand")
    say(f"installing {', '.join(lacking)}")
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    try:
        root(["apt-get", "install", "-y", "--no-install-recommends", *lacking], quiet)
    except NotReady:
        root(["apt-get", "update"], quiet)
        root(["apt-get", "install", "-y", "--no-install-recommends", *lacking], quiet)
