"""What is done with a manager whose system calls fail, and what must be true then."""
import collections
import os
import pathlib
import re
import signal

import dbus

from .remains import descriptors
from .waiting import wait_until

SETTLES = 15  # s; a start that cannot be made ends after 2 s, a kill waits for 1 s
SERVICES = ("plain", "notify", "forking", "gated", "crashes")


class Story:
    """A board of one unit of each type, and what is done with it in a cycle."""

    def __init__(self, board):
        self.b = b = board
        common = "stop-timeout = '1s'\nstart-timeout = '2s'\nbackoff = { first = '50ms', max = '50ms' }\n"
        file = "[log]\nto = ['file']\n"
        b.shell("plain", "echo hello; exec sleep 1000", service=common)
        b.shell("notify", "systemd-notify --ready; echo up; exec sleep 1000", more=file,
                service=common + "type = 'notify'\nnotify-access = 'all'")
        b.shell("forking", f"echo forks; sleep 1000 & echo $! > {b.data}/pid", service=common +
                f"type = 'forking'\npid-file = '{b.data}/pid'\n")
        b.shell("gated", "echo open; exec sleep 1000", service=common, unit="gate = ['event:go']")
        b.shell("crashes", "echo crash; sleep 0.05; exit 3", service=common)
        b.shell("once", "echo done", service="type = 'oneshot'\nstart-timeout = '2s'")
        self.change(0)
        b.target("plain")
        self.turn, self.told = 0, []

    def change(self, turn):
        self.b.shell("changed", f"echo changed; exec sleep {1000 + turn}",
                     service="stop-timeout = '1s'\nstart-timeout = '2s'")

    def ctl(self, *words):
        """Any exit code, within the deadline; what it said is kept."""
        done = self.b.ctl(*words, code=None, timeout=60)
        self.told.append(str(done))
        return done

    def cycle(self):
        self.turn += 1
        self.told = []
        self.ctl("start", "plain", "notify", "forking", "once", "crashes", "changed",
                 "--timeout", "8s")
        self.ctl("start", "gated", "--timeout", "0s")
        self.ctl("event", "set", "go")
        self.ctl("status")
        self.ctl("why", "gated")
        self.ctl("logs", "plain", "notify")
        self.kill_main("plain")
        self.change(self.turn)
        self.ctl("plan")
        self.ctl("apply")
        self.ctl("restart", "changed", "notify", "--timeout", "8s")
        self.wait_true("in the middle")
        self.ctl("event", "clear", "go")
        self.ctl("stop", *SERVICES, "changed", "--timeout", "8s")

    def kill_main(self, unit):
        try:
            pid = int(self.b.get(unit, "MainPid"))
        except (dbus.exceptions.DBusException, AttributeError):
            return
        if pid > 1:
            os.kill(pid, signal.SIGKILL)

    def untrue(self):
        """What the manager says and is not so; empty when all is true."""
        b = self.b
        if b.process.poll() is not None:
            raise AssertionError(f"it ended with {b.process.returncode}")
        try:
            known = [u for u in (*SERVICES, "changed", "once") if u in b.states()]
            rows = b.call("Describe", "asa{sv}", known,
                          {"properties": ["Name", "State", "MainPid"]}, timeout=10)
        except (dbus.exceptions.DBusException, AttributeError) as error:
            b._connection = None
            return [f"no answer: {error}"]
        wrong, all_processes = [], self.processes()
        for row in rows:
            name, state, pid = str(row["Name"]), str(row["State"]), int(row["MainPid"])
            processes = all_processes.get(name, [])
            if state == "up" and (pid == 0 or pid not in processes):
                wrong.append(f"{name} is up without a process: {pid} of {processes}")
            if state in ("down", "failed", "backoff", "waiting", "done") and processes:
                wrong.append(f"{name} is {state} and has {processes}")
            if state in ("stopping", "killing", "starting"):
                wrong.append(f"{name} is still {state}")
        return wrong

    def processes(self):
        """Of each unit, by what Reeve puts into the environment: the manager may have no cgroups."""
        found = {}
        folder = self.b.cgroup.path
        for path in folder.rglob("cgroup.procs") if folder else ():
            try:
                for pid in path.read_text().split():
                    for word in pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                        if word.startswith(b"REEVE_UNIT="):
                            found.setdefault(word[11:].decode(), []).append(int(pid))
            except OSError:
                pass  # it has just ended
        return found

    def wait_true(self, when):
        wrong = []

        def true():
            wrong[:] = self.untrue()
            return not wrong

        wait_until(true, lambda: f"true {when}: {wrong}\n{self.b.log()[-3000:]}", deadline=SETTLES)

    def recover(self):
        """After the fault is over all can be stopped."""
        self.wait_true("at the end")
        self.b.ctl("stop", *SERVICES, "changed", "--timeout", "10s")
        self.wait_true("when stopped")
        left = {u: self.b.state(u) for u in (*SERVICES, "changed") if self.b.state(u) != "down"}
        if left:
            raise AssertionError(f"not down: {left}")


def kinds_of_descriptors(board):
    """How many of each kind the manager holds; paths with the numbers left out."""
    return collections.Counter(
        re.sub(r"reeve-[^/]*|/proc/[0-9]+|\+[0-9]+$", "", re.sub(r"\[[0-9]+\]", "", target))
        for target in descriptors(board.manager).values()
        if target != "/dev/null")  # one is kept, to drop logs into
