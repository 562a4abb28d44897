# ctest: label=system timeout=180
"""Semaphores are devices: whole sets, first come first served, given back at death."""
import os
import signal

from harness import BoardTest, main, scaled


def semaphore(board, name, capacity=1):
    board.unit(name, f'[device]\nclass = "semaphore"\ncapacity = {capacity}\n')


class Semaphores(BoardTest):
    def test_five_tasks_on_a_semaphore_of_two(self):
        b = self.board()
        semaphore(b, "bench", 2)
        rounds = scaled(1, 20)
        for n in range(5):
            # None leaves before there were two, however slowly the others come.
            b.shell(f"task{n}", f"{b.note('in')}; until [ $(grep -c in {b.data}/trace) -ge 2 ]; do "
                                f"sleep 0.02; done; sleep 0.1; {b.note('out')}",
                    service="type = 'oneshot'", more="[hal]\nlease = ['bench']\n")
        b.start()
        for _ in range(rounds):
            starts = [b.ctl_begin("start", f"task{n}", "--timeout", "60s") for n in range(5)]
            for start in starts:
                out, err = start.communicate(timeout=90)
                self.assertEqual(start.returncode, 0, out + err)
        inside, most = 0, 0
        for word in b.trace():
            inside += 1 if word == "in" else -1
            most = max(most, inside)
        self.assertEqual((inside, most, len(b.trace())), (0, 2, 10 * rounds))

    def test_twenty_buyers_of_twenty_tickets_under_a_lock(self):
        b = self.board()
        semaphore(b, "till")
        tickets = b.data / "tickets"
        # read, think, write: without the lock, tickets would be sold twice
        buy = f"n=$(cat {tickets}); sleep 0.0$((n % 5)); echo $((n - 1)) > {tickets}"
        for n in range(20):
            b.shell(f"buyer{n}", buy, service="type = 'oneshot'",
                    more="[hal]\nlease = ['till']\n")
        b.start()
        for _ in range(scaled(1, 20)):
            tickets.write_text("20\n")
            for n in range(20):
                b.ask("Start", f"buyer{n}")
            self.wait_until(
                lambda: all(b.state(f"buyer{n}") == "done" for n in range(20)), b.overview)
            self.assertEqual(tickets.read_text(), "0\n")

    def test_a_killed_holder_gives_back_and_the_next_gets_it(self):
        b = self.board()
        semaphore(b, "bus")
        for name in ("first", "second"):
            b.shell(name, "sleep 1000 & wait", service="restart = 'no'",
                    more="[hal]\nlease = ['bus']\n")
        b.start()
        b.ctl("start", "first")
        waiter = b.ctl_begin("start", "second", "--timeout", "60s")
        b.wait_state("second", "waiting")
        self.assertIn("bus", b.ctl("why", "second", code=None).out)
        who = b.ctl("device", "who", "bus").out
        self.assertIn("first", who)
        self.assertIn("second", who)
        os.kill(b.main_pid("first"), signal.SIGKILL)
        self.assertEqual(waiter.wait(60), 0, waiter.communicate())
        self.assertEqual((b.state("first"), b.state("second")), ("failed", "up"))
        self.assertEqual(list(b.get("first", "Pids")), [])  # the lease ends when all of it is gone

    def test_sets_are_granted_at_once_or_not_at_all(self):
        b = self.board()
        semaphore(b, "left")
        semaphore(b, "right")
        hold = "exec sleep 1000"
        b.shell("both", hold, more="[hal]\nlease = ['left', 'right']\n")
        b.shell("one", hold, more="[hal]\nlease = ['right']\n")
        b.start()
        b.ctl("start", "one")
        b.ctl("start", "both", "--timeout", "100ms", code=124)
        # it waits for both and holds none
        for device in b.call("ListDevices"):
            self.assertNotIn("both", list(device[3]), device[0])
        b.ctl("stop", "one")
        b.wait_state("both", "up")
        for device in b.call("ListDevices"):
            self.assertEqual(list(device[3]), ["both"])

    def test_a_command_runs_with_a_lease_or_gives_up_with_75(self):
        b = self.board()
        semaphore(b, "bus")
        b.shell("holder", "exec sleep 1000", more="[hal]\nlease = ['bus']\n")
        b.start()
        b.ctl("run", "--with", "bus", "--", "/bin/sh", "-c", "exit 5", code=5)
        b.ctl("start", "holder")
        b.ctl("run", "--with", "bus", "--wait", "200ms", "--", "/bin/true", code=75)
        b.ctl("stop", "holder")
        b.ctl("run", "--with", "bus", "--wait", "5s", "--", "/bin/true")


if __name__ == "__main__":
    main()
