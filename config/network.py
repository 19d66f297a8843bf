"""What students' servers may talk to, besides the hub."""

from ipaddress import IPv4Network
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from config.section import Section


def _range(given: Any) -> Any:
    try:
        return IPv4Network(given)
    except (ValueError, TypeError):
        raise PydanticCustomError("range", "a range of IPv4 addresses is needed, such as 192.0.2.0/24") from None


Range = Annotated[IPv4Network, BeforeValidator(_range)]


class Network(Section):
    """Where students' programs may go. Whatever is not listed here or needed by the hub is refused."""

    internet: Literal["web", "none", "ranges"] = "web"
    """`web`: ports 80 and 443 of the internet, for packages, data and git; never private addresses, nor this server's
    own. `none`: nothing. `ranges`: ports 80 and 443 of `ranges` alone."""
    ranges: tuple[Range, ...] = ()
    """For `internet: ranges`, the addresses that students may reach; private ones are meant if they are listed. Never
    those where a cloud keeps a server's secrets, nor this server's own."""
    blocked: tuple[Range, ...] = ()
    """For `internet: web`, public addresses that students may not reach, such as the campus's own."""
