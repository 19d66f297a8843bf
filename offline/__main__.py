"""`python3 -m offline`: build what the cache lacks and print the folder with the tools.

Needs Go (1.26, or from 1.21 on one that fetches it), npm, debootstrap and a running Docker Engine. The cache
is $COURSEHUB_CACHE, else ~/.cache/coursehub.
"""

import os
import sys
from pathlib import Path

from offline.images import IMAGE_STEPS
from offline.parts import TOOL_STEPS, link_tools
from offline.steps import BuildError, build


def main() -> int:
    cache = Path(os.environ.get("COURSEHUB_CACHE", "~/.cache/coursehub")).expanduser()
    try:
        results = build([*TOOL_STEPS, *IMAGE_STEPS], cache)
    except BuildError as error:
        print(f"offline build stopped at {error}", file=sys.stderr)
        return 1
    print(f"tools: {link_tools(results, cache)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
