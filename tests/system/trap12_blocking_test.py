# ctest: label=system timeout=180
"""Trap 12: a hung script, name service, bus or log sink does not hold up the loop. Ticks of over
5 ms are failures on a quiet machine; here times are judged tenfold."""
import ctypes
import os
import pathlib
import subprocess
import time
import unittest

from harness import BoardTest, main, needs, needs_root, scaled

TICK = 0.05  # seconds
CALLS = scaled(100, 5000)

HANG = """
#include <unistd.h>
extern "C" int _nss_hesiod_getpwnam_r() { for (;;) pause(); }
extern "C" int _nss_hesiod_getpwuid_r() { for (;;) pause(); }
extern "C" int _nss_hesiod_getgrnam_r() { for (;;) pause(); }
extern "C" int _nss_hesiod_getgrgid_r() { for (;;) pause(); }
extern "C" int _nss_hesiod_initgroups_dyn() { for (;;) pause(); }
"""


class HungMount:
    """A FUSE file system over `folder` that never answers, until end()."""

    def __init__(self, folder):
        self.folder, self.libc = str(folder).encode(), ctypes.CDLL(None, use_errno=True)
        self.fd = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        options = f"fd={self.fd},rootmode=40000,user_id=0,group_id=0"
        if self.libc.mount(b"hung", self.folder, b"fuse", 0, options.encode()) != 0:
            self.end()
            raise unittest.SkipTest("cannot mount FUSE here")

    def end(self):
        if self.fd >= 0:
            os.close(self.fd)  # whoever hangs gets an error now
            self.libc.umount2(self.folder, 2)
        self.fd = -1


