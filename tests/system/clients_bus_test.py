# ctest: label=clients timeout=180
"""Clients that others wrote: busctl, gdbus and python3-dbus, over the private socket and a bus."""
import os
import pathlib
import signal
import subprocess

from harness import BoardTest, main, needs

LISTEN = pathlib.Path(__file__).parent / "helpers" / "listen.py"
FOLLOW = pathlib.Path(__file__).parent / "helpers" / "follow.py"


def run(*words):
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        raise AssertionError(f"{words}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


class Clients(BoardTest):
    """Each way in is a list of options that lead to the manager."""

    def setUp(self):
        super().setUp()
        self.bus = self.private_bus()
        self.b = self.board(bus=self.bus.address)
        self.b.shell("web-server", "exec sleep 1000",
                     unit="description = 'Serves 网页'\ngate = ['event:go']")
        self.b.start()
        self.wait_until(lambda: self.bus.has("org.reeve1"), "the name is on the bus")
        self.private = f"unix:path={self.b.socket}"

    def ways(self):
        return (("private socket", self.private, False), ("bus", self.bus.address, True))

    @needs("busctl")
    def test_busctl(self):
        for way, address, _ in self.ways():
            with self.subTest(way=way):
                busctl = lambda *words: run("busctl", f"--address={address}", *words)
                manager = busctl("introspect", "org.reeve1", "/org/reeve1")
                for member in (".Start", ".Stop", ".List", ".UnitChanged", ".SetEvent"):
                    self.assertIn(member, manager)
                self.assertIn("org.reeve1.Manager", manager)
                self.assertIn("/org/reeve1/unit/web_2dserver", busctl("tree", "--list", "org.reeve1"))
                call = ("call", "org.reeve1", "/org/reeve1", "org.reeve1.Manager")
                self.assertIn("web-server", busctl(*call, "List", "a{sv}", "0"))
                busctl(*call, "SetEvent", "sa{sv}", "go", "0")
                self.assertEqual(busctl(*call, "Start", "sa{sv}", "web-server", "0").split()[:2],
                                 ["st", '"up"'])
                self.assertEqual(
                    busctl("get-property", "org.reeve1", "/org/reeve1/unit/web_2dserver",
                           "org.reeve1.Unit", "State").strip(), 's "up"')
                self.assertIn("网页", busctl(
                    "--json=short", "get-property", "org.reeve1",
                    "/org/reeve1/unit/web_2dserver", "org.reeve1.Unit", "Description"))
                busctl(*call, "Stop", "sa{sv}", "web-server", "0")

    @needs("busctl")
    def test_errors_have_a_name_and_a_sentence(self):
        done = subprocess.run(
            ["busctl", f"--address={self.private}", "call", "org.reeve1", "/org/reeve1",
             "org.reeve1.Manager", "Start", "sa{sv}", "no-such", "0"],
            capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertIn("no-such", done.stderr)

    @needs("gdbus")
    def test_gdbus(self):
        for way, address, _ in self.ways():
            with self.subTest(way=way):
                gdbus = lambda verb, *words: run(
                    "gdbus", verb, "--address", address, "--dest", "org.reeve1", *words)
                self.assertIn("org.reeve1.Manager",
                              gdbus("introspect", "--object-path", "/org/reeve1"))
                call = lambda method, *words: gdbus(
                    "call", "--object-path", "/org/reeve1", "--method",
                    f"org.reeve1.Manager.{method}", *words)
                call("SetEvent", "go", "{}")
                self.assertIn("'up'", call("Start", "web-server", "{}"))
                self.assertIn("'up'", gdbus(
                    "call", "--object-path", "/org/reeve1/unit/web_2dserver", "--method",
                    "org.freedesktop.DBus.Properties.Get", "org.reeve1.Unit", "State"))
                self.assertIn("web-server", call("GoesWith", "web-server"))
                call("Stop", "web-server", "{}")

    def test_reevectl_is_sent_no_signals(self):
        before = self.b.stats()
        self.b.ctl("event", "set", "go")
        self.b.ctl("start", "web-server")
        waits = self.b.ctl_begin("wait", "web-server")
        self.wait_until(lambda: self.b.stats()["pending_requests"] == 1, "it waits")
        # Those that asked before have left, or are about to.
        self.wait_until(lambda: self.b.stats()["clients"] == before["clients"] + 1, self.b.stats)
        self.assertEqual(self.b.stats()["listeners"], before["listeners"])
        waits.kill()
        waits.communicate()

    def test_python_dbus_follows_a_start_by_properties_changed(self):
        for way, address, named in self.ways():
            with self.subTest(way=way):
                out = run("/usr/bin/python3", "-B", FOLLOW, address, "bus" if named else "private",
                          "web-server")
                states = out.split()
                self.assertEqual(states[0], "waiting", out)  # at its gate
                self.assertEqual(states[-1], "up", out)
                self.b.ctl("stop", "web-server")
                self.b.ctl("event", "clear", "go")


class Listener(BoardTest):
    def test_what_happens_while_no_manager_lives_is_told_on_the_bus(self):
        bus = self.private_bus()
        b = self.board(bus=bus.address, keeper=True)
        b.shell("web", "exec sleep 1000", service="restart = 'no'")
        b.target("web")
        b.start()
        b.wait_state("web", "up")
        self.wait_until(lambda: bus.has("org.reeve1"), "the name is on the bus")
        listener = subprocess.Popen(["/usr/bin/python3", "-B", LISTEN, bus.address,
                                     "/org/reeve1/unit/web"], stdout=subprocess.PIPE, text=True)
        self.assertEqual(listener.stdout.readline(), "listens\n")
        pid, old = b.main_pid("web"), b.manager
        os.kill(old, signal.SIGSTOP)
        os.kill(pid, signal.SIGKILL)
        b.kill_manager()
        while (told := listener.stdout.readline()) not in ("failed\n", ""):
            pass  # the test's time limit ends a silence
        self.assertEqual(told, "failed\n")
        listener.kill()
        listener.communicate()


if __name__ == "__main__":
    main()
