"""What the server refuses a unit ends with a message: what, why, and what helps."""

import errno
import os

import pytest

from host.__main__ import in_words


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EDQUOT, "free some space"),
        (errno.ENOTCONN, "does not answer"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "as root"),
        (errno.EMFILE, "run it again"),
    ],
)
def test_an_error_of_the_server_is_told_with_the_file_the_reason_and_the_remedy(code: int, remedy: str) -> None:
    told = in_words(OSError(code, os.strerror(code), "/backup/c.tar"))
    assert told.startswith(f"/backup/c.tar: {os.strerror(code)}: ")
    assert remedy in told


def test_an_error_without_a_file_is_told_too() -> None:
    assert in_words(OSError("broken")).startswith("a file of this server: broken: ")
