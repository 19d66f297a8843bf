"""One course: the dataset, the cluster on top of it and the hub in it."""

import pulumi

from components.capacity import on_this_server
from components.cluster import Cluster
from components.dataset import Dataset
from components.guardrails import Guardrails
from components.https import read_certificate
from components.hub import Hub
from components.leaving import Leaving
from components.materials import template_version
from components.runtime import Runtime
from components.workspaces import Workspaces
from config.load import load
from plan.next_steps import here, next_steps, somebody, url
from plan.runtime import sandboxed

course = on_this_server(load())
certificate = read_certificate(course)
version = template_version(course)

dataset = Dataset("dataset", storage=course.storage)
roster = course.homes.mode == "roster"
workspaces = Workspaces("homes", course=course, version=version, dataset=dataset) if roster else None
cluster = Cluster("cluster", course=course, dataset=dataset)
guardrails = Guardrails("guardrails", course=course, cluster=cluster)
runtime = Runtime("runtime", course=course, cluster=cluster) if sandboxed(course) else None
hub = Hub(
    "hub",
    course=course,
    dataset=dataset,
    cluster=cluster,
    guardrails=guardrails,
    workspaces=workspaces,
    certificate=certificate,
    runtime=runtime,
)
leaving = Leaving("leaving", storage=course.storage, after=[dataset, hub])

pulumi.export("url", url(course))
pulumi.export("here", here(course))
pulumi.export("somebody", somebody(course))
pulumi.export("dataset", dataset.path)
pulumi.export("kubeconfig", cluster.kubeconfig)
pulumi.export("release", hub.status)
if course.hub.authentication.method == "dummy":
    pulumi.export("password", hub.password)
pulumi.export("next", next_steps(course))
