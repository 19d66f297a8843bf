"""The students' homes and the template that they are clones of."""

from collections.abc import Mapping
from typing import Any

import pulumi

from components.dataset import Dataset
from components.drift import observe
from components.host_command import host_command
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
        template, homes = template_spec(course, version), workspaces_spec(course, version)
        template_found = observe("template", template)
        homes_found = observe("workspaces", homes, f"{name}-workspaces")
        if pulumi.runtime.is_dry_run():
            budgets = {student["name"]: student["budget"] for student in homes["students"]}
            want = Wanted(budgets, version, origin(course.homes.template), course.homes.closed)
            tell_changes(want, template_found, homes_found)
        self.template = host_command(
            f"{name}-template",
            "template",
            spec=template,
            identity=[course.storage.path],
            parent=self,
            depends_on=[dataset.command],
            found=template_found,
        )
        self.command = host_command(
            f"{name}-workspaces",
            "workspaces",
            spec=homes,
            identity=[course.storage.path],
            parent=self,
            depends_on=[self.template],
            found=homes_found,
        )
        self.register_outputs({})


def tell_changes(want: Wanted, template: Mapping[str, Any], homes: Mapping[str, Any]) -> None:
    """Say what an `up` would change about the homes, which the commands' inputs alone do not show."""
    try:
        seen = Seen.from_units(template, homes)
    except KeyError:
        words = dict.fromkeys([*template.get("warnings", []), *homes.get("warnings", [])])
        pulumi.log.info(f"what will change about the homes cannot be told: {'; '.join(words)}")
        return
    for sentence in changes(want, seen):
        pulumi.log.info(sentence)
    for sentence in refusals(seen):
        pulumi.log.warn(sentence)
