# ctest: label=system timeout=180
"""Exit codes of reevectl, and messages that say what to do next."""
import os
import signal
import subprocess

import dbus

from harness import BoardTest, main, needs_root
from harness.board import NOBODY


class Codes(BoardTest):
    def setUp(self):
        super().setUp()
        b = self.b = self.board()
        b.shell("web", "exec sleep 1000")
        b.shell("gated", "exec sleep 1000", unit="gate = ['event:go']")
        b.shell("client", "exec sleep 1000", unit="requires = ['web']")
        b.shell("bad", "exit 3", service="type = 'oneshot'")
        b.shell("killed", "kill -9 $$$$", service="restart = 'no'")
        b.start()

    def complaint(self, code, *words):
        outcome = self.b.ctl(*words, code=code)
        self.assertRegex(outcome.err, r"^reevectl: .+\n$", outcome)
        return outcome.err

    def test_done_and_failed(self):
        self.b.ctl("start", "web")
        self.assertIn("exit code 3", self.complaint(1, "start", "bad"))
        self.b.ctl("is-failed", "bad")
        self.b.ctl("is-failed", "web", code=1)
        self.b.ctl("start", "web", "--timeout", "9223372036854775000us")  # the most there is

    def test_usage(self):
        for words in (["start"], ["frobnicate"], ["start", "web", "--lines", "3"], ["--frob"], [],
                      ["start", "web", "--timeout", "5 parsecs"], ["event", "frob", "x"],
                      ["isolate", "web", "client"], ["shutdown", "sideways"],
                      ["kill", "web", "--whom", "nobody"], ["--system", "--user", "list"]):
            with self.subTest(words):
                outcome = self.b.ctl(*words, code=2)
                self.assertTrue(outcome.err)
                self.assertEqual(outcome.out, "")

    def test_what_is_not_utf8_is_told_as_such(self):
        self.assertIn(r'"\xff" is not UTF-8 text', self.complaint(2, "start", "\udcff"))
        self.assertIn("not UTF-8", self.complaint(2, "run", "--", "/bin/echo", "a\udcc3"))
        self.assertIn("not UTF-8", self.complaint(2, "status", "web\udcff"))

    def test_a_file_name_cannot_forge_a_line(self):
        name = b"evil\nunit web: up -> failed\x1b[31m\xff.toml"
        with open(os.path.join(os.fsencode(self.b.units), name), "wb") as file:
            file.write(b"[service]\ncommand = 3\n")
        shown = r"evil\x0aunit web: up -> failed\x1b[31m\xff.toml"
        self.assertIn(shown, self.b.ctl("check", str(self.b.units), code=1).out)
        self.b.ctl("apply", code=None)
        self.says(self.b, shown)
        self.assertNotIn("\nunit web: up -> failed", self.b.log())
        self.b.ctl("list")
        self.b.ctl("--json", "plan", code=None).json

    def test_show_writes_as_a_unit_file_does(self):
        self.b.shell("shown", "exec sleep 600", service="stop-timeout = '90s'\numask = '0027'",
                     unit="wait-timeout = 'infinity'")
        self.b.ctl("apply")
        text = self.b.ctl("show", "shown").out
        for line in ("wait-timeout: infinity", "stop-timeout: 1min 30s", "umask: 0027",
                     "kill-signal: TERM"):
            self.assertIn(f"definition.{line}\n", text)
        self.assertNotIn("18446744073709551615", text)
        definition = self.b.ctl("--json", "show", "shown").json["units"][0]["definition"]
        self.assertEqual((definition["stop-timeout"], definition["wait-timeout"]),
                         (90_000_000, None))

    def test_what_is_not_there_in_time_is_named(self):
        said = self.complaint(124, "event", "wait", "go", "--timeout", "10ms")
        self.assertIn("reevectl: event go is not set yet", said)
        self.b.ctl("start", "web")
        self.assertIn("web is up still", self.complaint(124, "wait", "web", "--timeout", "10ms"))
        with self.assertRaisesRegex(dbus.exceptions.DBusException, 'no shutdown "sideways"'):
            self.b.call("Shutdown", "sa{sv}", "sideways", {})

    def test_reasons_are_sentences(self):
        b = self.b
        b.shell("strange", "exec sleep 600", service="user = 'nosuchuser'")
        b.shell("second", "exec sleep 600", unit="after = ['gated']\nrequires = ['web', 'gated']")
        (b.units / "hidden.toml").symlink_to("/dev/null")
        b.ctl("apply")
        for name in ("strange", "second"):
            b.ctl("start", name, "--timeout", "0s", code=None)
        self.wait_until(lambda: "who is unknown" in b.ctl("status", code=None).out, b.overview)
        for words in (["status", "strange"], ["why", "strange"], ["status"]):
            self.assertIn("user nosuchuser, who is unknown", b.ctl(*words, code=None).out)
        for words in (["status", "second"], ["why", "second"], ["status"]):
            self.assertIn("gated, which it requires", b.ctl(*words, code=None).out)
        self.assertIn("kind         masked\n", b.ctl("status", "hidden", code=3).out)
        self.assertRegex(b.ctl("list").out, "hidden +none +down +masked")

    def test_help_needs_no_manager(self):
        for words in (["--help"], ["help"], ["help", "start"], ["start", "--help"], ["--version"]):
            self.assertTrue(self.b.ctl("--socket", "/nowhere", *words).out)

    def test_not_up(self):
        self.b.ctl("status", "web", code=3)
        self.b.ctl("is-active", "web", code=3)
        self.b.ctl("start", "web")
        self.b.ctl("status", "web")
        self.assertEqual(self.b.ctl("is-active", "web").out, "up\n")
        self.b.ctl("status")
        self.b.ctl("start", "gated", "--timeout", "0s", code=124)
        self.b.ctl("status", code=3)
        self.b.ctl("stop", "gated", "web")
        self.b.ctl("status")
        self.b.shell("again", "exit 1", service="backoff = { first = '1h', max = '1h' }")
        self.b.ctl("apply")
        self.b.ask("Start", "again")
        self.wait_until(lambda: self.b.state("again") == "backoff", self.b.overview)
        self.b.ctl("status", code=3)

    def test_no_such_unit(self):
        for verb in ("start", "stop", "status", "show", "why", "is-active", "wait", "kill", "logs",
                     "cat", "deps"):
            with self.subTest(verb):
                self.assertIn("nothing", self.complaint(4, verb, "nothing"))

    def test_what_cannot_start_is_told_from_what_is_not_there(self):
        b = self.board()
        (b.units / "hidden.toml").symlink_to("/dev/null")
        b.unit("wrong", "[servce]\n")
        b.shell("user", ":", unit="requires = ['hidden']\nafter = ['wrong']")
        b.start()
        self.assertIn("hidden cannot start: masked", b.ctl("deps", "hidden").out)
        self.assertIn("requires of user", b.ctl("deps", "hidden").out)
        self.assertIn("wrong cannot start: its file has problems", b.ctl("deps", "wrong").out)
        self.assertIn("requires hidden (masked)", b.ctl("deps", "user").out)

    def test_a_bare_template_name_means_its_default_instance(self):
        b = self.b
        b.shell("tty@", "exec sleep 1000", unit="default-instance = 'one'")
        b.ctl("apply")
        b.ctl("start", "tty@")
        self.assertEqual(b.state("tty@one"), "up")
        b.ctl("start", "tty@")
        b.ctl("stop", "tty@")
        self.assertEqual(b.state("tty@one"), "down")

    def test_json_asked_of_a_command_is_not_asked_of_us(self):
        self.assertEqual(self.b.ctl("run", "no-such-program", "--json", code=1).out, "")
        self.assertEqual(self.b.ctl("run", "--", "no-such-program", "--json", code=1).out, "")
        told = self.b.ctl("--json", "run", "no-such-program", code=1)
        self.assertEqual(told.json["error"]["name"], "NotFound")
        self.assertEqual(self.b.ctl("--frob", "--json", code=2).json["error"]["name"], "Usage")

    def test_a_slip_is_seen(self):
        self.assertIn("did you mean status?", self.complaint(2, "statsu"))
        self.assertIn("expected one of down, waiting", self.complaint(2, "list", "--state", "fail"))

    def test_time_out_says_what_it_waits_for_and_the_want_stays(self):
        self.assertIn("event:go", self.complaint(124, "start", "gated", "--timeout", "100ms"))
        self.b.ctl("event", "set", "go")
        self.b.wait_state("gated", "up")
        self.complaint(124, "wait", "gated", "--timeout", "50ms")

    def test_no_manager(self):
        told = self.b.ctl("--socket", self.b.folder / "none", "list", code=125).err
        self.assertIn(str(self.b.folder / "none"), told)
        self.assertIn("--socket", told)
        done = subprocess.run(
            [os.environ["REEVECTL"], "--bus", f"unix:path={self.b.folder}/none", "list"],
            capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 125, done)

    def test_stop_says_what_goes_with_it(self):
        self.b.ctl("start", "client")
        told = self.b.ctl("stop", "web").out
        self.assertIn("stops with it: client", told)
        self.assertEqual(self.b.state("client"), "waiting")  # asked up still
        self.assertNotIn("stops with it", self.b.ctl("stop", "web").out)

    def test_wait_gives_the_childs_code(self):
        self.b.ctl("start", "bad", "killed", code=None)
        self.b.ctl("wait", "bad", code=3)
        self.assertIn("-9", self.b.ctl("wait", "killed", code=137).out)
        self.b.ctl("wait", "bad", "killed", code=1)
        self.b.ctl("wait", "web")  # has not run

    def test_run_takes_along_where_the_caller_is(self):
        here = self.b.data / "here"
        here.mkdir()
        seen = self.b.data / "seen"
        script = f'pwd > {seen}; echo "$COLOUR" >> {seen}; umask >> {seen}; id -u >> {seen}'
        done = subprocess.run(
            [os.environ["REEVECTL"], "--socket", str(self.b.socket), "run", "--wait", "sh", "-c",
             script], cwd=here, env={"PATH": "/usr/bin:/bin", "COLOUR": "青"},
            preexec_fn=lambda: os.umask(0o027), capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(seen.read_text().split(), [str(here), "青", "0027", str(os.geteuid())])
        self.assertIn("no program", self.b.ctl("run", "no-such-program", code=1).err)

    def test_signals_are_handed_on_to_a_command_in_the_foreground(self):
        ready = self.b.data / "ready"
        runner = self.b.ctl_begin("run", "--wait", "--name", "job", "--", "/bin/sh", "-c",
                                  f"trap 'exit 9' TERM; touch {ready}; sleep 1000 & wait")
        self.wait_until(ready.exists, self.b.overview)
        runner.send_signal(signal.SIGTERM)
        out, err = runner.communicate(timeout=60)
        self.assertEqual(runner.returncode, 9, out + err)
        self.assertNotIn("job", self.b.states())  # forgotten

    def test_a_command_that_waits_for_its_lease_is_called_off_by_a_signal(self):
        self.b.unit("bus", '[device]\nclass = "semaphore"\n')
        self.b.shell("holder", "exec sleep 1000", more="[hal]\nlease = ['bus']\n")
        self.b.ctl("apply")
        self.b.ctl("start", "holder")
        runner = self.b.ctl_begin("run", "--with", "bus", "--name", "job", "/bin/true")
        self.wait_until(lambda: self.b.states().get("job") == "waiting", self.b.overview)
        runner.send_signal(signal.SIGINT)
        out, err = runner.communicate(timeout=60)
        self.assertEqual(runner.returncode, 130, out + err)
        self.assertNotIn("job", self.b.states())

    @needs_root
    def test_refused(self):
        def as_nobody(*words):
            return subprocess.run(
                ["/usr/bin/setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
                 os.environ["REEVECTL"], "--socket", str(self.b.socket), *words],
                capture_output=True, text=True, timeout=60)
        self.assertEqual(as_nobody("list").returncode, 0)
        for words in (["start", "web"], ["logs", "web"], ["event", "set", "go"], ["shutdown"],
                      ["run", "--", "true"]):
            with self.subTest(words):
                done = as_nobody(*words)
                self.assertEqual(done.returncode, 5, done)
                self.assertIn("reevectl: ", done.stderr)


class LostConnection(BoardTest):
    def waiter(self, b):
        waiter = b.ctl_begin("event", "wait", "go", "--timeout", "60s")
        self.wait_until(lambda: "waiting" in waiter.stderr.readline(), b.overview)
        b.process.kill()
        b.process.wait()
        for name in b.cgroup.below():  # a manager that is killed cannot clean up
            (b.cgroup.path / name).rmdir()
        return waiter

    def test_a_waiter_finds_the_next_manager(self):
        b = self.board().start()
        waiter = self.waiter(b)
        b.start()
        b.ctl("event", "set", "go")
        out, err = waiter.communicate(timeout=60)
        self.assertEqual(waiter.returncode, 0, out + err)

    def test_it_gives_up_after_five_seconds(self):
        b = self.board().start()
        out, err = self.waiter(b).communicate(timeout=60)
        b.start()  # to be stopped in order
        self.assertIn("no manager at", err, out)

    def test_a_manager_that_ends_in_order_says_so(self):
        b = self.board().start()
        waiter = b.ctl_begin("event", "wait", "go")
        self.wait_until(lambda: "waiting" in waiter.stderr.readline(), b.overview)
        b.stop()
        out, err = waiter.communicate(timeout=60)
        self.assertEqual(waiter.returncode, 1, out + err)


if __name__ == "__main__":
    main()
