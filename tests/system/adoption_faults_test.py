# ctest: label=system timeout=900
"""Each system call of a manager that takes over from a killed one fails once: no service notices."""
import sys
import unittest

from harness import main, needs_root, wait_until
from harness.fault_case import FaultTest
from harness.fault_story import kinds_of_descriptors
from harness.faults import SuccessorBoard

LIVING = ("plain", "notify", "forking", "changed", "gated")


@needs_root  # processes are found by their cgroup
class AdoptionFaults(FaultTest):
    def begin(self):
        story = self.story(SuccessorBoard())
        board = story.b
        board.start()
        board.ctl("start", "notify", "forking", "changed", "once", "crashes", "--timeout", "20s")
        board.ask("Start", "gated")
        board.ctl("event", "set", "go")
        board.wait_state("gated", "up")
        return story

    def lives(self, board):
        """Which run of each unit lives, and by which process."""
        rows = board.patient(lambda: board.call(
            "Describe", "asa{sv}", LIVING, {"properties": ["Name", "State", "MainPid", "Run"]}))
        return {str(r["Name"]): (str(r["State"]), int(r["MainPid"]), int(r["Run"])) for r in rows}

    def succeed(self, story, faults=()):
        """A successor comes; nothing has happened to those that live, and it can be worked with."""
        board = story.b
        before = self.lives(board)
        board.succeed(faults)
        story.wait_true("after the adoption")
        wait_until(lambda: self.lives(board) == before,
                   lambda: f"{before} became {self.lives(board)}\n{board.log()[-3000:]}")

    def work(self, story):
        story.b.ctl("restart", "changed", "notify", "--timeout", "20s")
        story.wait_true("after restarts")

    def held(self, board):
        """What the manager holds, once that is all of it."""
        kinds = kinds_of_descriptors(board)
        # A unit in back-off at the adoption has its folder again with its next start.
        soon = ("log/notify/current", "/crashes")
        return kinds if all(any(kind.endswith(each) for kind in kinds) for each in soon) else None

    def test_of_an_adoption(self):
        story, sites = self.begin(), []
        for _ in range(2):
            self.succeed(story)
            sites += story.b.reached()
            self.work(story)
        # What comes beside the loop or with the next start, and is then kept.
        held = wait_until(lambda: self.held(story.b), "all is open that is kept")

        def once(faults):
            nonlocal story
            if story is None:
                story = self.begin()
            board, mark = story.b, len(story.b.log())
            try:
                self.succeed(story, faults)
                injected = board.injected()
                self.work(story)
                self.check_leaks(board, held)
                self.check_told(faults, injected, lambda: board.log()[mark:])
            except Exception:
                print(f"--- happened: {board.injected()}\n" + "\n".join(
                    line for line in board.log()[mark:].splitlines()
                    if "crashes" not in line), file=sys.stderr)
                self.drop(board)
                story = None
                raise
            return injected

        self.run_groups("adoption", sites, once, every=2)


if __name__ == "__main__":
    main()
