"""Commands joined by pipes, for streams that are too large to hold."""

import contextlib
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import IO, Self

from host.run import Argv, CommandFailed, environment

_BLOCK = 1 << 20  # bytes


def read_from(*stages: Argv) -> Iterator[bytes]:
    """What the last of the commands prints, in blocks. Raises CommandFailed if any fails; reading may stop early."""
    with _Pipe(stages) as pipe:
        while block := pipe.last.read(_BLOCK):
            yield block
        pipe.end()


def write_to(blocks: Iterable[bytes], *stages: Argv) -> None:
    """Give blocks to the first of the commands. Raises CommandFailed if any fails."""
    with _Pipe(stages, fed=True) as pipe:
        with contextlib.suppress(BrokenPipeError):  # one of them ended early: `end` tells why
            for block in blocks:
                pipe.first.write(block)
            pipe.first.close()
        pipe.last.read()
        pipe.end()


class _Pipe:
    """Running commands; whatever happens, none is left running."""

    def __init__(self, stages: tuple[Argv, ...], *, fed: bool = False) -> None:
        self._stages = stages
        # A file, not a pipe: nobody reads it before they have ended.
        self._said = tempfile.TemporaryFile("w+")  # noqa: SIM115 # closed with the rest
        self._processes: list[subprocess.Popen[bytes]] = []
        source: IO[bytes] | int = subprocess.PIPE if fed else subprocess.DEVNULL
        for argv in stages:
            process = subprocess.Popen(argv, stdin=source, stdout=subprocess.PIPE, stderr=self._said, env=environment())
            if not isinstance(source, int):
                source.close()  # so that the end of this one reaches the one before
            self._processes.append(process)
            source = _given(process.stdout)

    @property
    def first(self) -> IO[bytes]:
        return _given(self._processes[0].stdin)

    @property
    def last(self) -> IO[bytes]:
        return _given(self._processes[-1].stdout)

    def end(self) -> None:
        """Wait for all. Raises CommandFailed if any failed."""
        codes = [process.wait() for process in self._processes]
        if any(codes):
            self._said.seek(0)
            words = [word for argv in self._stages for word in ("|", *argv)][1:]
            raise CommandFailed(words, next(filter(None, codes)), "", self._said.read())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream:
                    with contextlib.suppress(BrokenPipeError):
                        stream.close()
        self._said.close()


def _given(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None, "it was asked for"
    return stream
