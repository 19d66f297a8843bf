"""What is asked before anything of the course is taken down."""

from collections.abc import Sequence

import pulumi

from components.host_command import host_command
from config.course import Course
from plan.keep import leaving_spec


class Leaving(pulumi.ComponentResource):
    """The last to be made and the first to be deleted: where work may not go, `destroy` ends with all still running.

    It is there whatever `storage.onDestroy` says: were it given up when that becomes `keep`, it would be asked then.
    For the same reason another name of the dataset does not replace it.
    """

    def __init__(
        self,
        name: str,
        *,
        course: Course,
        after: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("coursehub:storage:Leaving", name, {}, opts)
        host_command(f"{name}-check", "leaving", spec=leaving_spec(course), identity=[], parent=self, depends_on=after)
        self.register_outputs({})
