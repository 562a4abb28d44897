"""The keeper with a scripted manager: what outlives, what is told, when it starts anew."""
# ctest: label=system timeout=120

import os
import resource
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "support"))
from keeper import KEEPER, LIMIT, MANAGER, Keeper  # noqa: E402

CODE = 0  # where an exit has its parts
SIGNAL = 8


class Starts(unittest.TestCase):
    def test_the_manager_gets_its_options_and_where_all_is(self):
        with Keeper("--stuck", "3s", "--target", "x", "--deaths=4", "--", "cmd", "--stuck") as keeper:
            manager = keeper.manager()
            self.assertEqual(manager.options, ["--target", "x", "--", "cmd", "--stuck"])
            self.assertEqual(manager.generation, 1)
            self.assertGreaterEqual(int(manager.ask("fds")), 10)

    def test_wrong_options_are_told(self):
        for words in (["--stuck"], ["--stuck", "soon"], ["--deaths", "0"], ["--deaths", "33"],
                      ["--within=1"], ["--settled", "9999999min"]):
            done = subprocess.run([KEEPER, *words], capture_output=True, text=True, timeout=LIMIT)
            self.assertEqual(done.returncode, 2, words)
            self.assertIn("wants another value; see reeve-init --help", done.stderr)

    def test_help_and_version(self):
        for word, text in (("--help", "Usage: reeve-init"), ("--version", "reeve-init ")):
            done = subprocess.run([KEEPER, word], capture_output=True, text=True, timeout=LIMIT)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertTrue(done.stdout.startswith(text))

    def test_a_first_manager_that_was_called_wrongly_ends_the_keeper(self):
        with Keeper() as keeper:
            keeper.manager().tell("exit", 78)
            self.assertEqual(keeper.code(), 78)

    def test_limits_are_handed_on_but_for_core_files(self):
        def limit():
            resource.setrlimit(resource.RLIMIT_NOFILE, (321, 4096))
            resource.setrlimit(resource.RLIMIT_CORE, (4096, 8192))

        with Keeper(prepare=limit) as keeper:
            self.assertEqual(keeper.manager().ask("limits"), "321 1 4096")
        with Keeper("--manager-core", prepare=limit) as keeper:
            self.assertEqual(keeper.manager().ask("limits"), "321 4096 4096")


class Exits(unittest.TestCase):
    def test_children_of_a_dead_manager_end_in_their_slots(self):
        with Keeper() as keeper:
            first = keeper.manager()
            later = keeper.spawn(first, "spawn", 0, 7)
            now = keeper.spawn(first, "spawn", 700, 9)
            os.kill(now, signal.SIGUSR1)  # a zombie that nobody reaps, when the manager dies
            first.kill()
            second = keeper.manager()
            self.assertEqual(second.ask("exit-of", 700), str(9 << CODE))
            os.kill(later, signal.SIGTERM)
            self.assertEqual(second.ask("exit-of", 0), str(signal.SIGTERM << SIGNAL))

    def test_what_has_no_slot_is_remembered(self):
        with Keeper() as keeper:
            first = keeper.manager()
            strays = [keeper.spawn(first, "stray", code) for code in range(3)]
            first.kill()
            second = keeper.manager()
            for code, pid in enumerate(strays):
                os.kill(pid, signal.SIGUSR1)
                self.assertEqual(second.ask("unplaced", code + 1), f"{pid} {code} 1")

    def test_the_ring_goes_round(self):
        with Keeper() as keeper:
            first = keeper.manager()
            strays = [keeper.spawn(first, "stray", 5) for _ in range(260)]
            first.kill()
            second = keeper.manager()
            for pid in strays[:-1]:
                os.kill(pid, signal.SIGKILL)
            second.ask("unplaced", 259)
            os.kill(strays[-1], signal.SIGUSR1)
            self.assertEqual(second.ask("unplaced", 260), f"{strays[-1]} 5 1")


