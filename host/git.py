"""One revision of a git repository, without its history. Git runs as whoever calls, with that user's keys.

What the repository or its server says can make git neither ask for a password, nor run a hook, nor speak another
protocol.
"""

import re
from pathlib import Path

from host.run import CommandFailed, Refused, run, which

# No part begins with a dash, so that none is taken for an option; no address holds a password, as addresses are shown.
_PART = r"[A-Za-z0-9_~.][A-Za-z0-9_~.+-]*"
_USER = r"[A-Za-z0-9_][A-Za-z0-9_.-]*@"
_HOST = r"[A-Za-z0-9][A-Za-z0-9.-]*"
_SERVER = rf"https://{_HOST}(:\d{{1,5}})?|ssh://({_USER})?{_HOST}(:\d{{1,5}})?"
ADDRESS = re.compile(rf"({_SERVER}|{_USER}{_HOST}:/?{_PART}|/{_PART})(/{_PART})*/?")
REVISION = re.compile(r"(?!.*\.\.)[A-Za-z0-9_]([A-Za-z0-9_.+/-]{0,98}[A-Za-z0-9_+-])?")

_FOREIGN = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_NAMESPACE")
_SLOWEST_SECONDS = 60  # without a byte from the server


def fetch(address: str, revision: str, folder: Path) -> str:
    """Fetch a tag, a branch or a commit into an empty folder; the commit that it was.

    Raises Refused where there is no git or no such revision, CommandFailed where it does not answer or lets nobody in.
    """
    if which("git") is None:
        raise Refused("the program `git` is not on this server: `make up` installs what a course needs")
    run(_git("init", "--quiet", "--template=", str(folder)))
    try:
        run(_git("-C", str(folder), "fetch", "--quiet", "--depth=1", "--no-tags", "--", address, revision))
    except CommandFailed as failure:
        if "couldn't find remote ref" in failure.stderr:
            raise Refused(
                f"{address} has no tag and no branch {revision}: see `git ls-remote {address}`;"
                " a commit is given with all its 40 digits"
            ) from None
        raise
    run(_git("-C", str(folder), "checkout", "--quiet", "--detach", "FETCH_HEAD"))
    return run(_git("-C", str(folder), "rev-parse", "HEAD")).strip()


def _git(*arguments: str) -> list[str]:
    """Git as it runs unattended, whatever the environment (a hook's, say) and the user's settings are."""
    return [
        "env",
        *(word for variable in _FOREIGN for word in ("-u", variable)),
        "LC_ALL=C",
        "GIT_ALLOW_PROTOCOL=https:ssh:file",
        # Who could be asked? A password is to fail at once.
        "GIT_TERMINAL_PROMPT=0",
        "SSH_ASKPASS=/bin/false",
        "SSH_ASKPASS_REQUIRE=force",
        "git",
        *("-c", "core.hooksPath=/dev/null"),
        *("-c", "submodule.recurse=false"),
        *("-c", "maintenance.auto=false"),
        *("-c", "http.lowSpeedLimit=1"),
        *("-c", f"http.lowSpeedTime={_SLOWEST_SECONDS}"),
        *arguments,
    ]