class Blocking(BoardTest):
    def assert_lively(self, b):
        """Calls over the private socket are answered at once, and units start and stop."""
        b.states()
        times = []
        for _ in range(CALLS):
            begun = time.monotonic()
            b.call("Why", "s", "default")
            times.append(time.monotonic() - begun)
        times.sort()
        self.assertLess(times[int(len(times) * 0.9)], TICK)
        self.assertLess(times[-1], 20 * TICK)  # others share the machine
        b.ctl("start", "lively")
        b.ctl("stop", "lively")

    def lively_board(self, **options):
        b = self.board(**options)
        b.shell("lively", "exec sleep 1000")
        b.target()
        return b

    def test_hung_scripts_in_every_phase(self):
        b = self.lively_board()
        hang = "['/bin/sleep', '1000']"
        b.shell("pre", "exec sleep 1000", service=f"start-pre = [{hang}]")
        b.shell("post", "exec sleep 1000", service=f"start-post = {hang}")
        b.shell("reload", "exec sleep 1000", service=f"reload = {hang}")
        b.shell("stop", "exec sleep 1000", service=f"stop = {hang}\nstop-timeout = '500ms'")
        b.start()
        for unit in ("reload", "stop"):
            b.ctl("start", unit)
        for method, unit in (("Start", "pre"), ("Start", "post"), ("Reload", "reload"),
                             ("Stop", "stop")):
            b.ask(method, unit)
        self.assert_lively(b)
        for unit in ("pre", "post", "reload"):
            b.ctl("stop", unit)

    @needs_root
    def test_hung_name_service(self):
        """A module of the name service that never answers takes the place of one of glibc's."""
        b = self.lively_board()
        source, module, switch = (b.folder / n for n in ("hang.cpp", "hang.so", "nsswitch.conf"))
        source.write_text(HANG)
        switch.write_text("passwd: hesiod\ngroup: hesiod\n")
        subprocess.run(["g++", "-shared", "-fPIC", "-o", module, source], check=True)
        real = next(pathlib.Path("/usr/lib").glob("*/libnss_hesiod.so.2"))
        b.wrapper = ["/usr/bin/unshare", "--mount", "--propagation", "private", "/bin/sh", "-c",
                     f"mount --bind {module} {real} && mount --bind {switch} /etc/nsswitch.conf && "
                     'exec "$@"', "sh"]
        b.shell("asks", "exec sleep 1000", service="user = 'daemon'")
        b.start()
        b.ask("Start", "asks")
        self.assert_lively(b)
        self.assertNotEqual(b.state("asks"), "up")
        self.assertIn("daemon", b.ctl("status", "asks", code=None).out)

    def hung(self, folder):
        try:
            mount = HungMount(folder)
        except OSError as error:
            self.skipTest(f"no FUSE here: {error}")
        self.addCleanup(mount.end)
        return mount

    @needs_root
    def test_unit_files_that_hang(self):
        b = self.lively_board()
        b.shell("many@", "exec sleep 1000")
        b.start()
        mount = self.hung(b.units)
        asks = b.ctl_begin("start", "many@1")
        applies = b.ctl_begin("apply")
        self.assert_lively(b)
        self.assertIsNone(asks.poll())
        mount.end()
        for each in (asks, applies):
            each.communicate(timeout=60)
        b.ctl("start", "many@1")

    @needs_root
    def test_folders_of_services_that_hang(self):
        b = self.lively_board()
        folder = b.folder / "hung"
        folder.mkdir()
        b.shell("file", "exec sleep 1000", service=f"environment-file = '{folder}/x'")
        b.shell("asks", "exec sleep 1000", unit=f"condition = ['path:{folder}/x']")
        b.shell("next", "exec sleep 1000", service="runtime-directory = 'next'")
        b.start()
        mount = self.hung(folder)
        for unit in ("file", "asks"):
            b.ask("Start", unit)
        self.assert_lively(b)
        b.ctl("start", "next")
        mount.end()

    @needs_root
    def test_gates_and_pid_files_on_a_mount_that_hangs(self):
        b = self.lively_board()
        folder, there = b.folder / "hung", b.folder / "there"
        folder.mkdir()
        gated = [f"gated{i}" for i in range(6)]  # more than there are threads for them
        for unit in gated:
            b.shell(unit, "exec sleep 1000", unit=f"gate = ['path:{folder}/{unit}']")
        b.shell("next", "exec sleep 1000", unit=f"gate = ['path:{there}']")
        b.shell("forks", "sleep 1000 & exit 0", service=f"""type = "forking"
            pid-file = '{folder}/pid'\nstart-timeout = '1s'\nrestart = 'no'""")
        b.start()
        mount = self.hung(folder)
        for unit in (*gated, "next"):
            b.ask("Start", unit)
        b.ctl("start", "forks", code=1)
        self.assert_lively(b)
        there.touch()
        self.wait_until(lambda: b.state("next") == "up", b.overview)
        self.assertEqual({b.state(unit) for unit in gated}, {"waiting"})
        self.assertLess(len(os.listdir(f"/proc/{b.pid}/task")), 16)
        mount.end()
        for unit in gated:
            (folder / unit).touch()
        self.wait_until(lambda: {b.state(unit) for unit in gated} == {"up"}, b.overview)

    @needs("dbus-daemon")
    def test_a_bus_that_is_stopped(self):
        bus = self.private_bus()
        bus.freeze()
        b = self.lively_board(bus=bus.address)
        b.start()  # while it is stopped: the connection hangs in its first step
        self.assert_lively(b)
        bus.thaw()
        self.wait_until(lambda: bus.has("org.reeve1"), "the name is on the bus")
        bus.freeze()
        self.assert_lively(b)
        b.stop()  # even then

    def test_a_log_sink_that_hangs(self):
        """The log file is a FIFO without a reader, and so is reeved's own stderr, full."""
        b = self.lively_board()
        b.shell("talks", "while :; do echo 0123456789012345678901234567890123456789; done",
                more="[log]\nto = ['file']\n")
        folder = b.runtime / "log" / "talks"
        folder.mkdir(parents=True)
        os.mkfifo(folder / "current")
        b.start()
        b.ctl("start", "talks")
        self.assert_lively(b)
        b.ctl("stop", "talks")

    def test_a_stderr_that_nobody_reads(self):
        b = self.lively_board(options=["--log-level", "debug"])
        read, write = os.pipe()
        self.addCleanup(os.close, read)
        os.set_blocking(write, False)
        try:
            while True:
                os.write(write, b"x" * 4096)
        except BlockingIOError:
            os.set_blocking(write, True)
        b.stderr = write
        b.start()
        os.close(write)
        for _ in range(20):
            b.ctl("start", "lively")
            b.ctl("stop", "lively")
        self.assert_lively(b)

    def test_a_reader_of_logs_that_does_not_read(self):
        b = self.lively_board()
        b.shell("talks", "while :; do echo 0123456789012345678901234567890123456789; done")
        b.start()
        b.ctl("start", "talks")
        log = b.call("Logs", "asa{sv}", ["talks"], {"follow": True}).take()
        self.addCleanup(os.close, log)
        self.assert_lively(b)


if __name__ == "__main__":
    main()
