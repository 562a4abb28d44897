# ctest: label=system timeout=180
"""The manager cannot go on by its journal: it comes up by what runs, and starts none of that twice."""
import os
import pathlib
import re
import signal

from harness import BoardTest, main, needs_root
from harness.remains import descriptors

SOURCE = pathlib.Path(__file__).parents[2]


def journal_regions():
    """Where they begin, as layout.hpp has it."""
    text = (SOURCE / "daemon/init/layout.hpp").read_text()
    shifts = re.search(r"journal_at\[2\] = \{1ULL << (\d+)U, 1ULL << (\d+)U\}", text)
    return [1 << int(shift) for shift in shifts.groups()]


def damage_journal(keeper):
    """Flips bytes in both regions, wherever something is."""
    state = next(fd for fd, what in descriptors(keeper).items() if "memfd:reeve" in what)
    with open(f"/proc/{keeper}/fd/{state}", "r+b", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        for begin in journal_regions():
            if begin < size:
                here = os.pread(file.fileno(), 64, begin)
                os.pwrite(file.fileno(), bytes(byte ^ 0xff for byte in here), begin)


@needs_root
class Recover(BoardTest):

    def running(self, *keeper_options, talks=True):
        """Three services that run, one of them with leases, one with a watchdog."""
        b = self.board(keeper=True, keeper_options=keeper_options)
        (b.data / "talk").write_text("") if talks else None
        b.shell("plain", f"{b.note('plain')}; until [ -e {b.data}/talk ]; do sleep 0.05; done; "
                         "while :; do echo says; sleep 0.05; done",
                service="start-pre = ['/bin/true']", more="[log]\nto = ['file', 'memory']\n")
        b.shell("leases", b.note("leases") + "; exec sleep 1000", more="[hal]\nlease = ['lock']\n")
        b.shell("watched", b.note("watched") + "; systemd-notify --ready --no-block; while :; do "
                "sleep 0.1; systemd-notify WATCHDOG=1 --no-block; done",
                service="type = 'notify'\nnotify-access = 'all'\nwatchdog = '3s'")
        b.shell("wants-lock", b.note("wants-lock") + "; exec sleep 1000",
                more="[hal]\nlease = ['lock']\n", unit="after = ['leases']")
        b.unit("lock", "[device]\nclass = 'semaphore'\n")
        b.target("plain", "leases", "watched", "wants-lock")
        b.start()
        for name in self.NAMES:
            b.wait_state(name, "up")
        b.wait_state("wants-lock", "waiting")
        return b

    NAMES = ("plain", "leases", "watched")

    def pids(self, b):
        return {name: b.patient(lambda n=name: b.main_pid(n)) for name in self.NAMES}

    def assert_began_once(self, b):
        self.wait_until(lambda: len(b.trace()) >= len(self.NAMES), b.overview)
        self.assertEqual(sorted(b.trace()), sorted(self.NAMES))

    def assert_same(self, b, before):
        """All as it was, as seen from outside; and it is managed as ever."""
        states = b.patient(b.states)
        self.assertEqual({n: states[n] for n in self.NAMES}, dict.fromkeys(self.NAMES, "up"))
        self.assertEqual(states["wants-lock"], "waiting")
        self.assertEqual(self.pids(b), before)
        self.assert_began_once(b)

    def assert_manages(self, b, code=None):
        """What is found ends, starts and prints like any other."""
        file = b.runtime / "log" / "plain" / "current"
        self.wait_until(file.exists, "what is printed is written")
        seen = file.stat().st_size
        self.wait_until(lambda: file.stat().st_size > seen, "what is printed is read")
        os.kill(b.main_pid("leases"), signal.SIGKILL)
        self.wait_until(lambda: "wants-lock" in b.trace() or b.trace().count("leases") == 2,
                        b.overview)
        if code is not None:
            self.says(b, code)
        b.ctl("stop", "watched", "leases", "wants-lock")
        self.assertEqual(b.state("watched"), "down")

    def test_a_damaged_journal(self):
        b = self.running()
        before = self.pids(b)
        os.kill(b.manager, signal.SIGSTOP)
        damage_journal(b.pid)
        b.kill_manager()
        self.says(b, "3 units found running")
        self.assert_same(b, before)
        b.kill_manager()  # by the journal again
        self.says(b, "taken over:")
        self.assert_same(b, before)
        self.assert_manages(b, "leases: up -> ")
        self.says(b, "signal 9")

    def test_deaths_in_a_row_raise_the_level(self):
        b = self.running("--deaths", "5", "--within", "1min")
        before = self.pids(b)
        b.target("plain", name="rescue")
        for level in ("rebuild", "last-good", "rescue"):
            for _ in range(5):
                self.assertNotIn(f"next with --recover={level}", b.log())
                b.kill_manager()
            self.says(b, f"next with --recover={level}")
            if level != "rescue":
                self.assert_same(b, before)
        # Rescue: what runs is left alone, what waited is not wanted.
        states = b.patient(b.states)
        self.assertEqual({n: states[n] for n in self.NAMES}, dict.fromkeys(self.NAMES, "up"))
        self.assertEqual((states["wants-lock"], states["rescue"]), ("down", "up"))
        self.assertEqual(self.pids(b), before)
        self.assert_began_once(b)
        b.ask("Start", "default")
        b.wait_state("wants-lock", "waiting")

    def test_last_good_goes_back(self):
        b = self.running("--deaths", "2", "--within", "1min")
        before = self.pids(b)
        for _ in range(2):
            b.kill_manager()
        self.says(b, "next with --recover=rebuild")
        b.shell("new", "exec sleep 1000")
        b.ctl("apply")
        self.assertIn("new", b.states())
        # One more is rebuilt from the files, and knows what was before them.
        b.kill_manager()
        self.assertIn("new", b.patient(b.states))
        b.kill_manager()
        self.says(b, "next with --recover=last-good")
        self.wait_until(lambda: "new" not in b.patient(b.states), b.overview)
        self.says(b, "going back to the set that was applied before")
        self.assert_same(b, before)

    def test_what_was_in_force_can_be_gone_back_to_after_a_rebuild_from_other_files(self):
        b = self.running("--deaths", "2", "--within", "1min")
        b.shell("new", "exec sleep 1000")
        b.ctl("apply")
        b.shell("newer", "exec sleep 1000")  # and nobody applies it
        for _ in range(2):
            b.kill_manager()
        self.says(b, "next with --recover=rebuild")
        self.wait_until(lambda: "newer" in b.patient(b.states), b.overview)
        b.ctl("rollback")
        self.assertIn("new", b.states())
        self.assertNotIn("newer", b.states())

    def test_rescue_without_a_target(self):
        b = self.running("--deaths", "1", "--within", "1min")
        before = self.pids(b)
        for _ in range(3):
            b.kill_manager()
        self.says(b, "rescue.target does not exist: nothing is started")
        self.assertEqual(self.pids(b), before)


    def test_the_keeper_and_then_the_manager(self):
        b = self.running(talks=False)  # to print while nobody reads ends a process
        before = self.pids(b)
        manager = b.manager
        os.kill(b.pid, signal.SIGKILL)
        b.process.wait()
        self.says(b, "the keeper is gone")
        self.assert_same(b, before)
        self.assertEqual(b.ctl("stop", "wants-lock").code, 0)
        self.assertIn("no reeve-init above this manager", b.ctl("reexec", code=1).err)
        os.kill(manager, signal.SIGKILL)
        self.wait_until(lambda: not os.path.exists(f"/proc/{manager}") or self.reaped(manager),
                        "it is dead")
        b.start()
        self.says(b, "3 units found running")
        self.assert_same(b, before)
        (b.data / "talk").touch()
        file = b.runtime / "log" / "plain" / "current"
        self.wait_until(lambda: file.exists() and "says" in file.read_text(), b.overview)
        os.kill(before["leases"], signal.SIGKILL)
        self.says(b, "exit status unknown")

    def asks_for_another(self, b):
        """reexec by a binary that says it can as soon as there is `data/go`; the client."""
        binary = b.folder / "binary"
        binary.write_text(f"#!/bin/sh\ntouch {b.data}/asked\n"
                          f"until [ -e {b.data}/go ]; do sleep 0.02; done; echo can take over\n")
        binary.chmod(0o755)
        client = b.ctl_begin("reexec", "--binary", binary)
        self.wait_until((b.data / "asked").exists, b.overview)
        return client

    def assert_refused(self, b, client):
        out, err = client.communicate(timeout=60)
        self.assertEqual(client.returncode, 1, out + err)
        self.assertIn("reeve-init died before it could start the other", err)
        self.assertIn("plain", b.states())  # that manager goes on
        os.kill(b.orphan, signal.SIGTERM)
        self.wait_until(lambda: self.reaped(b.orphan), b.log)

    def kill_keeper(self, b):
        b.orphan = b.manager
        os.kill(b.pid, signal.SIGKILL)
        b.process.wait()
        self.says(b, "the keeper is gone")

    def test_a_keeper_that_dies_while_another_binary_is_asked(self):
        b = self.board(keeper=True)
        b.shell("plain", "exec sleep 1000")
        b.target("plain")
        b.start()
        client = self.asks_for_another(b)
        self.kill_keeper(b)
        (b.data / "go").touch()
        self.assert_refused(b, client)

    def test_a_keeper_that_dies_before_it_hears_of_another_binary(self):
        b = self.board(keeper=True)
        b.shell("plain", "exec sleep 1000")
        b.target("plain")
        b.start()
        os.kill(b.pid, signal.SIGSTOP)
        client = self.asks_for_another(b)
        (b.data / "go").touch()
        self.says(b, "gives way to")
        self.kill_keeper(b)
        self.assert_refused(b, client)

    def test_what_is_of_no_unit_any_more_ends_with_the_rest(self):
        b = self.running("--deaths", "1", "--within", "1min")
        b.ctl("run", "--", "/bin/sh", "-c", f"{b.note('ran')}; trap '' TERM; sleep 600; sleep 600")
        self.wait_until(lambda: "ran" in b.trace(), b.overview)
        b.kill_manager()
        self.says(b, "is of no unit")
        b.kill_manager()
        b.ctl("shutdown")
        self.assertEqual(b.wait_exit(), 0)  # then it is looked for what is left

    def test_a_runtime_folder_that_reeve_made_goes_though_the_keeper_died(self):
        for made, lives in ((True, True), (True, False), (False, True)):
            with self.subTest(made=made, lives=lives):
                b = self.board(keeper=True, as_nobody=not lives)
                b.shell("works", "exec sleep 600", service="type = 'notify'\nnotify-access = 'all'\n"
                        "start-timeout = 'infinity'")
                b.target("works")
                b.runtime.mkdir() if not made else None
                b.start()
                b.wait_state("works", "starting")
                manager = b.manager
                service = self.wait_until(lambda: b.main_pid("works"), "its process is known")
                self.kill_keeper(b)
                for pid in (manager,) if lives else (manager, service):
                    os.kill(pid, signal.SIGKILL)
                    self.wait_until(lambda: self.reaped(pid), "it is dead")
                b.target()
                b.start()
                b.stop()
                self.assertEqual(b.runtime.exists(), not made)

    def test_an_instance_that_runs_is_found(self):
        b = self.board(keeper=True, keeper_options=("--deaths", "2"))
        b.shell("one@", b.note("%i") + "; exec sleep 1000")
        b.target()
        b.start()
        b.ctl("start", "one@x")
        b.ctl("start", r"one@y\x2dz")
        before = b.main_pid("one@x"), b.main_pid(r"one@y\x2dz")
        for _ in range(2):
            b.kill_manager()
        self.says(b, "2 units found running")
        self.assertEqual((b.main_pid("one@x"), b.main_pid(r"one@y\x2dz")), before)
        self.assertEqual(b.ctl("plan", "--json").json["removed"], [])
        self.assertNotIn("of no unit", b.log())

    def reaped(self, pid):
        try:
            return os.waitpid(pid, os.WNOHANG)[0] == pid
        except ChildProcessError:
            return True


@needs_root
class WithoutCgroups(BoardTest):
    """Whose a process is says its environment, or that it was known. All can be ended."""
    STUBBORN = "trap '' TERM; {told}; sleep 600 & sleep 600; sleep 600"
    NAMELESS = "exec env -i /bin/sh -c \"trap '' TERM; while :; do sleep 0.1; done\""

    def running(self, *keeper_options):
        b = self.board(keeper=True, as_nobody=True, keeper_options=keeper_options)
        for name in ("stubborn", "other"):
            b.shell(name, self.STUBBORN.format(told=b.note(name)), service="stop-timeout = '200ms'")
        b.target("stubborn", "other")
        return b

    def start(self, b, *names):
        b.start()
        for name in ("stubborn", "other", *names):
            b.wait_state(name, "up")
        self.says(b, "process groups")
        self.wait_until(lambda: len(b.trace()) == 2, "the traps are set")

    def assert_ends(self, b):
        b.ctl("shutdown")
        self.assertEqual(b.wait_exit(), 0)
        self.assertIn("unit other: stopping -> killing", b.log())

    def test_found_again_they_end(self):
        b = self.running("--deaths", "1", "--within", "1min")
        self.start(b)
        b.kill_manager()
        self.says(b, "2 units found running")
        b.kill_manager()  # by the journal
        self.assert_ends(b)

    def test_what_is_of_no_unit_any_more_ends_with_the_rest(self):
        b = self.running("--deaths", "1", "--within", "1min")
        self.start(b)
        b.ctl("run", "--", "/bin/sh", "-c", self.STUBBORN.format(told=b.note("ran")))
        self.wait_until(lambda: "ran" in b.trace(), b.overview)
        b.kill_manager()
        self.says(b, "2 units found running")
        b.kill_manager()
        self.assert_ends(b)

    def test_taken_over_without_an_environment_they_end(self):
        b = self.running()
        b.shell("nameless", self.NAMELESS, service="stop-timeout = '200ms'")
        b.target("stubborn", "other", "nameless")
        self.start(b, "nameless")
        pid = b.main_pid("nameless")
        self.wait_until(lambda: b"env" not in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
                        and not pathlib.Path(f"/proc/{pid}/environ").read_bytes().count(b"REEVE"),
                        "it has no environment")
        b.kill_manager()
        self.assertEqual(b.ctl("stop", "nameless").code, 0)
        self.assertFalse(os.path.exists(f"/proc/{pid}"))
        self.assert_ends(b)

    def test_after_the_death_of_the_keeper_they_end(self):
        b = self.running()
        self.start(b)
        b.kill_manager()  # so that "other" is of a manager before it
        b.ctl("restart", "stubborn")
        manager = b.manager
        os.kill(b.pid, signal.SIGKILL)
        b.process.wait()
        self.says(b, "the keeper is gone")
        for name in ("stubborn", "other"):
            b.ctl("stop", name)
            self.assertEqual(b.state(name), "down")
        os.kill(manager, signal.SIGTERM)
        self.wait_until(lambda: os.waitpid(manager, os.WNOHANG)[0] == manager, b.overview)
        self.assertFalse(b.socket.exists())


if __name__ == "__main__":
    main()
