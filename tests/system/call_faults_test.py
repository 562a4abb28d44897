# ctest: label=system timeout=900
"""Each system call that the manager makes fails once: it goes on, says so, and what it says is true."""
import unittest

from harness import main, needs_root
from harness.fault_case import FaultTest
from harness.fault_story import kinds_of_descriptors
from harness.faults import FaultBoard


@needs_root  # processes are found by their cgroup
class Faults(FaultTest):
    def close(self, board):
        """As at the end of a test."""
        try:
            board.stop()
            problems = board.check_remains()
        finally:
            self._boards.remove(board)
            board.remove()
        self.assertFalse(problems)

    def test_of_the_start(self):
        def once(faults):
            story = self.story(FaultBoard(faults))
            board = story.b
            try:
                try:
                    board.start()
                except AssertionError:
                    if board.process.poll() != 1:
                        raise  # it may say that it cannot start, and nothing else
                else:
                    story.wait_true("after the start")
                    before_the_end = board.injected()  # later ones are told to nobody
                    board.stop()
                injected = board.injected()
                if board.process.returncode == 0:
                    self.check_told(faults, before_the_end, board.log)
                elif not any(site.startswith("write:file") for site in injected):
                    # One of them has ended it, and what it said was not lost to another.
                    self.assertTrue(any(t in board.log() for f in faults for t in f.texts),
                                    board.log())
                self.assertFalse(board.check_remains())
            finally:
                self.drop(board)
            return injected

        story = self.story(FaultBoard()).b.start()
        sites = story.reached()
        self.close(story)
        self.run_groups("start", sites, once)

    def test_of_a_cycle(self):
        story, sites = self.fresh(), []
        for _ in range(2):
            story.b.arm()
            story.cycle()
            story.recover()
            sites += story.b.reached()
        held = kinds_of_descriptors(story.b)

        def once(faults):
            nonlocal story
            if story is None:
                story = self.fresh()
            board, mark = story.b, len(story.b.log())
            try:
                board.arm(faults)
                story.cycle()
                story.recover()
                self.check_leaks(board, held)
                injected = board.injected()
                self.check_told(faults, injected,
                                lambda: board.log()[mark:] + "\n".join(story.told))
            except Exception:
                self.drop(board)
                story = None
                raise
            return injected

        self.run_groups("cycle", sites, once, every=2)

    def fresh(self):
        story = self.story(FaultBoard())
        story.b.start()
        story.cycle()  # what is made once and kept
        story.recover()
        return story

    def test_of_the_end(self):
        def begin():
            story = self.story(FaultBoard())
            story.b.start()
            story.b.ctl("start", "notify", "forking")
            return story.b

        def once(faults):
            board = begin()
            try:
                board.arm(faults)
                board.stop()
                injected = board.injected()  # what is told after the loop has ended, nobody reads
                kept = any(word in site for site in injected for word in ("unlink", "rmdir"))
                self.assertFalse([p for p in board.check_remains() if not kept or "left" not in p])
            finally:
                self.drop(board)
            return injected

        board = begin()
        board.arm()
        board.stop()
        sites = board.reached()
        self.run_groups("end", sites, once)


if __name__ == "__main__":
    main()
