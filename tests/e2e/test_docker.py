"""What Docker is asked, by the real one."""

from host import docker
from machine.way import way
from plan.parts import MAKERS, REGISTRIES

NODE_IMAGE = (MAKERS if way() == "makers" else REGISTRIES).node_image


def test_the_images_that_docker_has_are_told_from_those_that_it_lacks() -> None:
    own = {NODE_IMAGE: docker.image_id(NODE_IMAGE)}
    assert own[NODE_IMAGE].startswith("sha256:")
    assert docker.image_ids([]) == {}
    assert docker.image_ids([NODE_IMAGE]) == own
    assert docker.image_ids(["coursehub/no-such-image:1", NODE_IMAGE]) == own
