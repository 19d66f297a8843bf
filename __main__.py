"""One course: the dataset, the cluster on top of it and the hub in it."""

import pulumi

from components.cluster import Cluster
from components.dataset import Dataset
from components.guardrails import Guardrails
from components.hub import Hub
from components.leaving import Leaving
from components.looks import look
from components.runtime import Runtime
from components.workspaces import Workspaces
from config.load import load
from plan.next_steps import here, next_steps, somebody, url
from plan.runtime import sandboxed

found = look(load())
course = found.course

dataset = Dataset("dataset", course=course)
roster = course.homes.mode == "roster"
workspaces = Workspaces("homes", course=course, version=found.version, dataset=dataset) if roster else None
cluster = Cluster("cluster", course=course, dataset=dataset, workspaces=workspaces)
guardrails = Guardrails("guardrails", course=course, cluster=cluster)
runtime = Runtime("runtime", course=course, cluster=cluster) if sandboxed(course) else None
hub = Hub(
    "hub",
    course=course,
    dataset=dataset,
    cluster=cluster,
    guardrails=guardrails,
    workspaces=workspaces,
    certificate=found.certificate,
    runtime=runtime,
)
leaving = Leaving("leaving", course=course, after=[dataset, hub])

pulumi.export("url", url(course))
pulumi.export("here", here(course))
pulumi.export("somebody", somebody(course))
pulumi.export("dataset", dataset.path)
pulumi.export("kubeconfig", cluster.kubeconfig)
pulumi.export("release", hub.status)
if course.hub.authentication.method == "dummy":
    pulumi.export("password", hub.password)
pulumi.export("next", next_steps(course))
