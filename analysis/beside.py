"""Work in a process of its own, while this one goes on: for what another library does slowly and alone."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor


def begin[A, R](function: Callable[[A], R], argument: A) -> Callable[[], R]:
    """Begin to compute ``function(argument)`` in another process.

    Parameters
    ----------
    function
        Found there by its module and name.
    argument
        Anything that can be pickled; it goes through a pipe and never to disk.

    Returns
    -------
    Callable
        Waits for the result and returns it. Where there is one core, or no such process can run, the work is
        done here, and its exceptions are raised here.

    Examples
    --------
    >>> import math
    >>> result = begin(math.sqrt, 9.0)
    >>> result()
    3.0
    """
    if (os.cpu_count() or 1) < 2:
        return lambda: function(argument)
    command, quiet = [sys.executable, "-P", "-m", __name__], subprocess.DEVNULL
    try:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=quiet)
    except OSError:
        return lambda: function(argument)
    speaker = ThreadPoolExecutor(1)
    told = speaker.submit(process.communicate, pickle.dumps((function, argument)))
    speaker.shutdown(wait=False)

    def result() -> R:
        answer, _ = told.result()
        found: R = pickle.loads(answer) if process.returncode == 0 else function(argument)  # noqa: S301 - our own
        return found

    return result


def main() -> None:
    """Compute what comes in through the pipe."""
    answer, sys.stdout = sys.stdout.buffer, sys.stderr
    function, argument = pickle.load(sys.stdin.buffer)  # noqa: S301 - from begin()
    answer.write(pickle.dumps(function(argument)))


if __name__ == "__main__":
    main()
