# ctest: label=system timeout=60
"""Who may do what: anyone reads states; control, environment and logs are for those named."""
import os
import subprocess

from harness import BoardTest, main, needs_root

AS_NOBODY = ["/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


@needs_root
class Access(BoardTest):
    def setUp(self):
        super().setUp()
        self.b = self.board()
        self.b.shell("closed", "echo a secret; exec sleep 1000",
                     service="environment = { KEY = 'hidden' }")
        self.b.shell("opened", "exec sleep 1000", more="[access]\ncontrol = ['user:nobody']\n")
        self.b.shell("own", "echo mine; exec sleep 1000", service="user = 'nobody'")
        self.b.target("closed", "opened", "own")
        self.b.start()
        for unit in ("closed", "opened", "own"):
            self.b.wait_state(unit, "up")

    def as_nobody(self, *words):
        done = subprocess.run(
            [*AS_NOBODY, os.environ["REEVECTL"], "--socket", str(self.b.socket), *words],
            capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
        return done.returncode, done.stdout + done.stderr

    def test_anyone_reads_states(self):
        for words in (("list",), ("status", "closed"), ("why", "closed"), ("is-active", "closed"),
                      ("event", "show"), ("device", "list")):
            code, told = self.as_nobody(*words)
            self.assertEqual(code, 0, (words, told))

    def test_control_is_refused_with_code_5(self):
        for words in (("stop", "closed"), ("restart", "closed"), ("kill", "closed"),
                      ("event", "set", "x"), ("apply",), ("shutdown",), ("isolate", "opened"),
                      ("run", "--", "/bin/true")):
            code, told = self.as_nobody(*words)
            self.assertEqual(code, 5, (words, told))
        self.assertEqual(self.b.states()["closed"], "up")

    def test_environment_and_logs_of_others_are_hidden(self):
        self.assertNotIn("hidden", self.as_nobody("show", "closed")[1])
        code, told = self.as_nobody("logs", "closed")
        self.assertEqual(code, 5, told)
        self.assertNotIn("a secret", told)
        self.wait_until(lambda: "mine" in self.as_nobody("logs", "own")[1], "its own log")

    def test_whom_a_unit_names_may_control_it(self):
        pid = self.b.main_pid("opened")
        self.assertEqual(self.as_nobody("restart", "opened")[0], 0)
        self.assertNotEqual(self.b.main_pid("opened"), pid)


if __name__ == "__main__":
    main()
