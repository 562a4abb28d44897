# ctest: label=system timeout=300
"""Trap 17, on the whole manager: its descriptors stay flat over cycles, and children get exactly
what is declared."""

from harness import BoardTest, main, scaled
from harness.remains import descriptors

CYCLES = scaled(300, 100_000)
KEPT_CYCLES = scaled(3_000, 100_000)


class Descriptors(BoardTest):
    def test_flat_over_cycles_of_start_and_end(self):
        b = self.board()
        b.shell("once", "exit 0", service="type = 'oneshot'")
        b.shell("notifies", "systemd-notify --ready; exec sleep 1000",
                service="type = 'notify'\nnotify-access = 'all'")
        b.start()
        cycle = lambda unit: b.call("Start", "sa{sv}", unit, {})
        for _ in range(3):  # what is made once and kept
            cycle("once")
            cycle("notifies")
            b.call("Stop", "sa{sv}", "notifies", {})
        before = descriptors(b.pid)
        for _ in range(CYCLES):
            cycle("once")
        for _ in range(CYCLES // 10):
            cycle("notifies")
            b.call("Stop", "sa{sv}", "notifies", {})
        after = lambda: descriptors(b.pid)
        self.wait_until(lambda: len(after()) <= len(before),
                        lambda: f"{len(before)} descriptors again: {sorted(after().items())}")
        self.assertEqual(b.starts("once"), CYCLES + 3)

    def test_flat_in_keeper_and_manager(self):
        b = self.board(keeper=True)
        b.shell("once", "exit 0", service="type = 'oneshot'")
        b.shell("notifies", "systemd-notify --ready; exec sleep 1000",
                service="type = 'notify'\nnotify-access = 'all'")
        b.start()
        cycle = lambda unit: b.call("Start", "sa{sv}", unit, {})
        stop = lambda: b.call("Stop", "sa{sv}", "notifies", {})
        for _ in range(3):
            cycle("once")
            cycle("notifies")
            stop()
        before = [descriptors(pid) for pid in (b.pid, b.manager)]
        for i in range(KEPT_CYCLES):
            cycle("once")
            if i % 50 == 0:
                cycle("notifies")
                stop()
        for pid, then in zip((b.pid, b.manager), before):
            self.wait_until(lambda: len(descriptors(pid)) <= len(then),
                            lambda: f"{len(then)} descriptors again, of {then}: "
                                    f"{sorted(descriptors(pid).items())}")
        self.assertEqual(b.starts("once"), KEPT_CYCLES + 3)
        # And what a successor takes over is no more than that.
        b.kill_manager()
        self.wait_until(lambda: len(descriptors(b.manager)) <= len(before[1]) and
                        len(descriptors(b.pid)) <= len(before[0]),
                        lambda: f"{before}; {descriptors(b.manager)}; {descriptors(b.pid)}")

    def test_flat_over_clients_that_come_and_go(self):
        b = self.board().start()
        b.ctl("list")
        before = len(descriptors(b.pid))
        for _ in range(scaled(20, 2000)):
            b.ctl("list")
        self.wait_until(lambda: len(descriptors(b.pid)) <= before, "the connections are closed")

    def test_children_get_what_is_declared(self):
        b = self.board()
        b.shell("plain", "exec sleep 1000")
        b.shell("ready", "echo >&5; exec sleep 1000", service="type = 'notify'\nready-fd = 5")
        b.start()
        for unit, wanted in (("plain", {0, 1, 2}), ("ready", {0, 1, 2, 5})):
            b.ctl("start", unit)
            self.wait_until(lambda: "sleep" in open(f"/proc/{b.main_pid(unit)}/comm").read(),
                            "sleep runs")
            found = lambda: descriptors(b.main_pid(unit))
            # Its own loader opens some more for a moment.
            self.wait_until(lambda: set(found()) == wanted, lambda: f"{wanted}, not {found()}")
            self.assertEqual(found()[0], "/dev/null")


if __name__ == "__main__":
    main()
