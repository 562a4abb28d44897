"""What a board may not leave behind: processes, cgroups, mounts."""
import ctypes
import os
import pathlib
import secrets
import signal
import time

PR_SET_CHILD_SUBREAPER = 36
PF_EXITING = 4  # of the flags in /proc/PID/stat


def become_subreaper():
    """Whatever outlives a reeved becomes a child of this process, and so is found."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def children(parent="self"):
    """Pids of the children of a process, of all its threads."""
    pids = set()
    for task in pathlib.Path(f"/proc/{parent}/task").iterdir():
        try:
            pids.update(map(int, (task / "children").read_text().split()))
        except FileNotFoundError:
            pass
    return pids


def _stat(pid):
    """The fields of /proc/PID/stat from the state on."""
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()


def describe(pid):
    try:
        words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
        state = _stat(pid)[0]
    except OSError:
        return f"{pid} (gone)"
    return f"{pid} [{state}] {words.replace(chr(0), ' ').strip()}"


def has_ended(pid):
    """It is a zombie, or the kernel takes it apart, which may last: it does nothing any more."""
    try:
        fields = _stat(pid)
    except (FileNotFoundError, ProcessLookupError):
        return True
    return fields[0] == "Z" or bool(int(fields[6]) & PF_EXITING)


def _leave_time(busy):
    """Waits while busy(), for a second at most: a killed process goes in its own time."""
    end = time.monotonic() + 1
    while busy() and time.monotonic() < end:
        time.sleep(0.01)


def living_strays(known):
    return [pid for pid in children() - known if not has_ended(pid)]


def take_strays(known):
    """Ends and reaps the children not in `known`; returns a description of those that lived on
    for a second, which is more than a process that was killed takes to go."""
    _leave_time(lambda: living_strays(known))
    alive = [describe(pid) for pid in living_strays(known)]
    for pid in children() - known:
        try:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass
    return alive


def mounts():
    return {line.split()[4] for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines()}


def descriptors(pid):
    """The open descriptors of a process: number -> what it is."""
    folder = pathlib.Path(f"/proc/{pid}/fd")
    found = {}
    for entry in folder.iterdir():
        try:
            found[int(entry.name)] = os.readlink(entry)
        except OSError:
            pass
    return found


class Cgroup:
    """A cgroup v2 of the test's own, in which a reeved runs; None of it where that is not allowed."""

    def __init__(self):
        self.path = None
        name = f"reeve-test-{os.getpid()}-{secrets.token_hex(4)}"  # a killed test leaves its own
        for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
            fields = line.split()
            if fields[fields.index("-") + 1] == "cgroup2":
                root = pathlib.Path(fields[4])
                break
        else:
            return
        own = next((line.strip()[3:] for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines()
                    if line.startswith("0::")), "/")
        path = root / own.lstrip("/") / name
        try:
            path.mkdir()
        except OSError:
            return
        self.path = path

    def enter(self):
        """To be called in the child, before exec."""
        if self.path:
            (self.path / "cgroup.procs").write_text("0")

    def below(self):
        """The cgroups that were made in it."""
        if not self.path or not self.path.exists():
            return []
        return sorted(str(p.relative_to(self.path)) for p in self.path.rglob("*") if p.is_dir())

    def remove(self):
        if not self.path or not self.path.exists():
            return
        if (self.path / "cgroup.kill").exists():
            (self.path / "cgroup.kill").write_text("1")
        _leave_time(self._busy)
        for name in sorted(self.below(), reverse=True) + [""]:
            try:
                (self.path / name).rmdir()
            except OSError:
                pass

    def _busy(self):
        return "populated 1" in (self.path / "cgroup.events").read_text()
