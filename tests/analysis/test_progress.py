"""Progress: plain lines for a log, nothing when quiet, bars for a terminal."""

from __future__ import annotations

import io

from safezone.analysis.progress import Log, Silent, Terminal, progress_for


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


def follow(progress):
    progress.start("course", chains=2, draws=100)
    progress.phase("compiling")
    for done in range(0, 101, 5):
        progress.update([done, done], 3 if done > 50 else 0)
    progress.finish("trusted")
    progress.say("done")


def test_a_log_gets_a_line_per_tenth_and_no_control_codes():
    stream = io.StringIO()
    follow(Log(stream, every=0.0))
    lines = stream.getvalue().splitlines()
    assert lines[:3] == ["course: 2 chains of 100 draws", "course: compiling", "course: 10 % of draws"]
    assert "course: 100 % of draws, 3 divergent" in lines
    assert lines[-2:] == ["course: trusted", "done"]
    assert sum("% of draws" in line for line in lines) == 10
    assert "\x1b" not in stream.getvalue()
    assert "\r" not in stream.getvalue()


def test_a_log_is_not_flooded():
    stream = io.StringIO()
    follow(Log(stream, every=60.0))
    assert sum("% of draws" in line for line in stream.getvalue().splitlines()) == 2  # the first tenth and the end


def test_the_stream_decides():
    assert isinstance(progress_for(io.StringIO()), Log)
    assert isinstance(progress_for(Tty()), Terminal)
    assert isinstance(progress_for(Tty(), quiet=True), Silent)


def test_a_terminal_ends_with_the_verdict():
    stream = Tty()
    follow(Terminal(stream))
    assert "course: trusted" in stream.getvalue()
