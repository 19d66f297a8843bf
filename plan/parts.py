"""Where the parts of a course come from: their makers, or the build from package registries in offline/."""

from dataclasses import dataclass

from config.course import Course


@dataclass(frozen=True)
class Parts:
    """Node image, chart and images of one course. `local` images are only on the server: no registry has them."""

    node_image: str
    chart: str
    version: str | None
    repository: str | None
    images: dict[str, str]  # by component: hub, proxy, singleuser; those missing are the chart's own
    local: tuple[str, ...]


MAKERS = Parts(
    node_image="kindest/node:v1.34.4",
    chart="jupyterhub",
    version="4.4.1",
    repository="https://hub.jupyter.org/helm-chart/",
    images={},
    local=(),
)
_REGISTRY_IMAGES = {
    "hub": "coursehub/hub:5.5.4",
    "proxy": "coursehub/proxy:5.3.0",
    "singleuser": "coursehub/singleuser:5.5.4",
}
_REGISTRY_NODE = "coursehub/node:v1.34.4"
# The chart is a stand-in of our own for the official one: offline/chart/jupyterhub/README.md.
REGISTRIES = Parts(
    node_image=_REGISTRY_NODE,
    chart="./offline/chart/jupyterhub",
    version=None,
    repository=None,
    images=_REGISTRY_IMAGES,
    local=(_REGISTRY_NODE, *_REGISTRY_IMAGES.values()),
)


def parts(course: Course) -> Parts:
    """The parts of `course`: those of `course.parts`, each replaced by what the configuration names itself."""
    base = MAKERS if course.parts == "makers" else REGISTRIES
    hub = course.hub
    own_images = {
        component: image
        for component, image in (
            ("hub", hub.images.hub),
            ("proxy", hub.images.proxy),
            ("singleuser", hub.images.singleuser),
        )
        if image is not None
    }
    images = {**base.images, **own_images}
    own_chart, node_image = hub.chart is not None, course.cluster.node_image or base.node_image
    return Parts(
        node_image=node_image,
        chart=hub.chart or base.chart,
        version=hub.version if own_chart else hub.version or base.version,
        repository=hub.repository if own_chart else hub.repository or base.repository,
        images=images,
        local=tuple(image for image in base.local if image in (node_image, *images.values())),
    )
