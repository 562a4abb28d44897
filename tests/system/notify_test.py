# ctest: label=system timeout=120
"""The notify protocol between real services and reeved."""
import os
import pathlib
import signal
import time

from harness import BoardTest, main, scaled

SAY = pathlib.Path(__file__).parent / "helpers" / "say.py"


class Notify(BoardTest):
    def talker(self, board, name, *words, lines=""):
        """A notify service that does what say.py understands, word by word."""
        quoted = ", ".join(f'"{w}"' for w in ("/usr/bin/python3", "-SEs", str(SAY), *words))
        board.unit(name, f"[service]\ntype = 'notify'\ncommand = [{quoted}]\n{lines}\n")

    def test_up_is_when_it_says_ready(self):
        b = self.board()
        self.talker(b, "slow", "STATUS=warming up 预热", f"until:{b.data}/go",
                    r"READY=1\nSTATUS=at work", "sleep")
        b.start()
        start = b.ctl_begin("start", "slow")
        self.wait_until(lambda: b.get("slow", "Status") == "warming up 预热", b.overview)
        self.assertEqual(b.state("slow"), "starting")
        (b.data / "go").touch()
        self.assertEqual(start.wait(30), 0, start.communicate())
        start.communicate()
        about = b.describe("slow")
        self.assertEqual((about["State"], about["Status"]), ("up", "at work"))

    def test_never_ready_is_a_failed_start(self):
        b = self.board()
        self.talker(b, "mute", "sleep", lines="start-timeout = '300ms'\nrestart = 'no'")
        b.start()
        b.ctl("start", "mute", code=1)
        self.assertEqual(b.get("mute", "Result"), "start-timeout")

    def test_extend_timeout_buys_time(self):
        b = self.board()
        self.talker(b, "late", "EXTEND_TIMEOUT_USEC=20000000", f"until:{b.data}/go", "READY=1",
                    "sleep", lines="start-timeout = '3s'\nrestart = 'no'")
        b.start()
        start = b.ctl_begin("start", "late", "--timeout", "60s")
        b.wait_state("late", "starting")
        since = time.monotonic()
        self.wait_until(lambda: time.monotonic() - since > 3.5, "start-timeout passes")
        self.assertEqual(b.state("late"), "starting")
        (b.data / "go").touch()
        self.assertEqual(start.wait(30), 0, start.communicate())
        start.communicate()

    def test_ready_of_a_stranger_does_not_count(self):
        b = self.board()
        self.talker(b, "parent", "child:READY=1", f"until:{b.data}/go", "READY=1", "sleep")
        self.talker(b, "open", "child:READY=1", "sleep", lines="notify-access = 'all'")
        b.start()
        start = b.ctl_begin("start", "parent")
        b.ctl("start", "open")  # there, any process of the unit may say it
        self.wait_until(lambda: b.state("parent") == "starting", b.overview)
        (b.data / "go").touch()
        self.assertEqual(start.wait(30), 0, start.communicate())
        start.communicate()

    def test_main_pid_moves(self):
        b = self.board()
        self.talker(b, "mover", "fork-main", "READY=1", "sleep")
        b.start()
        b.ctl("start", "mover")
        pid = b.main_pid("mover")
        self.assertIn("say.py", open(f"/proc/{pid}/cmdline").read())
        run = b.run("mover")
        os.kill(pid, signal.SIGKILL)
        self.wait_until(lambda: b.run("mover") > run, b.overview)
        b.wait_state("mover", "up")

    def test_the_watchdog_bites_who_is_silent(self):
        b = self.board()
        self.talker(b, "fed", "READY=1", "feed", lines="watchdog = '2s'")
        self.talker(b, "hungry", "READY=1", "sleep", lines="watchdog = '300ms'\nrestart = 'no'")
        self.talker(b, "gives-up", "READY=1", "WATCHDOG=trigger", "sleep",
                    lines="watchdog = '1h'\nrestart = 'no'")
        b.start()
        for unit in ("fed", "hungry", "gives-up"):
            b.ctl("start", unit)
        b.wait_state("hungry", "failed")
        b.wait_state("gives-up", "failed")
        for unit in ("hungry", "gives-up"):
            self.assertEqual(b.get(unit, "Result"), "watchdog")
        begun = time.monotonic()
        self.wait_until(lambda: time.monotonic() - begun > 4, "two periods of the watchdog pass")
        self.assertEqual((b.state("fed"), b.starts("fed")), ("up", 1))

    def test_nothing_said_just_before_the_end_is_lost(self):
        b = self.board()
        # Lost, the unit would have failed for want of it.
        self.talker(b, "brief", r"STATUS=last words\nREADY=1", "exit:0")
        b.start()
        for _ in range(scaled(20, 10000)):
            b.ctl("start", "brief")
            b.wait_state("brief", "done")

    # "notify: READY=1 of this run from a permitted sender, or a newline on `ready-fd`"
    def test_a_newline_on_the_ready_fd_is_readiness_too(self):
        b = self.board()
        b.shell("s6", f"until [ -e {b.data}/go ]; do sleep 0.02; done; echo >&7; exec sleep 1000",
                service="type = 'notify'\nready-fd = 7")
        b.start()
        start = b.ctl_begin("start", "s6")
        b.wait_state("s6", "starting")
        (b.data / "go").touch()
        self.assertEqual(start.wait(30), 0, start.communicate())
        start.communicate()


if __name__ == "__main__":
    main()
