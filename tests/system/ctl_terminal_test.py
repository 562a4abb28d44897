# ctest: label=system timeout=120
"""reevectl on a terminal: colours, progress, a status that fits the screen."""
import fcntl
import os
import pty
import re
import select
import struct
import termios
import time
import unicodedata

from harness import BoardTest, main


class Terminal:
    """reevectl with a pseudo-terminal of this size for all three of its streams."""

    def __init__(self, board, *words, rows=24, columns=80, environment=None):
        env = {"PATH": "/usr/bin:/bin", "TERM": "xterm", **(environment or {})}
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            os.execve(os.environ["REEVECTL"],
                      ["reevectl", "--socket", str(board.socket), *words], env)

    def read(self, deadline=30):
        """All that it prints."""
        end = time.monotonic() + deadline
        raw = b""
        while True:
            ready, _, _ = select.select([self.fd], [], [], max(0, end - time.monotonic()))
            if not ready:
                raise AssertionError(f"no end within {deadline} s: {raw!r}")
            try:
                piece = os.read(self.fd, 65536)
            except OSError:
                piece = b""  # EIO: the other end is closed
            if not piece:
                return raw.decode(errors="replace")
            raw += piece

    def exit_code(self):
        _, status = os.waitpid(self.pid, 0)
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status)


def columns_of(text):
    """Where text ends on a screen."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def bare(text):
    return re.sub(r"\x1b\[[0-9;]*[mK]", "", text).replace("\r", "")


class OnATerminal(BoardTest):
    def test_progress_appears_after_a_second_and_goes_again(self):
        b = self.board()
        b.shell("gated", "exec sleep 1000", unit="gate = ['event:go']")
        b.shell("slow", "exec sleep 1000", service="start-pre = ['/bin/sleep', '1000']\n"
                                                   "start-timeout = '5s'\nrestart = 'no'")
        b.start()
        terminal = Terminal(b, "start", "slow")
        told = terminal.read()
        self.assertEqual(terminal.exit_code(), 1, told)
        self.assertRegex(told, r"\r\x1b\[Kstarting, 1 s: slow is starting")
        self.assertRegex(told, r"\r\x1b\[Kstarting, 2 s: slow is starting")
        self.assertIn("\r\x1b[Kreevectl: slow: ", told)  # the line is wiped before the message
        self.assertNotIn("starting, 0 s", told)

    def test_no_progress_off_a_terminal(self):
        b = self.board()
        b.shell("slow", "exec sleep 1000", service="start-pre = ['/bin/sleep', '1.5']")
        b.start()
        outcome = b.ctl("start", "slow")
        self.assertEqual(outcome.err, "")
        self.assertEqual(outcome.out, f"slow: up, run {b.run('slow')}\n")

    def test_event_wait_shows_one_line_that_changes(self):
        b = self.board().start()
        terminal = Terminal(b, "event", "wait", "go", "--timeout", "4s")
        told = terminal.read()
        self.assertEqual(terminal.exit_code(), 124, told)
        self.assertIn("\r\x1b[Kwaiting for event go: 1 s", told)
        self.assertIn("\r\x1b[Kwaiting for event go: 2 s", told)

    def test_status_fits_a_screen_and_lines_up(self):
        b = self.board()
        for n in range(40):
            b.shell(f"unit{n:02}", "exec sleep 1000", unit="description = '第%d个网页服务，说明很长，"
                    "一行放不下，所以必须安全地截断，不能破坏任何一个汉字'" % n)
        b.shell("broken", "exit 3", service="restart = 'no'")
        b.shell("gated", "exec sleep 1000", unit="gate = ['event:go']")
        b.target("gated", "broken", *[f"unit{n:02}" for n in range(40)])
        b.start()
        b.wait_state("broken", "failed")
        self.wait_until(lambda: sum(s == "up" for s in b.states().values()) >= 40, b.overview)
        terminal = Terminal(b, "status", rows=24, columns=72)
        told = terminal.read()
        self.assertEqual(terminal.exit_code(), 3, told)
        self.assertIn("\x1b[1;31mfailed\x1b[0m", told)
        lines = bare(told).splitlines()
        self.assertLessEqual(len(lines), 23, bare(told))
        self.assertIn("broken", lines[2])
        self.assertIn("exit code 3", lines[2])
        waiting = [line for line in lines[2:6] if line.startswith("gated")]
        self.assertIn("event:go", "".join(waiting))
        self.assertRegex(lines[-1], r"^… and \d+ more: reevectl list$")
        for line in lines[1:]:
            self.assertLessEqual(columns_of(line), 72, line)
            self.assertNotIn("\ufffd", line)
        cut = [line for line in lines if line.endswith("…")]
        self.assertGreater(len(cut), 10)

    def test_colours_only_where_they_are_wanted(self):
        b = self.board()
        b.shell("web", "exec sleep 1000")
        b.start()
        b.ctl("start", "web")
        self.assertNotIn("\x1b", b.ctl("list").out)
        terminal = Terminal(b, "list", environment={"NO_COLOR": "1"})
        self.assertNotIn("\x1b", terminal.read())
        self.assertEqual(terminal.exit_code(), 0)

    def test_what_a_service_says_cannot_paint_the_screen(self):
        b = self.board()
        b.unit("web", "[unit]\ndescription = \"a\\u001b[2Jb\"\n[service]\n"
                      "command = ['/bin/sleep', '1000']\n")
        b.start()
        terminal = Terminal(b, "status", "web")
        told = terminal.read()
        terminal.exit_code()
        self.assertNotIn("\x1b[2J", told)


if __name__ == "__main__":
    main()
