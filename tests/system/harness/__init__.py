"""Real programs, private folders: what the tests in tests/system share.

    from harness import BoardTest, main

A test makes a board (a private reeved) with self.board(), writes unit files, drives it with
board.ctl() as a person would, and waits for conditions. At the end the board is stopped, and must
leave nothing: no process, cgroup, mount, socket, nor a finding of a sanitizer.
"""
from .board import Board, Outcome
from .buses import PrivateBus
from .case import LONG, BoardTest, main, needs, needs_root, scaled
from .waiting import DEADLINE, free_port, listening, wait_until

__all__ = ["Board", "BoardTest", "DEADLINE", "LONG", "Outcome", "PrivateBus", "free_port",
           "listening", "main", "needs", "needs_root", "scaled", "wait_until"]
