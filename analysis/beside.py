"""Work in another process, while this one goes on: for what another library does slowly and alone.

There is one such process. It is started when it is first needed, keeps what it has imported, and ends with this
one, when its input ends.
"""

from __future__ import annotations

import atexit
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import IO, Any


def begin[A, R](function: Callable[[A], R], argument: A) -> Callable[[], R]:
    """Begin to compute ``function(argument)`` in the other process.

    Parameters
    ----------
    function
        Found there by its module and name.
    argument
        Anything that can be pickled; it goes through a pipe and never to disk.

    Returns
    -------
    Callable
        Waits for the result and returns it. Where there is one core, or no such process can run, or it fails, the
        work is done here, and its exceptions are raised here.

    Examples
    --------
    >>> import math
    >>> result = begin(math.sqrt, 9.0)
    >>> result()
    3.0
    """
    other = partner()
    if other is None:
        return lambda: function(argument)
    answered = other(pickle.dumps((function, argument)))

    def result() -> R:
        try:
            done, found = answered()
        except (OSError, EOFError, pickle.UnpicklingError):  # it was killed
            done, found = False, None
        return found if done else function(argument)

    return result


@cache
def partner() -> Callable[[bytes], Callable[[], tuple[bool, Any]]] | None:
    """Start the other process; return what puts a question to it, or ``None`` where it cannot run."""
    if (os.cpu_count() or 1) < 2:
        return None
    command, pipe = [sys.executable, "-P", "-m", __name__], subprocess.PIPE
    try:
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL)
    except OSError:
        return None
    questions, answers = process.stdin, process.stdout
    speaker = ThreadPoolExecutor(1)  # one question at a time

    def ask(question: bytes) -> tuple[bool, Any]:
        tell(questions, question)
        found: tuple[bool, Any] = pickle.load(answers)  # type: ignore[arg-type]  # noqa: S301 - from main()
        return found

    def end() -> None:
        process.kill()
        process.communicate()

    atexit.register(end)
    return lambda question: speaker.submit(ask, question).result


def tell(where: IO[bytes] | None, what: object) -> None:
    """Write an object to a pipe."""
    pickle.dump(what, where)  # type: ignore[arg-type]
    where.flush()  # type: ignore[union-attr]


def main() -> None:
    """Answer questions until there are no more."""
    answers, sys.stdout = sys.stdout.buffer, sys.stderr
    while True:
        try:
            question = pickle.load(sys.stdin.buffer)  # noqa: S301 - from begin()
        except EOFError:
            return
        try:
            function, argument = pickle.loads(question)  # noqa: S301 - from begin()
            tell(answers, (True, function(argument)))
        except Exception:  # noqa: BLE001 - the other side does it again and raises what is to be raised
            tell(answers, (False, None))


if __name__ == "__main__":
    main()
