"""The course's materials, that every home starts from."""

from config.section import Section
from config.types import FolderPath, GitAddress, Revision


class Template(Section):
    """The course's materials: a folder, or a revision in git. Without either, homes begin empty."""

    folder: FolderPath | None = None
    """A folder on this server, from the program's folder or absolute. Each change of its content is a new version.
    `.git` is left out. All of it is read at each preview."""
    git: GitAddress | None = None
    """A git repository: https://, ssh:// or git@host:path, without a password, fetched by whoever runs pulumi.
    Submodules are not fetched."""
    revision: Revision | None = None
    """The tag, branch or whole commit in `git`. It is fetched once: what a branch gets later comes with
    another revision alone."""
