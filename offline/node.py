"""The kind node's image: Debian, Kubernetes, and all the images of a course, unpacked in the store of its containerd.

Unpacking them is what took longest of a new cluster, 90 s on two cores, and came out the same each time. So it is done
once, here. What is unpacked stays in the image; the node's volume /var, which Docker copies out of the image for every
new node, holds links to it.
"""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from host.docker import image_id
from host.images import NOTE
from offline.images import HERE, HUB, NODE_ROOT, PROXY, SINGLEUSER, SMALL_ROOT, docker_build, forget, image_step
from offline.parts import KUBERNETES
from offline.steps import Step, Workshop

SYSTEM = f"coursehub/node-system:v{KUBERNETES}"
NODE = f"coursehub/node:v{KUBERNETES}"
_COURSE = (HUB, PROXY, SINGLEUSER)


def make_system(shop: Workshop) -> None:
    """The node without images: Debian, kind's own node files, Kubernetes, and what the node starts by itself."""
    context = shop.out / "context"
    context.mkdir()
    shutil.copytree(HERE / "node-system", context / "node")
    (context / "node" / "Dockerfile").rename(context / "Dockerfile")
    shutil.copytree(shop.results["kind"] / "node-files", context / "kind-files")
    for name in ("kubernetes", "kube-router"):
        shutil.copy(shop.results[name] / name, context / name)
    (context / "version").write_text(f"v{KUBERNETES}")
    docker_build(shop, SYSTEM, NODE_ROOT, context)
    shutil.rmtree(context)


def make_node(shop: Workshop) -> None:
    """The node with Kubernetes' images and the course's, as its own containerd unpacks them."""
    images = shop.out / "images.tar"
    shop.run(["docker", "save", "-o", images, *_kubernetes_images(shop), *_COURSE])
    container = "coursehub-build-node"
    forget(container)
    mounts = [f"--volume={HERE / 'node'}:/recipe:ro", f"--volume={shop.out}:/out", "--volume=/store"]
    run = ["docker", "run", "--rm", "--name", container, "--network=none", "--privileged", "--entrypoint=sh", *mounts]
    shop.run([*run, SYSTEM, "-eu", "/recipe/unpack.sh"])
    images.unlink()
    context = shop.out / "context"
    context.mkdir()
    shutil.copy(HERE / "node" / "Dockerfile", context)
    (shop.out / "store.tar").rename(context / "store.tar")
    (context / Path(NOTE).name).write_text(json.dumps({image: image_id(image) for image in _COURSE}))
    docker_build(shop, NODE, SYSTEM, context)
    shutil.rmtree(context)


def _kubernetes_images(shop: Workshop) -> list[str]:
    """Build the images of Kubernetes itself; their names."""
    registry = "registry.k8s.io"
    control_plane = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy")
    images = {name: f"{registry}/{name}:v{KUBERNETES}" for name in control_plane}
    # One image under four names; the program is chosen by the name it is called by.
    _image_of_programs(shop, "kubernetes", list(images.values()), links=control_plane, base=SMALL_ROOT)
    single = {
        "etcd": f"{registry}/etcd:3.6.5-0",
        "coredns": f"{registry}/coredns/coredns:v1.12.1",
        "pause": f"{registry}/pause:3.10.1",
    }
    for program, image in single.items():
        _image_of_programs(shop, program, [image])
    # Its helper pods need a shell.
    provisioner = "coursehub/local-path-provisioner:0.0.30"
    _image_of_programs(shop, "local-path-provisioner", [provisioner], base=SMALL_ROOT)
    return [*images.values(), *single.values(), provisioner]


def _image_of_programs(
    shop: Workshop, program: str, tags: Sequence[str], *, links: Sequence[str] = (), base: str = "scratch"
) -> None:
    """Build an image of one program, with links to it under further names."""
    context = shop.out / f"image-{program}"
    (context / "bin").mkdir(parents=True)
    shutil.copyfile(shop.results[program] / program, context / "bin" / program)
    (context / "bin" / program).chmod(0o755)
    for link in links:
        (context / "bin" / link).symlink_to(program)
    dockerfile = f'FROM {base}\nCOPY bin/ /usr/local/bin/\nENTRYPOINT ["/usr/local/bin/{program}"]\n'
    (context / "Dockerfile").write_text(dockerfile)
    shop.run(["docker", "build", "-q", *(word for tag in tags for word in ("-t", tag)), context])
    shutil.rmtree(context)


NODE_STEPS: list[Step] = [
    image_step(
        "node-system",
        SYSTEM,
        make_system,
        recipe=[Path(__file__), HERE / "node-system"],
        needs=["kubernetes", "kube-router", "kind", "node-base"],
    ),
    image_step(
        "node-image",
        NODE,
        make_node,
        recipe=[Path(__file__), HERE / "node"],
        needs=[
            *("kubernetes", "etcd", "coredns", "local-path-provisioner", "pause"),
            *("small-root", "node-system", "hub", "proxy", "singleuser"),
        ],
    ),
]
