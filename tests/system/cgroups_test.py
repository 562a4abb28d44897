# ctest: label=system timeout=120
"""reeved in cgroups that have a past."""
import os
import pathlib
import signal
import unittest

from harness import BoardTest, main

ESCAPES = "setsid sleep 600 & setsid sleep 600 & exec sleep 600"


def cgroup_of(pid):
    lines = pathlib.Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    return next(line[3:] for line in lines if line.startswith("0::"))


class OnceKilled(BoardTest):
    """Linux since 6.15 kills what is cloned from such a cgroup into a fresh one."""

    def setUp(self):
        super().setUp()
        self.b = self.board()
        self.path = self.b.cgroup.path
        if self.path is None or not (self.path / "cgroup.kill").exists():
            raise unittest.SkipTest("no cgroup of our own, or none with cgroup.kill")

    def check_runs_in_its_cgroup(self, b):
        """All that makes a cgroup of use: membership, the end of escapees, a fresh start."""
        b.ctl("start", "escapes")
        pid, run = b.main_pid("escapes"), b.run("escapes")
        self.assertEqual(pathlib.Path(cgroup_of(pid)).name, "escapes")
        self.wait_until(lambda: len(b.get("escapes", "Pids")) == 3, b.overview)
        os.kill(pid, signal.SIGKILL)
        self.wait_until(lambda: b.run("escapes") > run, b.overview)
        b.wait_state("escapes", "up")
        b.ctl("kill", "escapes", "--signal", "KILL", "--whom", "all")
        b.ctl("stop", "escapes")
        self.assertEqual(b.state("escapes"), "down")

    def test_before_the_manager_starts(self):
        (self.path / "cgroup.kill").write_text("1")
        b = self.b
        b.shell("escapes", ESCAPES)
        b.start()
        self.check_runs_in_its_cgroup(b)
        self.assertNotIn("clone: ", b.log())
        self.assertLessEqual(b.log().count("cannot be born"), 1)

    def test_that_the_manager_is_moved_to(self):
        """Found at the first start that is lost; the next one works."""
        other = self.path / "other"
        other.mkdir()
        (other / "cgroup.kill").write_text("1")
        b = self.b
        b.shell("escapes", ESCAPES)
        b.start()
        self.check_runs_in_its_cgroup(b)
        (other / "cgroup.procs").write_text(str(b.pid))
        self.check_runs_in_its_cgroup(b)
        self.assertLessEqual(b.log().count("cannot be born"), 1)
        b.stop()
        other.rmdir()


if __name__ == "__main__":
    main()
