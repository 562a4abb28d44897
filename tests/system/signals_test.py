# ctest: label=system timeout=120
"""What signals mean to reeved."""
import signal

from harness import BoardTest, main


class Signals(BoardTest):
    def setUp(self):
        super().setUp()
        self.b = self.board()
        self.b.shell("service", "exec sleep 1000")
        self.b.shell("other", "exec sleep 1000")
        self.b.target("service")
        self.b.start()
        self.b.wait_state("service", "up")

    def task(self):
        """A unit that is not daemonic and runs until a file is there."""
        b = self.b
        b.call("Run", "sa{sv}a{sv}", "task", {"command": [
            "/bin/sh", "-c", f"{b.note('task runs')}; until [ -e {b.data}/go ]; do sleep 0.05; done;"
                             f" {b.note('task ends')}"]}, {})
        self.wait_until(b.trace, "the task runs")

    def test_term_waits_for_what_is_not_daemonic(self):
        self.task()
        self.b.signal(signal.SIGTERM)
        self.wait_until(lambda: self.b.ctl("start", "other", code=None).code != 0, "no more starts")
        self.assertEqual(self.b.state("service"), "up")  # the others run on for it
        (self.b.data / "go").touch()
        self.assertEqual(self.b.wait_exit(), 0)
        self.assertEqual(self.b.trace(), ["task runs", "task ends"])

    def test_int_ends_at_once(self):
        self.task()
        self.b.signal(signal.SIGINT)
        self.assertEqual(self.b.wait_exit(), 0)
        self.assertEqual(self.b.trace(), ["task runs"])

    def test_hup_applies(self):
        self.b.shell("new", "exec sleep 1000")
        self.b.signal(signal.SIGHUP)
        self.wait_until(lambda: "new" in self.b.states(), self.b.overview)
        self.b.ctl("start", "new")

    def test_usr1_usr2_and_pipe_disturb_nothing(self):
        pid = self.b.main_pid("service")
        self.b.signal(signal.SIGUSR1)
        self.b.signal(signal.SIGPIPE)
        self.b.signal(signal.SIGUSR2)  # dumps the state
        self.says(self.b, "state: {")
        self.assertEqual((self.b.main_pid("service"), self.b.state("service")), (pid, "up"))


if __name__ == "__main__":
    main()
