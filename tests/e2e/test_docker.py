"""What Docker is asked, by the real one."""

from host import docker
from tests.e2e.conftest import NODE_IMAGE


def test_the_images_that_docker_has_are_told_from_those_that_it_lacks() -> None:
    own = {NODE_IMAGE: docker.image_id(NODE_IMAGE)}
    assert own[NODE_IMAGE].startswith("sha256:")
    assert docker.image_ids([]) == {}
    assert docker.image_ids([NODE_IMAGE]) == own
    assert docker.image_ids(["coursehub/no-such-image:1", NODE_IMAGE]) == own
