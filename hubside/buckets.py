"""Token buckets: each name may do a thing a few times at once, and then once in a while."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable

_MOST_NAMES = 10_000  # remembered at a time: whoever invents names forgets old ones, and fills no memory


class Buckets:
    """One bucket for each name: `burst` tokens, and a further one every `seconds`."""

    def __init__(self, burst: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._burst, self._seconds, self._clock = burst, seconds, clock
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()  # name -> tokens, when counted

    def wait(self, name: str) -> int:
        """Whole seconds until there is a token for `name`; 0 if there is one now. Takes none."""
        level = self._level(name)
        return 0 if level >= 1 else math.ceil((1 - level) * self._seconds)

    def take(self, name: str) -> int:
        """Take a token; the seconds to wait where there is none. To knock in vain costs nothing."""
        if seconds := self.wait(name):
            return seconds
        self._levels[name] = (self._level(name) - 1, self._clock())
        self._levels.move_to_end(name)
        while len(self._levels) > _MOST_NAMES:
            self._levels.popitem(last=False)
        return 0

    def give_back(self, name: str) -> None:
        """Put one token back."""
        self._levels[name] = (min(float(self._burst), self._level(name) + 1), self._clock())

    def fill(self, name: str) -> None:
        """Forget what `name` took."""
        self._levels.pop(name, None)

    def _level(self, name: str) -> float:
        level, counted = self._levels.get(name, (float(self._burst), self._clock()))
        return min(float(self._burst), level + (self._clock() - counted) / self._seconds)
