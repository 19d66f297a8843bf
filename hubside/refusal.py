"""An answer with a reason that pages and programs both show."""

from tornado import web

NO_PLACE = "All places of this course are taken. Try again in a few minutes, or ask a fellow to stop a server."


class Refusal(web.HTTPError):
    """What is asked cannot be done now, and why. The hub's pages show `jupyterhub_message`, and copy `headers`."""

    def __init__(self, status: int, text: str, retry_after: int | None = None) -> None:
        super().__init__(status, text)
        self.jupyterhub_message = text
        self.headers = {} if retry_after is None else {"Retry-After": str(retry_after)}  # seconds