class Custody(unittest.TestCase):
    def test_descriptors_outlive_three_managers(self):
        with Keeper() as keeper:
            manager = keeper.manager()
            self.assertEqual(manager.ask("back"), "")
            manager.ask("keep", 11, "eleven")
            for generation in (2, 3, 4):
                manager.ask("keep", generation, f"of{generation}")
                manager.kill()
                manager = keeper.manager()
                self.assertEqual(manager.generation, generation)
            self.assertEqual(manager.ask("back"), "2=of2 3=of3 4=of4 11=eleven")

    def test_a_key_is_replaced_and_dropped(self):
        with Keeper() as keeper:
            manager = keeper.manager()
            for text in ("one", "two", "three"):
                manager.ask("keep", 1, text)
            manager.ask("keep", 2, "other")
            self.assertEqual(manager.ask("back"), "1=three 2=other")
            held = keeper.descriptors()
            manager.ask("drop", 1)
            manager.ask("drop", 99)
            self.assertEqual(manager.ask("back"), "2=other")
            self.assertEqual(keeper.descriptors(), held - 1)

    def test_a_thousand_come_back_and_cost_little(self):
        with Keeper() as keeper:
            first = keeper.manager()
            first.ask("back")
            before = keeper.descriptors()
            first.ask("keep-many", 1, 1000)
            first.kill()
            second = keeper.manager()
            self.assertEqual(second.ask("count"), "1000")
            self.assertEqual(keeper.descriptors(), before + 1000)
            if not KEEPER.endswith("-checked"):
                self.assertLessEqual(keeper.private(), 64)

    def test_a_full_table_refuses_and_goes_on(self):
        with Keeper() as keeper:
            manager = keeper.manager()
            resource.prlimit(keeper.pid, resource.RLIMIT_NOFILE, (200, 200))
            manager.ask("keep-many", 1, 250)
            self.assertGreater(int(manager.ask("count")), 100)
            self.assertIn("no room for", keeper.said())
            manager.ask("drop", 1)
            manager.ask("keep", 5000, "late")
            self.assertIn("5000=late", manager.ask("back"))
            manager.kill()
            self.assertEqual(keeper.manager().generation, 2)


class Deaths(unittest.TestCase):
    def test_the_first_restart_is_at_once_and_the_next_wait(self):
        with Keeper("--deaths", "32") as keeper:
            waits = []
            for _ in range(6):
                manager = keeper.manager()
                killed = time.monotonic()
                manager.kill()
                keeper.manager().kill()
                waits.append(time.monotonic() - killed)
            # Two deaths a round: the delays of every second are 0, 20, 80, 320, 1000, 1000 ms.
            for wait, least in zip(waits, (0, 0.02, 0.08, 0.32, 1.0)):
                self.assertGreaterEqual(wait, least)

    def test_one_that_had_come_up_is_replaced_at_once(self):
        with Keeper("--deaths", "32") as keeper:
            for _ in range(9):
                keeper.manager().kill()  # so the next would wait
            manager = keeper.manager()
            manager.ask("ready")
            manager.kill()
            killed = time.monotonic()
            keeper.manager()
            self.assertLess(time.monotonic() - killed, 0.9, "not the second that was due")

    def test_each_level_is_tried_then_it_gives_up(self):
        with Keeper("--deaths", "2") as keeper:
            seen = []
            for _ in range(8):
                manager = keeper.manager()
                seen.append(manager.options)
                manager.kill()
            self.assertEqual(seen, [[]] * 2 + [["--recover=rebuild"]] * 2 +
                             [["--recover=last-good"]] * 2 + [["--recover=rescue"]] * 2)
            self.assertEqual(keeper.code(), 1)
            self.assertIn("what it started lives on", keeper.said())

    def test_a_manager_that_was_ready_for_long_makes_all_forgotten(self):
        with Keeper("--deaths", "2", "--settled", "1ms") as keeper:
            for generation in range(1, 7):
                manager = keeper.manager()
                self.assertEqual((manager.generation, manager.options), (generation, []))
                manager.ask("ready")
                manager.ask("back")  # the keeper has read on: more than 1 ms, or nearly so
                deadline = time.monotonic() + 0.002
                while time.monotonic() < deadline:
                    manager.ask("fds")
                manager.kill()


