# ctest: label=system timeout=180
"""Other ways for a manager to die than SIGKILL: a fault, a standstill, a lack of memory. Each is one
path, and nothing is lost on it."""
import os
import pathlib
import signal
import time

from harness import BoardTest, main, needs_root


def memory_group(name):
    """A cgroup of its own that limits memory: its folder and the file of the limit, or None."""
    for root, limit in (("/sys/fs/cgroup", "memory.max"),
                        ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")):
        folder = pathlib.Path(root) / name
        try:
            folder.mkdir()
        except OSError:
            continue
        if (folder / limit).exists():
            return folder, folder / limit
        folder.rmdir()
    return None


class Deaths(BoardTest):
    def started(self, *keeper_options):
        b = self.board(keeper=True, keeper_options=("--within", "1ms", *keeper_options))
        # The sanitizers' own handler would take it for an error of ours, which it is not.
        b.environment["ASAN_OPTIONS"] = (os.environ.get("ASAN_OPTIONS", "") +
                                         f":handle_segv=0:log_path={b.findings}/asan")
        b.shell("works", b.note("began") + "; exec sleep 1000")
        b.shell("ends", f"until [ -e {b.data}/go ]; do sleep 0.02; done; exit 7",
                service="restart = 'no'")
        b.target("works", "ends")
        b.start()
        b.wait_state("works", "up")
        b.wait_state("ends", "up")
        self.before = b.main_pid("works"), b.run("works")
        self.client = b.ctl_begin("wait", "ends")
        self.wait_until(lambda: b.stats()["pending_requests"] > 0, "a client waits")
        return b

    def judge(self, b):
        """Nobody noticed: not the service, not who waits, not the one that ends meanwhile."""
        self.assertEqual(b.patient(lambda: (b.main_pid("works"), b.run("works"))), self.before)
        (b.data / "go").touch()
        out, err = self.client.communicate(timeout=60)
        self.assertEqual(self.client.returncode, 7, out + err)
        self.assertEqual(int(b.patient(lambda: b.get("ends", "Code"))), 7)
        self.traces(b, ["began"])
        self.assertGreater(b.stats()["taken_over"]["total_us"], 0)

    def test_of_a_fault(self):
        b = self.started()
        for _ in range(3):
            b.kill_manager(signal.SIGSEGV)
        self.assertEqual(b.log().count("was killed by signal 11"), 3)
        self.judge(b)

    def test_of_standing_still(self):
        b = self.started("--stuck", "3s")
        old = b.manager
        os.kill(old, signal.SIGSTOP)
        (b.data / "go").touch()
        self.wait_until(lambda: b.manager not in (0, old), b.log)
        # It was stopped at rest, or at work.
        self.assertRegex(b.log(), "the manager (stands still|works on one thing for too long): ending it")
        self.judge(b)

    def test_a_short_standstill_is_none(self):
        b = self.started("--stuck", "5s")
        old = b.manager
        os.kill(old, signal.SIGSTOP)
        self.wait_until(lambda: "T (stopped)" in self.status(old), "it stands still")
        os.kill(old, signal.SIGCONT)
        self.assertEqual(b.manager, old)
        (b.data / "go").touch()
        self.client.communicate(timeout=60)
        self.assertEqual((self.client.returncode, b.manager), (7, old))

    def status(self, pid):
        return pathlib.Path(f"/proc/{pid}/status").read_text()

    @needs_root
    def test_of_a_lack_of_memory(self):
        group = memory_group(f"reeve-oom-{os.getpid()}")
        if group is None:
            print("SKIPPED: no cgroup here limits memory, so nobody is killed for it", flush=True)
            self.skipTest("no cgroup here limits memory")
        folder, limit = group
        self.addCleanup(self.remove, folder)
        b = self.started()
        old = b.manager
        limit.write_text("65536")
        swap = folder / "memory.swap.max"
        if swap.exists():
            swap.write_text("0")
        (folder / "cgroup.procs").write_text(str(old))
        # What it does costs memory, which it does not get.
        clients = []
        for _ in range(200):
            if b.manager != old:
                break
            clients.append(b.ctl_begin("status", "works"))
            time.sleep(0.005)
        for client in clients:
            client.communicate(timeout=60)
        self.wait_until(lambda: b.manager not in (0, old), b.log)
        self.assertIn("was killed by signal 9", b.log())
        events = folder / ("memory.events" if limit.name == "memory.max" else "memory.oom_control")
        self.assertRegex(events.read_text(), r"oom_kill [1-9]", "it was the lack of memory")
        self.judge(b)

    def remove(self, folder):
        def gone():
            try:
                folder.rmdir()
            except OSError:
                return False
            return True
        self.wait_until(gone, f"{folder} can be removed")


if __name__ == "__main__":
    main()
