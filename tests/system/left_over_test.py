# ctest: label=system timeout=120
"""What stays of a run: kill-mode process and none, shutdown --force, a missed deadline."""
import os
import pathlib
import signal

from harness import BoardTest, main, needs_root

LEAVES = "setsid sleep 600 & exec sleep 600"
STUBBORN = "trap '' TERM; echo; while :; do sleep 0.1; done"


def is_alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


class WithoutProc(BoardTest):
    @needs_root
    def test_without_proc_what_was_started_ends_all_the_same(self):
        b = self.board(wrapper=["/usr/bin/unshare", "--mount", "--propagation", "private",
                                "/bin/sh", "-c", 'umount -l /proc; exec "$@"', "sh"])
        b.shell("plain", "exec sleep 600")
        for name in ("stubborn", "other"):
            b.shell(name, f"trap '' TERM; {b.note(name)}; sleep 600 & sleep 600; sleep 600",
                    service="stop-timeout = '200ms'")
        b.target("plain", "stubborn", "other")
        b.start()
        self.wait_until(lambda: b.state("default") == "up", b.overview)
        self.says(b, "/proc is not mounted")
        self.wait_until(lambda: len(b.trace()) == 2, "the traps are set")
        for name in ("plain", "stubborn"):
            b.ctl("stop", name)
            self.assertEqual(b.state(name), "down")
        b.signal(signal.SIGTERM)
        ended = b.wait_exit()
        # LeakSanitizer can do nothing without /proc, not even read that it should not.
        if b"__asan_" not in pathlib.Path(os.environ["REEVED"]).read_bytes():
            self.assertEqual(ended, 0)
        self.assertIn("unit other: stopping -> killing", b.log())
        self.assertEqual(b.log().count("/proc is not mounted"), 1)


class LeftOver(BoardTest):
    def life(self, **options):
        """ "with `kill-mode = process|none` … what stays is shown as left over, keeps the leases,
        and goes at shutdown" """
        b = self.board(**options)
        b.unit("lock", "[device]\nclass = 'semaphore'\n")
        b.shell("leaver", LEAVES, service="kill-mode = 'process'", more="[hal]\nlease = ['lock']")
        b.start()
        b.ctl("start", "leaver")
        main_process = b.main_pid("leaver")
        self.wait_until(lambda: len(b.get("leaver", "Pids")) == 2, b.overview)
        b.ctl("stop", "leaver")
        left = [int(pid) for pid in b.get("leaver", "Pids")]
        self.assertEqual(len(left), 1)
        self.assertNotIn(main_process, left)
        self.assertIn(str(left[0]), b.ctl("status", "leaver", code=3).out)
        self.assertIn("1 process left over", b.ctl("status", code=None).out)
        self.assertIn("leaver", b.ctl("device", "who", "lock").out)

        os.kill(left[0], signal.SIGKILL)  # and with it goes the lease
        self.wait_until(lambda: "leaver" not in b.ctl("device", "who", "lock").out, b.overview)
        self.assertEqual(list(b.get("leaver", "Pids")), [])

        b.ctl("start", "leaver")
        self.wait_until(lambda: len(b.get("leaver", "Pids")) == 2, b.overview)
        b.ctl("stop", "leaver")
        left = [int(pid) for pid in b.get("leaver", "Pids")]
        b.ctl("start", "leaver")
        b.stop()  # an orderly shutdown: nothing may be left, which the board looks for
        self.assertFalse([pid for pid in left if is_alive(pid)])

    def test_with_cgroups(self):
        self.life()

    @needs_root
    def test_without_cgroups(self):
        self.life(as_nobody=True)

    def force(self, **options):
        b = self.board(**options)
        b.shell("plain", "exec sleep 600")
        b.shell("stubborn", STUBBORN + " & " + STUBBORN)
        b.start()
        b.ctl("start", "plain", "stubborn")
        pids = [b.main_pid("plain"), *(int(pid) for pid in b.get("stubborn", "Pids"))]
        b.ctl("shutdown", "--force")
        self.assertEqual(b.wait_exit(), 0)
        self.assertFalse([pid for pid in pids if is_alive(pid)])

    # "5. The rest, also what runs left behind: TERM, KILL after 2 s, unmount."
    def test_a_forced_shutdown_leaves_nothing(self):
        self.force()

    @needs_root
    def test_a_forced_shutdown_leaves_nothing_without_cgroups(self):
        self.force(as_nobody=True)


if __name__ == "__main__":
    main()
