"""How browsers reach the hub without anybody between reading or changing what is said."""

from config.section import Section
from config.types import FilePath


class Https(Section):
    """HTTPS at the hub's own port: with a certificate of your own, or in development with one that the stack makes."""

    certificate: FilePath | None = None
    """A file of this server with the certificate and its chain, as PEM; such as Let's Encrypt's fullchain.pem. It is
    read at each `up`: run one after it was renewed."""
    key: FilePath | None = None
    """The file with its private key, as PEM without a password. It is kept encrypted in the state."""
    self_signed: bool = False
    """Make a certificate that nobody vouches for, of which browsers warn; in development only."""