class Reexec(unittest.TestCase):
    def test_it_is_no_death_and_keeps_all(self):
        with Keeper("--deaths", "2") as keeper:
            manager = keeper.manager()
            manager.ask("keep", 1, "x")
            for generation in range(2, 8):
                manager.tell("reexec", MANAGER if generation % 2 else "")
                manager = keeper.manager()
                manager.ask("ready")
                self.assertEqual((manager.generation, manager.options), (generation, []))
            self.assertEqual(manager.ask("back"), "1=x")
            self.assertNotIn("killed", keeper.said())

    def test_a_binary_that_does_not_take_over_is_given_up(self):
        with Keeper() as keeper:
            first = keeper.manager()
            first.ask("ready")
            first.tell("reexec", "/bin/false")
            self.assertEqual(keeper.manager().generation, 3)
            self.assertIn("going back from /bin/false", keeper.said())

    def test_a_binary_that_has_gone_costs_no_death(self):
        with Keeper() as keeper:
            first = keeper.manager()
            first.ask("ready")
            first.tell("reexec", "/nowhere/reeved")
            self.assertEqual(keeper.manager().generation, 2)
            self.assertIn("cannot run /nowhere/reeved", keeper.said())


class Stuck(unittest.TestCase):
    def test_work_that_does_not_end(self):
        with Keeper("--stuck", "1s") as keeper:
            first = keeper.manager()
            self.assertEqual(first.ask("begin"), "done")
            self.assertEqual(keeper.manager().generation, 2)
            self.assertIn("works on one thing for too long", keeper.said())
            self.assertIn(f"killed by signal {int(signal.SIGABRT)}", keeper.said())

    def test_work_that_ends_is_none(self):
        with Keeper("--stuck", "3s") as keeper:
            first = keeper.manager()
            deadline = time.monotonic() + 3.5
            while time.monotonic() < deadline:
                first.ask("begin")
                first.ask("end")
            self.assertEqual(keeper.said(), "")

    def test_a_manager_that_is_stopped(self):
        with Keeper("--stuck", "1s") as keeper:
            keeper.manager().kill(signal.SIGSTOP)
            self.assertEqual(keeper.manager().generation, 2)
            self.assertIn("stands still", keeper.said())

    def test_a_manager_that_was_stopped_for_a_moment(self):
        with Keeper("--stuck", "3s") as keeper:
            first = keeper.manager()
            first.kill(signal.SIGSTOP)
            first.kill(signal.SIGCONT)
            deadline = time.monotonic() + 3.5
            while time.monotonic() < deadline:
                first.ask("fds")
            self.assertEqual(keeper.said(), "")


class Signals(unittest.TestCase):
    def test_they_reach_a_manager_that_is_ready(self):
        with Keeper() as keeper:
            manager = keeper.manager()
            manager.ask("ready")
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1,
                           signal.SIGUSR2):
                os.kill(keeper.pid, number)
                self.assertEqual(manager.ask("signal"), str(int(number)))

    def test_they_wait_for_one_that_comes_up(self):
        with Keeper() as keeper:
            first = keeper.manager()
            os.kill(keeper.pid, signal.SIGTERM)
            first.kill()
            second = keeper.manager()
            second.ask("ready")
            self.assertEqual(second.ask("signal"), str(int(signal.SIGTERM)))

    def test_the_end_needs_no_manager_that_works(self):
        with Keeper("--deaths", "32") as keeper:
            manager = keeper.manager()  # before, the keeper may not hear it either
            os.kill(keeper.pid, signal.SIGTERM)
            for _ in range(2):
                manager.kill()
                manager = keeper.manager()
            manager.kill()
            self.assertEqual(keeper.code(), 1)

    def test_it_ends_with_the_code_it_was_told(self):
        with Keeper() as keeper:
            manager = keeper.manager()
            manager.ask("ended", 42)
            manager.tell("exit", 0)
            self.assertEqual(keeper.code(), 42)
            self.assertEqual(keeper.said(), "")

    def test_services_live_on_when_the_keeper_dies(self):
        with Keeper() as keeper:
            child = keeper.spawn(keeper.manager(), "spawn", 0, 0)
            keeper.process.kill()
            keeper.process.wait()
            os.kill(child, 0)


