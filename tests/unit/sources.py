"""Where materials may come from, and what is to be refused: the configuration and the host unit are asked both."""

ADDRESSES = [
    "https://example.org/course.git",
    "https://example.org:8443/group/sub/course",
    "ssh://git@example.org:2222/course.git",
    "ssh://example.org/~prof/course",
    "git@example.org:group/course.git",
    "/srv/git/course.git",
]
BAD_ADDRESSES = [
    "--upload-pack=x",
    "-oProxyCommand=x",
    "ext::sh -c x",
    "file:///srv/course",
    "http://example.org/course",
    "git://example.org/course",
    "https://prof:hunter2@example.org/course",
    "https://hunter2@example.org/course",
    "ssh://prof:hunter2@example.org/course",
    "ssh://-oProxyCommand=x/course",
    "git@-oProxyCommand=x:course",
    "git@example.org:-x",
    "https://example.org/course?token=hunter2",
    "https://example.org/a b",
    "https://example.org/course\n",
    "course",
    "../course",
    "/",
    "",
]
REVISIONS = ["main", "v1.0", "2026/week-1", "release+1", "a" * 40, "1", "_x"]
BAD_REVISIONS = [
    "-x",
    "--upload-pack=x",
    "a..b",
    "+main",
    "main:x",
    "a b",
    "a@{1}",
    "a^",
    "a~1",
    "main/",
    "a" * 101,
    "a\n",
]
FOLDERS = ["materials", "materials/", "../materials", "../../a/b", "/srv/materials-2026"]
BAD_FOLDERS = ["-rf", ".", "..", "../..", "a/../..", "/", "//a", "a b", "host:/x", "a\n", "~/x", ".git"]
