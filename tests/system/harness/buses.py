"""A dbus-daemon of the test's own."""
import pathlib
import signal
import subprocess
import tempfile

from .waiting import wait_until


class PrivateBus:
    """Runs until close(); one may stop, continue, kill and restart it. Has its own folder."""

    def __init__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="reeve-bus-")
        pathlib.Path(self._folder.name).chmod(0o755)
        self.socket = pathlib.Path(self._folder.name) / "socket"
        self.address = f"unix:path={self.socket}"
        self.process = None
        self.start()

    def start(self):
        self.socket.unlink(missing_ok=True)
        self.process = subprocess.Popen(
            ["/usr/bin/dbus-daemon", "--session", "--nofork", "--nopidfile", "--nosyslog",
             f"--address={self.address}"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        wait_until(self.socket.exists, "dbus-daemon listens")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def has(self, name):
        """Is the name owned?"""
        return subprocess.run(["busctl", f"--address={self.address}", "status", name],
                              capture_output=True, timeout=30).returncode == 0

    def close(self):
        self.kill()
        self._folder.cleanup()
