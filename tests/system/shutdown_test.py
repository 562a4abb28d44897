# ctest: label=system timeout=120
"""Shutdown: who is joined, in which order they go, and that it ends."""
import signal

from harness import BoardTest, main

TRAP = "trap '{note}; exit 0' TERM; {ready}; while :; do sleep 0.05; done"


class Shutdown(BoardTest):
    def chain(self, b, *names):
        """Services that note their end; each requires the one before."""
        for before, name in zip((None, *names), names):
            b.shell(name, TRAP.format(note=b.note(f"{name} goes"), ready=b.note(f"{name} ready")),
                    unit=f"requires = ['{before}']" if before else "")
        b.target(names[-1])

    def test_in_reverse_order(self):
        b = self.board()
        self.chain(b, "first", "second", "third")
        b.start()
        self.wait_until(lambda: len(b.trace()) == 3, b.overview)
        b.ctl("shutdown")
        self.assertEqual(b.wait_exit(), 0)
        self.assertEqual(b.trace()[3:], ["third goes", "second goes", "first goes"])

    def test_units_that_are_not_daemonic_are_waited_for(self):
        b = self.board()
        self.chain(b, "helper")
        b.shell("task", f"{b.note('task begins')}; until [ -e {b.data}/go ]; do sleep 0.02; done; "
                        f"{b.note('task ends')}", service="type = 'oneshot'")
        b.start()
        self.wait_until(b.trace, b.overview)
        b.ask("Start", "task")
        self.wait_until(lambda: "task begins" in b.trace(), b.overview)
        b.ctl("shutdown")
        b.ctl("start", "helper", code=None)  # no more starts, and no harm
        self.assertEqual(b.state("helper"), "up")
        (b.data / "go").touch()
        self.assertEqual(b.wait_exit(), 0)
        self.assertEqual(b.trace()[-2:], ["task ends", "helper goes"])

    def test_now_does_not_wait_for_them(self):
        b = self.board()
        b.shell("task", f"{b.note('task begins')}; sleep 1000", service="type = 'oneshot'")
        b.start()
        b.ask("Start", "task")
        self.wait_until(b.trace, b.overview)
        b.ctl("shutdown", "--now")
        self.assertEqual(b.wait_exit(), 0)

    def test_what_it_made_and_is_empty_goes_with_it(self):
        b = self.board()
        b.shell("one", "exec sleep 600")
        b.start()
        b.ctl("start", "one")
        b.signal(signal.SIGTERM)
        self.assertEqual(b.wait_exit(), 0)
        self.assertFalse((b.runtime / "notify").exists())
        self.assertEqual([], [p for p in b.runtime.rglob("*")] if b.runtime.exists() else [])
        self.assertFalse(b.runtime.exists())
        b.runtime.mkdir()
        b.start()
        b.signal(signal.SIGTERM)
        self.assertEqual(b.wait_exit(), 0)
        self.assertTrue(b.runtime.exists(), "somebody else made it")

    def test_a_guest_refuses_to_power_off(self):
        b = self.board().start()
        b.ctl("shutdown", "poweroff", code=None)
        self.assertIsNone(b.process.poll())
        b.ctl("status", code=None)

    def test_the_log_says_who_asked_and_how(self):
        b = self.board().start()
        b.ctl("shutdown", "--now")
        self.assertEqual(b.wait_exit(), 0)
        self.assertRegex(b.log(), r"shutdown: asked for by uid \d+: now, nothing is joined")
        b = self.board().start()
        b.signal(signal.SIGTERM)
        self.assertEqual(b.wait_exit(), 0)
        self.assertIn("shutdown: asked for by SIGTERM: orderly", b.log())

    def test_who_waits_for_an_event_is_told_that_it_does_not_come(self):
        b = self.board().start()
        waiting = b.ctl_begin("event", "wait", "calibrated")
        self.wait_until(lambda: b.ctl("stats", "--json").json["pending_requests"] > 0, b.overview)
        b.ctl("shutdown")
        _, said = waiting.communicate(timeout=30)
        self.assertEqual(waiting.returncode, 1, said)
        self.assertEqual(b.wait_exit(), 0)

    def test_the_target_shutdown_runs_last(self):
        b = self.board()
        self.chain(b, "service")
        b.shell("farewell", b.note("farewell"), service="type = 'oneshot'")
        b.target("farewell", name="shutdown")
        b.start()
        self.wait_until(b.trace, b.overview)
        b.ctl("shutdown")
        self.assertEqual(b.wait_exit(), 0)
        self.assertEqual(b.trace()[1:], ["service goes", "farewell"])


if __name__ == "__main__":
    main()
