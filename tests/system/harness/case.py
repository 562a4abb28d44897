"""The base class of system tests."""
import os
import shutil
import sys
import unittest

from . import remains
from .board import Board
from .buses import PrivateBus
from .waiting import wait_until

LONG = os.environ.get("REEVE_LONG") == "1"


def scaled(small, full):
    """Every test has two scales: CI, and REEVE_LONG=1."""
    return full if LONG else small


def needs(*programs):
    """Skips a test whose programs are not there; tests/run.sh installs all of them."""
    path = "/usr/sbin:/usr/bin:/sbin:/bin"
    missing = [p for p in programs if not shutil.which(p, path=path)]
    return unittest.skipIf(missing, f"not installed: {' '.join(missing)}")


needs_root = unittest.skipUnless(os.geteuid() == 0, "needs root")


def reason_of(traceback):
    """Where it failed and what was wrong, of the last exception of a chain; without a long log."""
    lines = traceback.splitlines()
    last = max((i for i, line in enumerate(lines) if line.startswith("  File ")), default=0)
    return "\n".join(line[:1000] for line in lines[last:last + 10])


class BoardTest(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        remains.become_subreaper()
        self._boards, self._buses = [], []
        self._own = remains.children()
        self.addCleanup(self._finish)  # also when a setUp() fails

    def board(self, **options):
        """A board that is stopped and looked through at the end of the test."""
        board = Board(**options)
        self._boards.append(board)
        return board

    def private_bus(self):
        """A dbus-daemon that ends after the boards."""
        bus = PrivateBus()
        self._buses.append(bus)
        return bus

    def run(self, result=None):
        before = len(result.failures), len(result.errors)
        super().run(result)
        failed = result.failures[before[0]:] + result.errors[before[1]:]
        for _, text in failed:  # first: who cuts long outputs keeps the beginning
            print(reason_of(text), file=sys.stderr)
        for board in getattr(self, "_boards", []):
            if failed:
                print(f"--- log of {board.folder} ({self.id()})\n{board.log()[-20000:]}",
                      file=sys.stderr)
            board.remove()
        self._boards = []

    def _finish(self):
        """Stops the boards; fails the test if one of them leaves something."""
        problems = []
        for board in self._boards:
            try:
                board.stop()
            except AssertionError as error:
                problems.append(str(error))
                board.process.kill()
                board.process.wait()
            problems += board.check_remains()
        for bus in self._buses:
            bus.close()
        strays = remains.take_strays(self._own)
        if strays:
            problems.append("processes are left: " + "; ".join(strays))
        self.assertFalse(problems, "\n".join(problems))

    def wait_until(self, condition, what, **options):
        return wait_until(condition, what, **options)

    def says(self, board, words, times=1):
        """The log has `words`, or soon: it is written beside the manager's loop."""
        self.wait_until(lambda: board.log().count(words) >= times,
                        lambda: f"{words!r} in\n{board.log()[-20000:]}")

    def traces(self, board, wanted):
        """The services noted this, or soon do: a unit is up before its script has its turn."""
        self.wait_until(lambda: len(board.trace()) >= len(wanted),
                        lambda: f"{wanted}, not {board.trace()}\n{board.overview()}")
        self.assertEqual(board.trace(), wanted)


def main():
    """As unittest.main(), with exit code 77 (skipped) when not one test could run."""
    program = unittest.main(module="__main__", exit=False, verbosity=2)
    result = program.result
    if result.wasSuccessful() and result.testsRun == len(result.skipped):
        sys.exit(77)
    sys.exit(0 if result.wasSuccessful() else 1)