@unittest.skipUnless(os.geteuid() == 0, "needs a namespace of its own")
class FirstOfANamespace(unittest.TestCase):
    def test_it_ends_what_is_left_and_exits_with_the_code(self):
        with Keeper("--pid", "--fork", "--kill-child", "--mount-proc", KEEPER,
                    program="unshare") as keeper:
            manager = keeper.manager()
            manager.ask("ready")
            manager.ask("spawn", 0, 0)
            manager.ask("stray", 0)
            manager.ask("ended", 5)
            manager.tell("exit", 0)
            self.assertEqual(keeper.code(), 5)
            self.assertEqual(keeper.said(), "")

    def test_when_nothing_helps_it_exits(self):
        with Keeper("--pid", "--fork", "--kill-child", "--mount-proc", KEEPER, "--deaths", "1",
                    program="unshare") as keeper:
            for _ in range(4):
                keeper.manager().tell("exit", 9)
            self.assertEqual(keeper.code(), 1)


class MadManagers(unittest.TestCase):
    def test_a_flood_of_nonsense_changes_nothing(self):
        with Keeper() as keeper:
            manager = keeper.manager()
            manager.ask("keep", 1234567, "kept")
            manager.ask("back")
            before = keeper.descriptors()
            manager.ask("flood", 20_000 if not os.environ.get("REEVE_LONG") else 1_000_000)
            self.assertIn("1234567=kept", manager.ask("back"))
            self.assertLess(keeper.descriptors(), before + 100)
            self.assertLessEqual(keeper.said().count("\n"), 200)
            manager.kill()
            self.assertEqual(keeper.manager().generation, 2)

    def test_it_cannot_take_the_state_away(self):
        with Keeper() as keeper:
            first = keeper.manager()
            self.assertEqual(first.ask("shrink"), "no")
            first.ask("use", 1 << 31)  # more slots than there are
            pid = keeper.spawn(first, "stray", 3)
            first.kill()
            second = keeper.manager()
            os.kill(pid, signal.SIGUSR1)
            self.assertEqual(second.ask("unplaced", 1), f"{pid} 3 1")

    def test_room_for_slots_has_an_end(self):
        with Keeper() as keeper:
            manager = keeper.manager()
            self.assertEqual(manager.ask("room", 1 << 17), "yes")
            self.assertEqual(manager.ask("room", (1 << 17) + 1), "no")


@unittest.skipIf(KEEPER.endswith("-checked"), "not the program that is installed")
class Costs(unittest.TestCase):
    def test_it_has_no_heap_and_little_memory(self):
        with Keeper() as keeper:
            keeper.manager().ask("ready")
            with open(f"/proc/{keeper.pid}/maps") as maps:
                self.assertNotIn("[heap]", maps.read())
            self.assertLessEqual(keeper.private(), 64)

    def test_nothing_wakes_it(self):
        with Keeper() as keeper:
            manager = keeper.manager()
            manager.ask("ready")
            manager.ask("back")
            while keeper.state() != "S":
                pass
            before = keeper.status("voluntary_ctxt_switches")
            deadline = time.monotonic() + 0.5
            while time.monotonic() < deadline:
                manager.ask("batches", 1000)
            self.assertEqual(keeper.status("voluntary_ctxt_switches"), before)


if __name__ == "__main__":
    unittest.main(verbosity=2)
