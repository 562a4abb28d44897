"""A keeper with a scripted manager (script_manager.cpp), for tests."""

import os
import signal
import socket
import subprocess
import tempfile

PROGRAMS = os.environ.get("PROGRAMS", "build/dev")
KEEPER = os.environ.get("KEEPER", os.path.join(PROGRAMS, "reeve-init"))
CHECKED = os.path.join(PROGRAMS, "reeve-init-checked")
MANAGER = os.path.join(PROGRAMS, "script-manager")
LIMIT = 30  # seconds that anything may take


class Manager:
    def __init__(self, connection):
        self.connection = connection
        connection.settimeout(LIMIT)
        words = self.heard().split()
        self.pid, self.generation, self.options = int(words[0]), int(words[1]), words[2:]

    def heard(self):
        return self.connection.recv(65536).decode().strip()

    def tell(self, *words):
        self.connection.send(" ".join(str(word) for word in words).encode())

    def ask(self, *words):
        self.tell(*words)
        return self.heard()

    def kill(self, number=signal.SIGKILL):
        os.kill(self.pid, number)

    def lives(self):
        """False once the end is seen: the socket closes with the process."""
        self.connection.setblocking(False)
        try:
            return self.connection.recv(4096, socket.MSG_PEEK) != b""
        except BlockingIOError:
            return True
        except ConnectionError:
            return False
        finally:
            self.connection.settimeout(LIMIT)


class Keeper:
    """Used with `with`; what it started is gone afterwards."""

    def __init__(self, *options, program=KEEPER, environment=None, prepare=None):
        self.folder = tempfile.TemporaryDirectory(prefix="keeper-")
        path = os.path.join(self.folder.name, "control")
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(path)
        self.listener.listen(64)
        self.listener.settimeout(LIMIT)
        self.log = open(os.path.join(self.folder.name, "log"), "w+")
        variables = dict(os.environ, KEEPER_TEST=path, REEVE_MANAGER=MANAGER,
                         ASAN_OPTIONS="disable_coredump=0", **(environment or {}))
        self.process = subprocess.Popen([program, *options], env=variables, stderr=self.log,
                                        preexec_fn=prepare)
        self.pid = self.process.pid
        self.managers, self.children = [], []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        for manager in self.managers:
            manager.connection.close()
        for pid in self.children:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.listener.close()
        self.log.close()
        self.folder.cleanup()

    def manager(self):
        """The next manager that comes up."""
        connection, _ = self.listener.accept()
        self.managers.append(Manager(connection))
        return self.managers[-1]

    def spawn(self, manager, *words):
        pid = int(manager.ask(*words))
        self.children.append(pid)
        return pid

    def code(self):
        return self.process.wait(LIMIT)

    def said(self):
        with open(self.log.name) as log:
            return log.read()

    def status(self, key):
        with open(f"/proc/{self.pid}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith(key + ":"))

    def state(self):
        with open(f"/proc/{self.pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0]

    def private(self):
        """kB."""
        with open(f"/proc/{self.pid}/smaps_rollup") as rollup:
            return sum(int(line.split()[1]) for line in rollup if line.startswith("Private_"))

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))
