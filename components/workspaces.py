"""The students' homes and the template that they are clones of."""

import pulumi

from components.dataset import Dataset
from components.host_command import UnitFailed, host_command, observe_unit
from config.course import Course
from plan.homes import workspaces_spec
from plan.homes_changes import Seen, Wanted, changes, refusals
from plan.template import origin, template_spec


class Workspaces(pulumi.ComponentResource):
    """One clone of the course's template for each student of the roster, made by one command, whatever the size."""

    def __init__(
        self,
        name: str,
        *,
        course: Course,
        version: str,
        dataset: Dataset,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("coursehub:storage:Workspaces", name, {}, opts)
        if pulumi.runtime.is_dry_run():
            tell_changes(course, version)
        self.template = host_command(
            f"{name}-template",
            "template",
            spec=template_spec(course, version),
            identity=[course.storage.path],
            parent=self,
            depends_on=[dataset.command],
        )
        self.command = host_command(
            f"{name}-workspaces",
            "workspaces",
            spec=workspaces_spec(course, version),
            identity=[course.storage.path],
            parent=self,
            depends_on=[self.template],
        )
        self.register_outputs({})


def tell_changes(course: Course, version: str) -> None:
    """Say what an `up` would change about the homes, which the commands' inputs alone do not show. Only reads."""
    template, homes = template_spec(course, version), workspaces_spec(course, version)
    try:
        seen = Seen.from_units(observe_unit("template", template), observe_unit("workspaces", homes))
    except UnitFailed as failure:
        pulumi.log.info(f"what will change about the homes cannot be told: {failure}")
        return
    budgets = {student["name"]: student["budget"] for student in homes["students"]}
    for sentence in changes(Wanted(budgets, version, origin(course.homes.template)), seen):
        pulumi.log.info(sentence)
    for sentence in refusals(seen):
        pulumi.log.warn(sentence)
