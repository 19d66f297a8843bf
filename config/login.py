"""Accounts that are kept elsewhere: at a login service of the university, or in its learning platform."""

from typing import Annotated

from pydantic import Field, SecretStr

from config.section import Section
from config.types import Claim, ClientName, Endpoint


class OAuth(Section):
    """A login service that speaks OpenID Connect, such as Keycloak, Shibboleth or Entra ID. Register the hub there with
    the callback `<hub.url>/hub/oauth_callback`."""

    client_id: ClientName
    """Under which name the service knows this hub."""
    client_secret: SecretStr
    """What the service gave to prove it; set it with `pulumi config set --secret --path`."""
    authorize_url: Endpoint
    """Where browsers are sent to log in."""
    token_url: Endpoint
    """Where the hub learns that somebody has."""
    userdata_url: Endpoint
    """Where the hub asks who that is."""
    username_claim: Claim = "preferred_username"
    """What of the answer is the name in the roster, in lower case. Never one that people can change themselves."""
    scopes: tuple[Claim, ...] = ("openid", "profile")
    """What the hub asks to be told."""


class Lti13(Section):
    """A learning platform that starts the hub as a tool by LTI 1.3, such as Moodle or Canvas. Register the hub there
    with `<hub.url>/hub/lti13/oauth_login` for logins and `<hub.url>/hub/lti13/oauth_callback` as redirect."""

    issuer: Endpoint
    """How the platform calls itself, exactly as it says."""
    client_ids: Annotated[tuple[ClientName, ...], Field(min_length=1)]
    """Under which names the platform knows this hub."""
    authorize_url: Endpoint
    """The platform's address for authentication requests."""
    jwks_url: Endpoint
    """Where the platform shows its public keys."""
    username_claim: Claim = "custom_username"
    """What of the launch is the name in the roster, in lower case; nobody gets in without it. The default is the custom
    parameter `username`: add `username=$User.username` (in Canvas `$Canvas.user.loginId`) to the tool."""
