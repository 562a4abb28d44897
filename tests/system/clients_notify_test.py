# ctest: label=clients timeout=120
"""systemd's own clients of the notify protocol: systemd-notify with its barrier, python3-systemd."""
import os

from harness import BoardTest, main, needs

PYTHON = """
import os, time
from systemd import daemon
assert daemon.notify("STATUS=python speaks")
assert daemon.notify("READY=1")
begun = time.monotonic()  # longer than the watchdog's patience
while time.monotonic() - begun < int(os.environ["WATCHDOG_USEC"]) * 1.5e-6:
    time.sleep(0.1)
    daemon.notify("WATCHDOG=1")
daemon.notify("STOPPING=1")
"""


class SystemdClients(BoardTest):
    @needs("systemd-notify")
    def test_systemd_notify_returns_when_its_barrier_is_lifted(self):
        """It waits up to 5 s for the descriptor that it sent to be closed, and fails after that."""
        for as_nobody in (False, True):
            if as_nobody and os.geteuid() != 0:
                continue
            with self.subTest(as_nobody=as_nobody):
                b = self.board(as_nobody=as_nobody)
                b.shell("speaker", f"systemd-notify --ready --status='from shell'; "
                                   f"echo $? > {b.data}/rc; exec sleep 1000",
                        service="type = 'notify'\nnotify-access = 'all'")
                b.start()
                b.ctl("start", "speaker")
                self.wait_until((b.data / "rc").exists, "systemd-notify returns")
                self.wait_until(lambda: (b.data / "rc").read_text(), "its code is written")
                self.assertEqual((b.data / "rc").read_text(), "0\n")
                self.assertEqual(b.get("speaker", "Status"), "from shell")

    @needs("systemd-notify")
    def test_systemd_notify_names_the_main_process(self):
        b = self.board()
        b.shell("speaker", "sleep 1000 & systemd-notify --ready --pid=$!; wait",
                service="type = 'notify'\nnotify-access = 'all'")
        b.start()
        b.ctl("start", "speaker")
        self.wait_until(lambda: open(f"/proc/{b.main_pid('speaker')}/comm").read() == "sleep\n",
                        b.overview)

    @needs("systemd-notify")
    def test_systemd_notify_of_root_speaks_for_its_parent(self):
        """As root it sends with the pid of the shell that called it: the main process."""
        if os.geteuid() != 0:
            self.skipTest("needs root")
        b = self.board()
        b.shell("speaker", "systemd-notify --ready; exec sleep 1000", service="type = 'notify'")
        b.start()
        b.ctl("start", "speaker")
        self.assertEqual(b.state("speaker"), "up")

    def test_python3_systemd(self):
        b = self.board()
        script = b.data / "speaker.py"
        script.write_text(PYTHON)
        b.unit("speaker", f"""
            [service]
            type = "notify"
            command = ["/usr/bin/python3", "-B", "{script}"]
            watchdog = "2s"
            start-timeout = "30s"
            """)
        b.start()
        b.ctl("start", "speaker", "--timeout", "30s")
        self.assertEqual(b.get("speaker", "Status"), "python speaks")
        b.wait_state("speaker", "done")
        self.assertEqual(b.starts("speaker"), 1)


if __name__ == "__main__":
    main()
