"""One private reeved: its folders, its life, and the ways to talk to it."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

import dbus
import dbus.connection

from . import remains
from .waiting import DEADLINE, wait_until

NOBODY = 65534
MANAGER = "org.reeve1.Manager"
UNIT = "org.reeve1.Unit"


class Outcome:
    """How a reevectl ended."""

    def __init__(self, words, done):
        self.words, self.code, self.out, self.err = words, done.returncode, done.stdout, done.stderr

    def __str__(self):
        return f"reevectl {' '.join(self.words)}: exit code {self.code}\n{self.out}{self.err}"

    @property
    def json(self):
        return json.loads(self.out)


class Board:
    """`options` go to reeved's command line. as_nobody: an unprivileged manager without cgroups.
    keeper: reeve-init is started, and starts reeved; `keeper_options` are its own."""

    def __init__(self, options=(), bus="none", as_nobody=False, environment=None, wrapper=(),
                 keeper=False, keeper_options=()):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="reeve-", dir="/tmp"))
        self.folder.chmod(0o755)
        self.units, self.runtime = self.folder / "units", self.folder / "run"
        self.data = self.folder / "data"  # for the services: any user may write
        self.socket = self.runtime / "bus"
        self.options, self.bus, self.as_nobody = list(options), bus, as_nobody
        self.environment, self.wrapper = environment or {}, list(wrapper)
        self.keeper = keeper
        if keeper:
            self.wrapper += [os.environ["REEVE_INIT"], *keeper_options]
            self.environment["REEVE_MANAGER"] = self._manager_for(as_nobody)
        self.process, self._connection, self._log = None, None, self.folder / "reeved.log"
        self.stderr = None  # None: the log
        for path, mode in ((self.units, 0o755), (self.data, 0o1777)):
            path.mkdir()
            path.chmod(mode)
        self.findings = self.folder / "findings"
        self.findings.mkdir()
        self.findings.chmod(0o1777)
        if as_nobody:
            os.chown(self.folder, NOBODY, NOBODY)
        self.cgroup = remains.Cgroup()
        self.mounts_before = remains.mounts()

    def _manager_for(self, as_nobody):
        """The path of reeved; of a copy, where the keeper, as nobody, could not get there."""
        there = pathlib.Path(os.environ["REEVED"]).resolve()
        if not as_nobody or all(p.stat().st_mode & 0o001 for p in there.parents):
            return str(there)
        return shutil.copy(there, self.folder / "reeved")

    # ── unit files ──────────────────────────────────────────────────────────────────────────────

    def unit(self, name, text):
        """Writes NAME.toml (or a drop-in, `name` with a slash). Known after start() or apply."""
        path = self.units / (name if name.endswith(".toml") else name + ".toml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def shell(self, name, script, service="", unit="", more=""):
        """A service that runs `script` in /bin/sh; further lines of [service], [unit], tables."""
        assert "'''" not in script
        script = script.replace("%", "%%")  # no specifier is meant
        return self.unit(name, f"[unit]\n{unit}\n[service]\ncommand = ['/bin/sh', '-c', "
                               f"'''{script}''']\n{service}\n{more}")

    def note(self, word):
        """A shell command that appends a line to the trace."""
        return f'echo "{word}" >> {self.data}/trace'

    def trace(self):
        """What the services noted, in order."""
        path = self.data / "trace"
        return path.read_text().splitlines() if path.exists() else []

    def target(self, *wanted, name="default", lines=""):
        names = ", ".join(f'"{w}"' for w in wanted)
        return self.unit(name, f"[unit]\nwants = [{names}]\n{lines}\n[target]\n")

    # ── life ────────────────────────────────────────────────────────────────────────────────────

    def start(self):
        """Starts reeved and waits until it serves its socket."""
        command = [*self.wrapper, *([] if self.keeper else [os.environ["REEVED"]]),
                   "--unit-path", str(self.units), "--runtime-dir", str(self.runtime),
                   "--bus", self.bus, *self.options]
        command += [] if "--user" in self.options or not self.as_nobody else ["--user"]
        if self.as_nobody and os.geteuid() == 0:
            command = ["/usr/bin/setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}",
                       "--clear-groups", *command]
        self._connection = None
        with open(self._log, "ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=self.stderr or log, cwd="/",
                env=self._environment(), preexec_fn=self.cgroup.enter, start_new_session=True)
        wait_until(lambda: self.connection() or self.process.poll() is not None,
                   lambda: f"reeved serves {self.socket}\n{self.log()}")
        if self.process.poll() is not None:
            raise AssertionError(f"reeved ended with {self.process.returncode}\n{self.log()}")
        return self

    def _environment(self):
        base = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(self.folder),
                "LANG": "C.UTF-8", "XDG_RUNTIME_DIR": str(self.folder)}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS"):
            options = os.environ.get(name, "")
            base[name] = f"{options}:log_path={self.findings}/{name.split('_')[0].lower()}"
        return base | self.environment

    @property
    def pid(self):
        return self.process.pid

    @property
    def manager(self):
        """The pid of reeved; 0: there is none at this moment."""
        if not self.keeper:
            return self.pid
        for child in remains.children(self.pid):
            try:
                with open(f"/proc/{child}/comm", encoding="ascii") as comm:
                    if comm.read() == "reeved\n":
                        return child
            except OSError:
                pass
        return 0

    def kill_manager(self, number=signal.SIGKILL):
        """Kills reeved under its keeper, and waits until another one serves."""
        old = wait_until(lambda: self.manager, "there is a manager")  # 0 would be all of us
        self._connection = None
        os.kill(old, number)
        wait_until(lambda: self.manager not in (0, old) and self.connection(),
                   lambda: f"another reeved serves\n{self.log()[-6000:]}")

    def signal(self, number):
        self.process.send_signal(number)

    def wait_exit(self, deadline=DEADLINE):
        """reeved's exit code."""
        wait_until(lambda: self.process.poll() is not None,
                   lambda: f"reeved ends\n{self.overview()}", deadline)
        return self.process.returncode

    def log(self):
        """What reeved said on stderr."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def stop(self, deadline=DEADLINE):
        """Orderly end, then all that may not be left is looked for. AssertionError tells."""
        if self.process and self.process.poll() is None:
            self.signal(signal.SIGINT)
            code = self.wait_exit(deadline)
            if code != 0:
                raise AssertionError(f"reeved: exit code {code}")

    def check_remains(self):
        problems = [f"sanitizer: {p.name}\n{p.read_text(errors='replace')[:6000]}"
                    for p in sorted(self.findings.iterdir())]
        orderly = self.process is not None and self.process.returncode == 0
        if orderly and self.socket.exists():
            problems.append(f"{self.socket} is left")
        if orderly and self.cgroup.below():
            problems.append(f"cgroups are left: {self.cgroup.below()}")
        # Other tests, at the same time, mount in folders of their own.
        mounts = {m for m in remains.mounts() - self.mounts_before
                  if m.startswith(str(self.folder)) or not m.startswith("/tmp/reeve-")}
        if mounts:
            problems.append(f"mounts are left: {mounts}")
        return problems

    def remove(self):
        """Ends what still runs, by force, and removes every folder."""
        self._connection = None
        if self.process and self.process.poll() is None:
            self.process.kill()
        if self.process:
            self.process.wait()
        self.cgroup.remove()
        shutil.rmtree(self.folder, ignore_errors=True)

    # ── talking to it ───────────────────────────────────────────────────────────────────────────

    def ctl(self, *words, code=0, timeout=120, stdin=None):
        """Runs reevectl; its exit code must be `code` (None: any)."""
        words = [str(w) for w in words]
        try:
            done = subprocess.run(
                [os.environ["REEVECTL"], "--socket", str(self.socket), *words], text=True,
                capture_output=True, timeout=timeout, env=self._environment(), input=stdin or "",
                cwd=self._where())
        except subprocess.TimeoutExpired as late:
            raise AssertionError(f"{late}\n{late.stdout}\n{late.stderr}\n{self.overview()}") from late
        outcome = Outcome(words, done)
        if code is not None and done.returncode != code:
            raise AssertionError(f"wanted exit code {code}: {outcome}\n{self.log()[-4000:]}")
        return outcome

    def ctl_begin(self, *words, stdout=subprocess.PIPE):
        """Starts a reevectl and does not wait for it: a Popen with text pipes, of 64 KiB each; who
        says more before it is read needs a file for `stdout`."""
        return subprocess.Popen(
            [os.environ["REEVECTL"], "--socket", str(self.socket), *map(str, words)], text=True,
            stdout=stdout, stderr=subprocess.PIPE, env=self._environment(), cwd=self._where())

    def _where(self):
        """`run` starts where its caller is: where nobody can be, too."""
        return "/" if self.as_nobody else None

    def connection(self):
        """A D-Bus connection to the private socket, None while there is none."""
        if self._connection is None:
            try:
                connection = dbus.connection.Connection(f"unix:path={self.socket}")
                # Who says Hello gets no signals; nobody here would read them.
                connection.call_blocking(None, "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                         "Hello", "", (), 1)
            except dbus.exceptions.DBusException:
                return None
            self._connection = connection
        return self._connection

    def patient(self, call):
        """What `call()` returns; again when the manager dies meanwhile."""
        def once():
            try:
                return (call(),)
            except (dbus.exceptions.DBusException, AttributeError):
                self._connection = None
                return None
        return wait_until(once, lambda: f"an answer\n{self.log()[-4000:]}")[0]

    def stats(self):
        return json.loads(self.patient(lambda: self.call("Stats")))

    def call(self, method, signature="", *arguments, timeout=DEADLINE):
        """A method of org.reeve1.Manager."""
        return self.connection().call_blocking(
            None, "/org/reeve1", MANAGER, method, signature, arguments, timeout)

    def ask(self, method, unit):
        """Start, Stop, Restart or Reload, without waiting for the outcome."""
        try:
            self.call(method, "sa{sv}", unit, {"timeout": dbus.UInt64(0)})
        except dbus.exceptions.DBusException as error:
            if not error.get_dbus_name().endswith(".StillWaiting"):
                raise

    def describe(self, unit):
        """All properties of a unit."""
        return self.call("Describe", "asa{sv}", [unit], {})[0]

    def get(self, unit, key):
        return self.call("Describe", "asa{sv}", [unit], {"properties": [key]})[0][key]

    def state(self, unit):
        return str(self.get(unit, "State"))

    def main_pid(self, unit):
        return int(self.get(unit, "MainPid"))

    def run(self, unit):
        """Number of its present or last run; grows, over all units."""
        return int(self.get(unit, "Run"))

    def starts(self, unit):
        """How often it was started."""
        return int(self.get(unit, "Starts"))

    def states(self):
        """Of all units: name -> state."""
        return {str(row[0]): str(row[2]) for row in self.call("List", "a{sv}", {})}

    def wait_state(self, unit, *states, deadline=DEADLINE):
        wait_until(lambda: self.state(unit) in states,
                   lambda: f"{unit} is {'/'.join(states)}\n{self.overview()}", deadline)

    def overview(self):
        """For messages of failed tests."""
        try:
            states = self.states()
        except (dbus.exceptions.DBusException, AttributeError):
            states = "no answer from reeved"
        return f"{states}\n--- log\n{self.log()[-6000:]}"
