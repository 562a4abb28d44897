# ctest: label=system timeout=180
"""Units start, crash, come back, stop; as root with cgroups and as nobody without."""
import os
import signal
import socket

from harness import BoardTest, free_port, main, needs, needs_root


def ping(port, text, answer):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as s:
            s.sendall(text)
            return s.recv(100).startswith(answer)
    except OSError:
        return False


class TwoDaemons(BoardTest):
    """The main job: real daemons from unit files, crash, restart, status, over D-Bus."""

    def main_job(self, **options):
        b = self.board(**options)
        redis, cache = free_port(), free_port()
        b.unit("redis", f"""
            [service]
            type = "notify"
            command = ["/usr/bin/redis-server", "--port", "{redis}", "--bind", "127.0.0.1",
                       "--dir", "{b.data}", "--save", "", "--supervised", "systemd"]
            """)
        b.unit("cache", f"""
            [unit]
            requires = ["redis"]
            [service]
            command = ["/usr/bin/memcached", "-l", "127.0.0.1", "-p", "{cache}", "-u", "nobody"]
            """)
        b.target("cache")
        b.start()
        b.wait_state("cache", "up")
        self.assertEqual(b.state("redis"), "up")
        self.assertTrue(ping(redis, b"PING\r\n", b"+PONG"))
        self.wait_until(lambda: ping(cache, b"version\r\n", b"VERSION"), "memcached serves")
        self.assertIn("redis", b.ctl("status").out)

        run, pid = b.run("redis"), b.main_pid("redis")
        cache_pid = b.main_pid("cache")
        os.kill(pid, signal.SIGKILL)
        self.wait_until(lambda: b.run("redis") > run, b.overview)
        b.wait_state("redis", "up")
        self.assertTrue(ping(redis, b"PING\r\n", b"+PONG"))
        # What dies by itself takes down only what binds to it.
        self.assertEqual(b.main_pid("cache"), cache_pid)

        # What Reeve stops, it first stops whatever requires it.
        b.ctl("stop", "redis")
        self.assertEqual((b.state("redis"), b.state("cache")), ("down", "waiting"))
        b.ctl("start", "redis")
        b.wait_state("cache", "up")  # what was stopped for another's sake comes back

    @needs("redis-server", "memcached")
    def test_as_whoever_runs_the_tests(self):
        self.main_job()

    @needs_root
    @needs("redis-server", "memcached")
    def test_as_nobody_without_cgroups(self):
        self.main_job(as_nobody=True)


