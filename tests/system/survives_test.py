# ctest: label=system timeout=900
"""The manager dies, its keeper starts another, and nothing is lost: what each thing must survive."""
import os
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import time

from harness import BoardTest, main, needs_root, scaled
from harness.board import NOBODY


class Survives(BoardTest):
    """As root with cgroups; the class below is the same as nobody, without.

    "Of each unit, in the journal (outliving.md), so that it outlives the manager: `asked` (none, up,
    down; by whom), `kept`, `bounce` (restart asked, not yet gone), state, run, result, the counters of
    back-off and limit, for each `binds-to` the run it is bound to." Field by field:
    tests/core/support/simulator.cpp. "Manager's death and re-exec: §2."
    """
    options = {}

    def started(self, *wanted, **options):
        b = self.board(keeper=True, **self.options, **options)
        return b

    def test_a_running_service_is_not_touched(self):
        b = self.started()
        b.shell("works", b.note("began") + "; exec sleep 1000")
        b.target("works")
        b.start()
        b.wait_state("works", "up")
        pid, run = b.main_pid("works"), b.run("works")
        for _ in range(3):
            b.kill_manager()
            self.assertEqual((b.state("works"), b.main_pid("works"), b.run("works")),
                             ("up", pid, run))
        self.traces(b, ["began"])
        b.ctl("stop", "works")
        self.assertEqual(b.state("works"), "down")

    def test_an_exit_while_nobody_manages_is_known(self):
        b = self.started()
        b.shell("ends", f"until [ -e {b.data}/go ]; do sleep 0.02; done; exit 7",
                service="restart = 'no'")
        b.start()
        b.ctl("start", "ends")
        os.kill(b.manager, signal.SIGSTOP)
        pid = b.manager
        (b.data / "go").touch()
        self.wait_until(lambda: self.is_zombie(b, pid), "the service has ended")
        b.kill_manager()
        b.wait_state("ends", "failed")
        self.assertEqual(int(b.get("ends", "Code")), 7)

    def is_zombie(self, b, manager):
        for task in os.listdir(f"/proc/{manager}/task"):
            children = pathlib.Path(f"/proc/{manager}/task/{task}/children").read_text().split()
            for child in children:
                stat = pathlib.Path(f"/proc/{child}/stat").read_text()
                if stat.rsplit(")", 1)[1].split()[0] == "Z":
                    return True
        return False

    def test_its_end_after_that_restarts_it(self):
        b = self.started()
        b.shell("works", b.note("began") + "; exec sleep 1000")
        b.target("works")
        b.start()
        b.wait_state("works", "up")
        self.traces(b, ["began"])
        b.kill_manager()
        run = b.run("works")
        os.kill(b.main_pid("works"), signal.SIGKILL)
        self.wait_until(lambda: b.run("works") > run, b.overview)
        b.wait_state("works", "up")
        self.traces(b, ["began", "began"])

    def test_readiness_told_to_nobody_counts(self):
        b = self.started()
        b.shell("ready", f"until [ -e {b.data}/go ]; do sleep 0.02; done; "
                         f"systemd-notify --ready --no-block; touch {b.data}/told; exec sleep 1000",
                service="type = 'notify'\nnotify-access = 'all'")
        b.target("ready")
        b.start()
        b.wait_state("ready", "starting")
        old = b.manager
        os.kill(old, signal.SIGSTOP)
        (b.data / "go").touch()
        self.wait_until(lambda: (b.data / "told").exists(), "systemd-notify has sent")
        b.kill_manager()
        b.wait_state("ready", "up")

    def test_waiting_and_order_go_on(self):
        b = self.started()
        b.shell("second", b.note("second") + "; exec sleep 1000", unit="requires = ['first']")
        b.shell("first", b.note("first"), unit="gate = ['event:go']",
                service="type = 'oneshot'\nremain-after-exit = true")
        b.target("second")
        b.start()
        b.wait_state("second", "waiting")
        b.kill_manager()
        self.assertEqual(b.states()["first"], "waiting")
        b.ctl("event", "set", "go")
        b.kill_manager()
        b.wait_state("second", "up")
        self.traces(b, ["first", "second"])

    def test_backoff_and_counters_go_on(self):
        b = self.started()
        b.shell("crashes", b.note("began") + "; exit 3",
                service="backoff = { first = '1s', factor = 1.0 }\n"
                        "limit = { starts = 3, within = '1h' }")
        b.target("crashes")
        b.start()
        b.wait_state("crashes", "backoff")
        b.kill_manager()
        b.wait_state("crashes", "failed")
        self.traces(b, ["began"] * 3)

    def test_a_stop_under_way_ends(self):
        b = self.started()
        b.shell("stays", "trap '' TERM; echo >&5; while :; do sleep 0.05; done",
                service="type = 'notify'\nready-fd = 5\nstop-timeout = '3s'")
        b.start()
        b.ctl("start", "stays")
        b.ask("Stop", "stays")
        b.wait_state("stays", "stopping")
        b.kill_manager()
        b.wait_state("stays", "down")

    def test_leases_are_held_and_the_queue_goes_on(self):
        b = self.started()
        b.unit("lock", "[device]\nclass = 'semaphore'\n")
        for name in ("one", "two"):
            b.shell(name, b.note(name) + "; exec sleep 1000", more="[hal]\nlease = ['lock']\n")
        b.target("one", "two")
        b.start()
        b.wait_state("one", "up")
        b.wait_state("two", "waiting")
        b.kill_manager()
        self.assertEqual(b.states()["two"], "waiting")
        b.ctl("stop", "one")
        b.wait_state("two", "up")
        self.traces(b, ["one", "two"])

    def test_what_is_printed_meanwhile_is_there_once(self):
        b = self.started()
        b.shell("talks", "i=0; while [ $i -lt 400 ]; do echo line $i.; i=$((i + 1)); sleep 0.005; "
                         "done; exec sleep 1000", more="[log]\nto = ['file', 'memory']\n")
        b.start()
        b.ctl("start", "talks")
        for _ in range(4):
            b.kill_manager()
        number = lambda text: [int(n) for n in re.findall(r"line (\d+)\.", text)]
        file = b.runtime / "log" / "talks" / "current"
        self.wait_until(lambda: number(file.read_text())[-1:] == [399], "it has said all")
        self.assertEqual(number(file.read_text()), list(range(400)))
        kept = number(b.ctl("logs", "talks").out)  # as many as the ring holds
        self.assertEqual(kept, list(range(400))[-len(kept):])

    def test_a_forking_daemon_is_known_again(self):
        b = self.started()
        b.shell("forks", f"sleep 1000 & echo $! > {b.data}/pid",
                service=f"type = 'forking'\npid-file = '{b.data}/pid'")
        b.start()
        b.ctl("start", "forks")
        pid = b.main_pid("forks")
        b.kill_manager()
        self.assertEqual((b.state("forks"), b.main_pid("forks")), ("up", pid))
        run = b.run("forks")
        os.kill(pid, signal.SIGKILL)
        self.wait_until(lambda: b.run("forks") > run, b.overview)

    def test_a_client_that_waits_gets_its_answer(self):
        b = self.started()
        b.shell("slow", f"until [ -e {b.data}/go ]; do sleep 0.02; done; echo >&5; exec sleep 1000",
                service="type = 'notify'\nready-fd = 5")
        b.start()
        client = b.ctl_begin("start", "slow")
        self.wait_until(lambda: b.states().get("slow") == "starting", b.overview)
        b.kill_manager()
        (b.data / "go").touch()
        out, err = client.communicate(timeout=60)
        self.assertEqual(client.returncode, 0, out + err)
        self.assertEqual(b.starts("slow"), 1)

    def test_a_client_waits_through_many_deaths(self):
        b = self.started(keeper_options=("--within", "1ms"))
        b.shell("works", "exec sleep 1000")
        b.target("works")
        b.start()
        b.wait_state("works", "up")
        client = b.ctl_begin("wait", "works")
        # Longer than it would look for a manager that does not come back.
        end = time.monotonic() + 6
        while time.monotonic() < end:
            self.wait_until(lambda: b.stats()["pending_requests"] > 0 or client.poll() is not None,
                            "it waits")
            b.kill_manager()
        self.assertIsNone(client.poll(), client.poll() and client.communicate())
        b.ctl("stop", "works")
        out, err = client.communicate(timeout=60)
        self.assertEqual(client.returncode, 143, out + err)  # as its main process ended

    def test_a_transient_unit_goes_on(self):
        b = self.started()
        b.start()
        client = b.ctl_begin("run", "--wait", "--", "/bin/sh", "-c",
                             f"until [ -e {b.data}/go ]; do sleep 0.02; done; exit 5")
        self.wait_until(lambda: "up" in b.states().values(), b.overview)
        b.kill_manager()
        (b.data / "go").touch()
        out, err = client.communicate(timeout=60)
        self.assertEqual(client.returncode, 5, out + err)

    def test_reexec(self):
        b = self.started()
        b.shell("works", b.note("began") + "; exec sleep 1000")
        b.target("works")
        b.start()
        b.wait_state("works", "up")
        pid = b.main_pid("works")
        for _ in range(scaled(10, 100)):
            old = b.manager
            b.ctl("reexec")
            self.assertNotEqual(b.manager, old)
        self.assertEqual(b.patient(lambda: b.main_pid("works")), pid)
        self.traces(b, ["began"])
        # A binary that cannot take over is refused, and nothing happens.
        old = b.manager
        refused = b.ctl("reexec", "--binary", "/bin/true", code=1)
        self.assertIn("/bin/true: does not know --check-state", refused.err)
        self.assertEqual(b.manager, old)

    def binary(self, b, script):
        path = b.folder / "binary"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    def test_who_is_asked_by_a_manager_that_dies_goes_with_it(self):
        b = self.started()
        b.start()
        asked = b.data / "asked"
        client = b.ctl_begin("reexec", "--binary", self.binary(
            b, f"[ -e {asked} ] || exec /bin/sh -c 'echo $$ > {asked}.new; mv {asked}.new {asked}; "
               "exec sleep 600'"))
        self.wait_until(asked.exists, b.overview)
        pid = int(asked.read_text())
        b.kill_manager()
        self.wait_until(lambda: not os.path.exists(f"/proc/{pid}"), "it ends")
        out, err = client.communicate(timeout=60)
        self.assertEqual(client.returncode, 1, out + err)  # the next manager asked again
        self.assertIn("does not know --check-state", err)

    def test_a_binary_that_has_gone_since(self):
        b = self.started()
        b.start()
        other = b.folder / "other" / "reeved"
        other.parent.mkdir()
        shutil.copy(os.environ["REEVED"], other)
        b.ctl("reexec", "--binary", other)
        other.unlink()
        b.kill_manager()
        self.says(b, f"cannot run {other}")
        self.assertEqual(os.readlink(f"/proc/{b.manager}/exe"),
                         str(pathlib.Path(b.environment["REEVE_MANAGER"]).resolve()))

    def test_services_have_the_limits_of_the_keeper(self):
        b = self.started()
        b.shell("limits", f"ulimit -Sc > {b.data}/core; ulimit -Hc >> {b.data}/core; "
                          f"ulimit -Sn >> {b.data}/core", service="type = 'oneshot'")
        b.start()
        b.ctl("start", "limits")
        limit = lambda value: "unlimited" if value == resource.RLIM_INFINITY else str(value)
        soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
        in_blocks = lambda value: limit(value if value == resource.RLIM_INFINITY else value // 512)
        self.assertEqual((b.data / "core").read_text().split(),
                         [in_blocks(soft), in_blocks(hard),
                          limit(resource.getrlimit(resource.RLIMIT_NOFILE)[0])])

    def test_a_runtime_folder_that_reeve_made_is_removed_at_the_end(self):
        for made in (False, True):
            with self.subTest(made=made):
                b = self.started()
                b.shell("works", "exec sleep 600", service="type = 'notify'\nnotify-access = 'all'\n"
                        "start-timeout = 'infinity'")
                b.target("works")
                if made:
                    b.runtime.mkdir()
                    if b.as_nobody:
                        os.chown(b.runtime, NOBODY, NOBODY)
                b.start()
                b.wait_state("works", "starting")
                for _ in range(2):
                    b.kill_manager()
                b.stop()
                self.assertEqual(b.runtime.exists(), made)

    def test_another_that_cannot_come_up_takes_nothing_away(self):
        b = self.started()
        b.shell("tells", "systemd-notify --ready; exec sleep 1000",
                service="type = 'notify'\nnotify-access = 'all'")
        b.target("tells")
        b.start()
        b.wait_state("tells", "up")
        there = sorted(b.runtime.rglob("*"))
        other = subprocess.run(
            [os.environ["REEVED"], "--unit-path", b.units, "--runtime-dir", b.runtime, "--bus",
             "none"], capture_output=True, text=True, timeout=60)
        self.assertEqual(other.returncode, 1)
        self.assertIn("Address already in use", other.stderr)
        self.assertEqual(sorted(b.runtime.rglob("*")), there)
        b.ctl("restart", "tells")

    def test_who_follows_a_log_goes_on_where_he_was(self):
        b = self.started()
        b.shell("talks", "i=0; while :; do printf 'same\\nsame\\nline %d.\\n' $i; i=$((i + 1)); "
                         "sleep 0.005; done")
        b.shell("quiet", f"until [ -e {b.data}/speak ]; do sleep 0.02; done; echo spoke; exec sleep 600")
        b.target("talks", "quiet")
        b.start()
        b.wait_state("talks", "up")
        number = lambda text: [int(n) for n in re.findall(r"line (\d+)\.", text)]
        said = lambda: max(number(b.ctl("logs", "talks").out), default=0)
        self.wait_until(lambda: said() > 7, "it talks")
        heard = b.folder / "heard"
        with heard.open("w") as to:
            follower = b.ctl_begin("logs", "talks", "quiet", "--follow", stdout=to)
        for end in (b.kill_manager, b.kill_manager, lambda: b.ctl("reexec"), b.kill_manager):
            before = said()
            self.wait_until(lambda: said() > before + 7, "it talks on")
            end()
        (b.data / "speak").touch()
        self.wait_until(lambda: "spoke" in b.ctl("logs", "quiet").out, "the other talks")
        b.ctl("stop", "talks")
        every = [line.split(" ", 2)[2] for line in b.ctl("logs", "talks").out.splitlines()]
        # Who finds the last manager's socket gone, and has not been there, has missed what it had.
        for text in ("spoke", every[-1]):
            self.wait_until(lambda: f" {text}\n" in heard.read_text(), f"{text!r} is heard")
        b.stop()
        _, err = follower.communicate(timeout=60)
        self.assertEqual((follower.returncode, err), (0, ""))
        lines = [line.split(" ", 2) for line in heard.read_text().splitlines()]
        told = [text for _, unit, text in lines if unit.startswith("talks[")]
        both = min(len(told), len(every))  # the ring may have lost what was told
        self.assertEqual(told[-both:], every[-both:])
        numbers = number("\n".join(told))
        self.assertEqual(numbers, list(range(numbers[0], numbers[-1] + 1)))
        self.assertLess(abs(told.count("same") - 2 * len(numbers)), 3)
        self.assertGreater(len(told), 80)
        self.assertEqual([text for _, unit, text in lines if unit.startswith("quiet[")], ["spoke"])

    def test_a_shutdown_goes_on(self):
        b = self.started()
        b.shell("last", f"trap 'until [ -e {b.data}/go ]; do sleep 0.02; done; exit 0' TERM; "
                        "echo >&5; while :; do sleep 0.05; done",
                service="type = 'notify'\nready-fd = 5")
        b.target("last")
        b.start()
        b.wait_state("last", "up")
        old = b.manager
        b.signal(signal.SIGTERM)
        self.says(b, "stopping")
        os.kill(old, signal.SIGKILL)
        (b.data / "go").touch()
        self.assertEqual(b.wait_exit(), 0)


@needs_root
class SurvivesAsNobody(Survives):
    options = {"as_nobody": True}


if __name__ == "__main__":
    main()
