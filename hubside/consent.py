"""The page where staff lets accounts in, with a button for each change.

The library's has links that change rights when they are opened: whoever got staff to open one would be let in.
"""

from typing import Any

from nativeauthenticator.handlers import DiscardHandler, LocalBase, admin_users_scope
from nativeauthenticator.orm import UserInfo

_PAGE = """\
{% extends "page.html" %}
{% macro button(account, page, what, field="", value="") %}
<form method="post" action="{{ base_url }}{{ page }}/{{ account.username }}" class="d-inline">
  <input type="hidden" name="_xsrf" value="{{ xsrf_token }}">
  {% if field %}<input type="hidden" name="{{ field }}" value="{{ value }}">{% endif %}
  <button type="submit" class="btn btn-sm btn-jupyter">{{ what }}</button>
</form>
{% endmacro %}
{% block main %}
<div class="container">
  <h1>Accounts</h1>
  <p>Who made an account under a name can log in once you let it in. Be sure that it is the person of that name.</p>
  <table class="table">
    <thead><tr><th>Name</th><th>May log in</th><th></th></tr></thead>
    <tbody>
      {% for account in accounts %}
      <tr id="{{ account.username }}">
        <td>{{ account.username }}</td>
        <td>{{ "yes" if account.is_authorized else "waits for you" }}</td>
        <td>
          {% if account.is_authorized %}
          {{ button(account, "authorize", "Keep out", "let_in", "no") }}
          {% else %}
          {{ button(account, "authorize", "Let in", "let_in", "yes") }}
          {{ button(account, "discard", "Delete the account") }}
          {% endif %}
          <a class="btn btn-sm btn-light" href="{{ base_url }}change-password/{{ account.username }}">New password</a>
        </td>
      </tr>
      {% else %}
      <tr><td colspan="3">Nobody has signed up yet.</td></tr>
      {% endfor %}
    </tbody>
  </table>
</div>
{% endblock %}
"""


class Accounts(LocalBase):  # type: ignore[misc] # it has no types
    """The page: those who wait come first."""

    def get_template(self, name: str, sync: bool = False) -> Any:
        """Our page, and JupyterHub's for all else, such as an error's."""
        if name != _PAGE:
            return super().get_template(name, sync)
        return self.settings["jinja2_env"].from_string(_PAGE)

    @admin_users_scope
    async def get(self) -> None:
        """Show it."""
        accounts = self.db.query(UserInfo).order_by(UserInfo.is_authorized, UserInfo.username).all()
        self.finish(await self.render_template(_PAGE, accounts=accounts))


class Account(LocalBase):  # type: ignore[misc] # it has no types
    """One account, of which nothing is changed by a link. JupyterHub looks at the token of the page's form first."""

    @admin_users_scope
    async def get(self, name: str) -> None:
        """To where the page has it."""
        self.redirect(f"{self.hub.base_url}authorize#{name}")


class Consent(Account):
    """Let it in, or keep it out."""

    @admin_users_scope
    async def post(self, name: str) -> None:
        """Do as the form says; said twice, it stays so."""
        if account := self.authenticator.get_user(name):
            account.is_authorized = self.get_body_argument("let_in") == "yes"
            self.db.commit()
        await self.get(name)


class Discard(Account, DiscardHandler):  # type: ignore[misc] # it has no types
    """Delete it, if it waits."""

    @admin_users_scope
    async def post(self, name: str) -> None:
        """As the library does at a link."""
        await DiscardHandler.get(self, name)
