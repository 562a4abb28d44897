# ctest: label=system timeout=600
"""The quick start shows what it promises, as root and as an ordinary user, and leaves nothing."""
import os
import pathlib
import re
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "system"))
from harness import LONG, main, wait_until  # noqa: E402
from harness import remains  # noqa: E402

BUILT = all((ROOT / "build/release" / name).exists() for name in ("reeve-init", "reeved"))


@unittest.skipUnless(BUILT or LONG, "build/release is not built; tests/run.sh builds it")
class QuickStart(unittest.TestCase):
    def setUp(self):
        remains.become_subreaper()
        self.known = remains.children()

    def tearDown(self):
        self.assertEqual(remains.take_strays(self.known), [])
        self.assertEqual(list(pathlib.Path("/tmp").glob("reeve-demo.*")), [])

    def quickstart(self, *options, prefix=()):
        done = subprocess.run([*prefix, ROOT / "packaging/quickstart.sh", *options], text=True,
                              capture_output=True, timeout=500, stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def check(self, told):
        self.assertRegex(told, r"heartbeat +.*up")
        self.assertRegex(told, r"process \d+ is gone, process \d+ has its place")
        self.assertRegex(told, r"event:calibrated")
        self.assertRegex(told, r"i2c-bus")
        reads = re.findall(r"[123]: (IMU|barometer) reads", told)
        self.assertEqual(len(reads), 6, told)
        # one after the other, never mixed
        self.assertIn(reads, (["IMU"] * 3 + ["barometer"] * 3, ["barometer"] * 3 + ["IMU"] * 3))
        died, successor, heartbeat = re.search(
            r"manager (\d+) is gone, (\d+) has its place; heartbeat is still process (\d+)",
            told).groups()
        self.assertNotEqual(died, successor)
        self.assertRegex(told, rf"heartbeat +up +.* {heartbeat} ")
        self.assertIn("nothing is left running", told)

    def test_as_whoever_runs_the_tests_twice(self):
        self.check(self.quickstart())
        self.check(self.quickstart())

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_as_an_ordinary_user(self):
        nobody = ["/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        if subprocess.run([*nobody, "/usr/bin/test", "-x", ROOT / "packaging/quickstart.sh"],
                          check=False).returncode != 0:
            self.skipTest(f"{ROOT} lies where only root can look")
        self.check(self.quickstart(prefix=nobody))

    def test_stay_leaves_a_board_that_can_be_stopped_as_it_says(self):
        told = self.quickstart("--stay")
        socket = re.search(r"export REEVE_SOCKET=(\S+)", told).group(1)
        commands = re.findall(r"^(/\S+/reevectl .*)$", told, re.M)
        self.assertEqual(len(commands), 3, told)
        for command in commands:
            subprocess.run(command, shell=True, check=True, capture_output=True, timeout=60,
                           env=os.environ | {"REEVE_SOCKET": socket})
        wait_until(lambda: not os.path.exists(os.path.dirname(socket)), "the folder goes")
        wait_until(lambda: not [p for p in remains.children() - self.known
                                if "[Z]" not in remains.describe(p)], "the manager ends")


if __name__ == "__main__":
    main()
