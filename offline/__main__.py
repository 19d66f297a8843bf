"""`python3 -m offline [gvisor]`: build what the cache lacks and print the folder with the tools.

Needs Go (1.26, or from 1.21 on one that fetches it), npm, debootstrap and a running Docker Engine. The cache
is $COURSEHUB_CACHE, else ~/.cache/coursehub.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from offline import gvisor
from offline.images import IMAGE_STEPS
from offline.node import NODE_STEPS
from offline.parts import PROGRAMS, TOOL_STEPS, link_tools
from offline.steps import BuildError, build

# Parts that most courses never need, by name: the step, and the programs that it makes for the server.
EXTRA = {"gvisor": (gvisor.GVISOR, gvisor.PROGRAMS)}


def main(extra: Sequence[str] = ()) -> int:
    if unknown := set(extra) - set(EXTRA):
        print(f"there is no part {', '.join(sorted(unknown))}: {', '.join(EXTRA)} can be asked for", file=sys.stderr)
        return 2
    chosen = [EXTRA[name] for name in extra]
    cache = Path(os.environ.get("COURSEHUB_CACHE", "~/.cache/coursehub")).expanduser()
    try:
        results = build([*TOOL_STEPS, *IMAGE_STEPS, *NODE_STEPS, *(step for step, _ in chosen)], cache)
    except BuildError as error:
        print(f"offline build stopped at {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("offline build interrupted: run it again, it goes on from there", file=sys.stderr)
        return 130
    programs = {**PROGRAMS, **{step.name: names for step, names in chosen}}
    print(f"tools: {link_tools(results, cache, programs)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