class Life(BoardTest):
    def test_the_environment_of_children_is_declared_to_the_letter(self):
        b = self.board(environment={"SECRET": "of the manager"})
        b.unit("printer", f"""
            [service]
            type = "oneshot"
            command = ["/bin/sh", "-c", "/usr/bin/env -u PWD -u SHLVL -u _ -u OLDPWD > {b.data}/env"]
            environment = {{ GREETING = "grüezi 你好" }}
            """)
        b.start()
        b.ctl("start", "printer")
        env = dict(line.split("=", 1) for line in (b.data / "env").read_text().splitlines())
        self.assertEqual(env.pop("GREETING"), "grüezi 你好")
        self.assertRegex(env.pop("INVOCATION_ID"), "^[0-9a-f]{32}$")
        self.assertEqual(env.pop("REEVE_UNIT"), "printer")
        self.assertTrue(env.pop("REEVE_RUN"))
        self.assertEqual(env, {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"})

    def test_a_crash_loop_backs_off_and_its_limit_ends_it(self):
        b = self.board()
        b.shell("flaky", f"date +%s%N >> {b.data}/times; exit 3", service="""
            backoff = { first = "50ms", factor = 2.0, max = "200ms" }
            limit = { starts = 5, within = "1min", then = "event:flaky-broken" }""")
        b.start()
        b.ctl("start", "flaky", code=None)
        b.wait_state("flaky", "failed")
        about = b.describe("flaky")
        self.assertEqual((about["Code"], about["Signal"]), (3, 0))
        times = [int(t) / 1e6 for t in (b.data / "times").read_text().split()]
        self.assertEqual(len(times), 5)
        gaps = [after - before for before, after in zip(times, times[1:])]
        for gap, least in zip(gaps, (50, 100, 200, 200)):
            self.assertGreaterEqual(gap, least)
        b.ctl("event", "wait", "flaky-broken", "--timeout", "5s")
        b.ctl("is-failed", "flaky")
        b.ctl("stop", "flaky")
        b.ctl("stop", "flaky")
        b.ctl("reset-failed", "flaky", code=None)
        self.assertEqual(b.state("flaky"), "down")

    def test_a_clean_end_is_done_and_is_not_restarted(self):
        b = self.board()
        b.shell("short", "exit 0")
        b.shell("once", "exit 0", service="type = 'oneshot'")
        b.shell("flag", "exit 0", service="type = 'oneshot'\nremain-after-exit = true")
        b.start()
        for unit, state in (("short", "done"), ("once", "done"), ("flag", "up")):
            b.ctl("start", unit)
            b.wait_state(unit, state)
            self.assertEqual(b.starts(unit), 1)

    def test_what_cannot_be_executed_is_told(self):
        b = self.board()
        script = b.data / "no-interpreter"
        script.write_text("#!/no/such/shell\n")
        script.chmod(0o755)
        b.unit("broken", f"[service]\ncommand = ['{script}']\nrestart = 'no'\n")
        b.start()
        told = b.ctl("start", "broken", code=1)
        self.assertIn("No such file", told.err + told.out)
        about = b.describe("broken")
        self.assertEqual((about["State"], about["Result"]), ("failed", "spawn-failed"))

    def test_phases_run_in_order_and_stop_post_knows_how_it_ended(self):
        b = self.board()
        b.unit("phases", f"""
            [service]
            type = "notify"
            notify-access = "all"
            start-pre = [["/bin/sh", "-c", '{b.note("pre 1")}'], ["/bin/sh", "-c", '{b.note("pre 2")}']]
            command = ["/bin/sh", "-c", '{b.note("main")}; systemd-notify --ready; exec sleep 1000']
            start-post = ["/bin/sh", "-c", '{b.note("post of $MAINPID")}']
            stop = ["/bin/sh", "-c", '{b.note("stop $MAINPID")}']
            stop-post = ["/bin/sh", "-c", '{b.note("after $EXIT_CODE $EXIT_STATUS")}']
            """)
        b.start()
        b.ctl("start", "phases")
        pid = b.main_pid("phases")
        self.assertEqual(b.trace(), ["pre 1", "pre 2", "main", f"post of {pid}"])
        b.ctl("stop", "phases")
        self.assertEqual(b.trace()[4:], [f"stop {pid}", "after killed TERM"])

    def test_exit_codes_tell_what_became_of_a_request(self):
        b = self.board()
        b.shell("good", "exec sleep 1000")
        b.shell("bad", "exit 9", service="restart = 'no'\ntype = 'oneshot'")
        b.unit("gated", "[unit]\ngate = ['event:never']\n[service]\ncommand = ['/bin/true']\n")
        b.start()
        b.ctl("start", "good")
        b.ctl("is-active", "good")
        b.ctl("start", "bad", code=1)
        b.ctl("is-active", "bad", code=3)
        b.ctl("is-failed", "bad")
        b.ctl("start", "no-such-unit", code=4)
        b.ctl("start", "gated", "--timeout", "200ms", code=124)
        b.ctl("no-such-verb", code=2)
        b.ctl("stop", "good")
        b.ctl("is-active", "good", code=3)

    def test_a_stopped_process_ends_when_told_to(self):
        for as_nobody in (False, True):
            with self.subTest(as_nobody=as_nobody):
                b = self.board(as_nobody=as_nobody)
                b.shell("one", "exec sleep 600", service="stop-timeout = '1h'")
                b.start()
                b.ctl("start", "one")
                os.kill(b.main_pid("one"), signal.SIGSTOP)
                b.ctl("stop", "one", "--timeout", "60s")
                self.assertEqual(b.get("one", "Result"), "success")

    def test_a_process_that_ignores_term_is_killed(self):
        b = self.board()
        b.shell("stubborn", f"trap '' TERM; {b.note('ready')}; while :; do sleep 1; done",
                service="stop-timeout = '300ms'")
        b.start()
        b.ctl("start", "stubborn")
        self.wait_until(b.trace, "the trap is set")
        b.ctl("stop", "stubborn")
        about = b.describe("stubborn")
        self.assertEqual((about["State"], about["Result"]), ("down", "stop-timeout"))

    def test_a_transient_unit_hands_back_its_exit_code(self):
        b = self.board().start()
        b.ctl("run", "--wait", "--", "/bin/true")
        b.ctl("run", "--wait", "--", "/bin/sh", "-c", "exit 7", code=7)
        b.ctl("run", "--wait", "--", "/bin/sh", "-c", "kill -9 $$", code=128 + 9)

    def test_what_is_left_in_the_unit_goes_with_its_main_process(self):
        for as_nobody in (False, True):
            if as_nobody and os.geteuid() != 0:
                continue
            with self.subTest(as_nobody=as_nobody):
                b = self.board(as_nobody=as_nobody)
                b.shell("parent", "setsid sleep 1000 & sleep 1000 & exec sleep 1000",
                        service="restart = 'no'")
                b.start()
                b.ctl("start", "parent")
                self.wait_until(lambda: len(b.get("parent", "Pids")) == 3, b.overview)
                os.kill(b.main_pid("parent"), signal.SIGKILL)
                b.wait_state("parent", "failed")
                self.assertEqual(list(b.get("parent", "Pids")), [])


if __name__ == "__main__":
    main()
