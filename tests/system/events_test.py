# ctest: label=system timeout=120
"""Events are latches that people and units set; gates make units wait for them."""
import time

from harness import BoardTest, main


class Gates(BoardTest):
    def gated(self, b, name="reporter", lines=""):
        b.shell(name, "exec sleep 1000", unit=f"gate = ['event:calibrated']\n{lines}")

    def test_a_unit_waits_says_so_and_starts_when_the_event_is_set(self):
        b = self.board()
        self.gated(b)
        b.target("reporter")
        b.start()
        b.wait_state("reporter", "waiting")
        self.assertIn("event:calibrated", b.ctl("why", "reporter", code=None).out)
        self.assertIn("event:calibrated", b.ctl("status", "reporter", code=3).out)
        b.ctl("event", "set", "calibrated")
        b.wait_state("reporter", "up")
        b.ctl("event", "clear", "calibrated")
        self.assertEqual(b.state("reporter"), "up")  # gate-lost is ignore by default

    def test_a_lost_gate_restarts_or_stops_as_the_unit_says(self):
        b = self.board()
        self.gated(b, "restarts", "gate-lost = 'restart'")
        self.gated(b, "stops", "gate-lost = 'stop'")
        b.target("restarts", "stops")
        b.start()
        b.ctl("event", "set", "calibrated")
        b.wait_state("restarts", "up")
        b.wait_state("stops", "up")
        b.ctl("event", "clear", "calibrated")
        b.wait_state("stops", "down")
        b.wait_state("restarts", "backoff", "waiting")
        b.ctl("event", "set", "calibrated")
        b.wait_state("restarts", "up")
        self.assertEqual(b.state("stops"), "down")

    def test_an_event_is_set_while_a_unit_that_sets_it_is_up(self):
        b = self.board()
        b.shell("network", "exec sleep 1000", unit="sets = ['online']")
        b.shell("client", "exec sleep 1000", unit="gate = ['event:online']")
        b.target("client")
        b.start()
        b.wait_state("client", "waiting")
        b.ctl("start", "network")
        b.wait_state("client", "up")
        self.assertIn("network", b.ctl("event", "clear", "online").out)  # still set, and by whom
        b.ctl("stop", "network")
        b.ctl("event", "wait", "online", "--timeout", "100ms", code=124)

    def test_gates_on_units_paths_and_combinations(self):
        b = self.board()
        b.shell("db", "exec sleep 1000")
        b.shell("web", "exec sleep 1000", unit=f"""
            gate = ["unit:db", "!path:{b.data}/maintenance",
                    {{ any = ["path:{b.data}/a", "path:{b.data}/b"] }}]""")
        (b.data / "maintenance").touch()
        b.target("web")
        b.start()
        b.ctl("start", "db")
        b.wait_state("web", "waiting")
        (b.data / "b").touch()
        (b.data / "maintenance").unlink()
        b.wait_state("web", "up")


class Waiting(BoardTest):
    def test_wait_ends_when_the_event_is_set(self):
        b = self.board().start()
        waiter = b.ctl_begin("event", "wait", "go", "--timeout", "30s")
        b.ctl("event", "set", "go")
        out, err = waiter.communicate(timeout=30)
        self.assertEqual(waiter.returncode, 0, out + err)

    def test_wait_tells_every_second_what_it_waits_for_and_gives_up_with_124(self):
        b = self.board().start()
        begun = time.monotonic()
        told = b.ctl("event", "wait", "never", "--timeout", "2500ms", code=124)
        self.assertGreaterEqual(time.monotonic() - begun, 2.5)
        lines = [line for line in (told.out + told.err).splitlines() if "never" in line]
        self.assertGreaterEqual(len(lines), 2, told)

    def test_show_lists_events_and_who_waits(self):
        b = self.board()
        b.shell("client", "exec sleep 1000", unit="gate = ['event:online']")
        b.target("client")
        b.start()
        b.wait_state("client", "waiting")
        told = b.ctl("event", "show").out
        self.assertIn("online", told)
        self.assertIn("client", told)


if __name__ == "__main__":
    main()
