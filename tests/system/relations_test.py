# ctest: label=system timeout=60
"""What units mean to each other, with real processes."""
import os
import signal

from harness import BoardTest, main

STAY = "exec sleep 1000"


class Relations(BoardTest):
    def up(self, b, *units):
        for unit in units:
            b.wait_state(unit, "up")

    def crash(self, b, unit):
        os.kill(b.main_pid(unit), signal.SIGKILL)

    def test_what_dies_by_itself_takes_down_only_what_binds_to_it(self):
        b = self.board()
        b.shell("bus", STAY)
        b.shell("bound", STAY, unit="binds-to = ['bus']")
        b.shell("requires", STAY, unit="requires = ['bus']")
        b.shell("wants", STAY, unit="wants = ['bus']")
        b.target("bound", "requires", "wants")
        b.start()
        self.up(b, "bus", "bound", "requires", "wants")
        kept = {u: b.main_pid(u) for u in ("requires", "wants")}
        self.crash(b, "bus")
        self.wait_until(lambda: b.starts("bound") == 2, b.overview)
        self.up(b, "bus", "bound")
        self.assertEqual({u: b.main_pid(u) for u in kept}, kept)

    def test_conflicts_make_way(self):
        b = self.board()
        b.shell("day", STAY)
        b.shell("night", STAY, unit="conflicts = ['day']")
        b.start()
        b.ctl("start", "day")
        b.ctl("start", "night")
        self.assertEqual((b.state("day"), b.state("night")), ("down", "up"))
        b.ctl("start", "day")
        self.assertEqual((b.state("day"), b.state("night")), ("up", "down"))

    def test_on_failure_and_on_success_start_units(self):
        b = self.board()
        b.shell("bad", "exit 1", unit="on-failure = ['alarm']", service="restart = 'no'")
        b.shell("good", "exit 0", unit="on-success = ['cheer']", service="type = 'oneshot'")
        b.shell("alarm", STAY)
        b.shell("cheer", STAY)
        b.start()
        b.ask("Start", "bad")
        b.ctl("start", "good")
        self.up(b, "alarm", "cheer")

    def test_isolate_leaves_what_the_target_wants(self):
        b = self.board()
        for unit in ("one", "two", "both"):
            b.shell(unit, STAY)
        b.shell("stays", STAY, unit="ignore-on-isolate = true")
        b.target("one", "both", "stays")
        b.target("two", "both", name="rescue")
        b.start()
        self.up(b, "one", "both", "stays")
        kept = b.main_pid("both")
        b.ctl("isolate", "rescue")
        self.up(b, "two")
        b.wait_state("one", "down")
        self.assertEqual(b.main_pid("both"), kept)
        self.assertEqual(b.state("stays"), "up")

    def test_order_holds_both_ways(self):
        b = self.board()
        script = "trap '{}; exit 0' TERM; {}; systemd-notify --ready; while :; do sleep 0.05; done"
        names = ("a", "b", "c")
        for before, name in zip((None, *names), names):
            b.shell(name, script.format(b.note(f"-{name}"), b.note(f"+{name}")),
                    unit=f"after = ['{before}']" if before else "",
                    service="type = 'notify'\nnotify-access = 'all'")
        b.target(*reversed(names))
        b.start()
        self.up(b, *names)
        b.stop()
        self.assertEqual(b.trace(), ["+a", "+b", "+c", "-c", "-b", "-a"])

    def test_stop_when_unneeded_goes_with_its_last_user(self):
        b = self.board()
        b.shell("helper", STAY, unit="stop-when-unneeded = true")
        b.shell("user", STAY, unit="requires = ['helper']")
        b.start()
        b.ctl("start", "user")
        self.up(b, "helper")
        b.ctl("stop", "user")
        b.wait_state("helper", "down")


if __name__ == "__main__":
    main()
