"""What of this server's settings an image is built with."""

import subprocess

from offline.images import exports, registry_settings


def test_only_what_leads_to_registries_is_handed_on() -> None:
    environment = {"PIP_INDEX_URL": "https://user:secret@mirror/simple", "https_proxy": "http://proxy", "HOME": "/root"}
    assert registry_settings(environment) == {
        "PIP_INDEX_URL": "https://user:secret@mirror/simple",
        "https_proxy": "http://proxy",
        "PIP_CERT": "/etc/ssl/certs/ca-certificates.crt",
    }


def test_a_shell_reads_settings_as_they_were() -> None:
    script = exports({"PIP_INDEX_URL": "https://a'b$c `d`"}) + 'printf %s "$PIP_INDEX_URL"'
    assert (
        subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout == "https://a'b$c `d`"
    )
