"""A board whose manager's system calls can be made to fail (tests/support/failcall)."""
import errno
import functools
import os
import pathlib
import signal
import subprocess

from .board import Board
from .waiting import wait_until

_TRIED_AGAIN = {"EINTR", "EAGAIN"}  # rightly in silence
# Calls without which something asked for does not happen. Others are probes, or what is done for
# good order (close, unlink, stat …), or end the connection of a client, who sees it: there the truth
# of the states is what counts.
_TOLD = {"mkdir", "openat:creat", "open:creat", "bind", "socket", "socketpair", "pipe2", "memfd_create",
         "clone3", "epoll_create1", "eventfd2", "timerfd_create", "inotify_init1",
         "fcntl:dup", "getdents64", "ftruncate", "accept4", "inotify_add_watch"}
# Of calls that others make too, for other ends: those of these functions.
_TOLD_PLACES = {"epoll_ctl": "hand_to_kernel", "pidfd_open": "::watch_main"}
# Functions that do without what they could not have, in silence.
_SILENT_PLACES = ("look_whether_born", "can_bear", "can_be_born_in",  # the usual is assumed
                  "sd_event_source",  # sd-event, at the end of a source
                  "grow_table", "FdWindow::take",  # the one is inlined behind the other
                  "has_descriptors_to_spare", "~FdWindow",
                  "make_ring", "LogRing::LogRing", "Logs::Impl::take")  # the log is dropped, and counted

_ALLOCATES = ("ENOMEM",)
_DESCRIPTOR = ("EMFILE", "ENOMEM")
_ON_DISK = ("EIO", "ENOMEM")
_MAKES = ("ENOSPC", "EIO", "ENOMEM")

# What each call can give, of ENOMEM, EMFILE, ENOSPC, EINTR, EAGAIN, EIO; the likeliest first.
_ERRORS = {
    "open": ("EMFILE", "EIO", "EINTR", "ENOMEM"), "openat": ("EMFILE", "EIO", "EINTR", "ENOMEM"),
    "open:creat": ("ENOSPC", "EMFILE", "EIO", "EINTR", "ENOMEM"),
    "openat:creat": ("ENOSPC", "EMFILE", "EIO", "EINTR", "ENOMEM"),
    "mkdir": _MAKES, "mkdirat": _MAKES, "rename": _MAKES, "renameat2": _MAKES, "bind": _MAKES,
    "rmdir": _ON_DISK, "unlink": _ON_DISK, "unlinkat": _ON_DISK, "stat": _ON_DISK,
    "lstat": _ON_DISK, "newfstatat": _ON_DISK, "fstat": _ON_DISK, "statx": _ON_DISK,
    "access": _ON_DISK, "faccessat": _ON_DISK, "faccessat2": _ON_DISK, "readlink": _ON_DISK,
    "readlinkat": _ON_DISK, "getdents64": _ON_DISK, "chmod": _ON_DISK, "fchmod": _ON_DISK,
    "fchmodat": _ON_DISK, "fchown": _ON_DISK, "fchownat": _ON_DISK,
    "ftruncate": ("ENOSPC", "EIO", "EINTR"), "fallocate": ("ENOSPC", "EIO", "EINTR"),
    "lseek": (), "close": ("EIO", "EINTR"), "dup": ("EMFILE",), "dup2": (),
    "dup3": (),  # onto a number that is held already
    "fcntl:dup": ("EMFILE",), "pipe2": ("EMFILE",), "socket": _DESCRIPTOR,
    "socketpair": _DESCRIPTOR, "listen": (),
    "connect": ("ENOMEM", "EINTR"),  # EAGAIN says that somebody listens
    "accept4": ("EMFILE", "EINTR", "EAGAIN", "ENOMEM"), "epoll_create1": _DESCRIPTOR,
    "epoll_ctl": ("ENOSPC", "ENOMEM"), "epoll_wait": ("EINTR",), "epoll_pwait": ("EINTR",),
    "poll": ("EINTR", "ENOMEM"), "ppoll": ("EINTR", "ENOMEM"), "eventfd2": _DESCRIPTOR,
    "signalfd4": _DESCRIPTOR, "timerfd_create": _DESCRIPTOR, "inotify_init1": _DESCRIPTOR,
    "inotify_add_watch": ("ENOSPC", "ENOMEM"), "memfd_create": _DESCRIPTOR,
    "pidfd_open": _DESCRIPTOR, "fork": ("EAGAIN", "ENOMEM"), "vfork": ("EAGAIN", "ENOMEM"),
    "clone": ("EAGAIN", "ENOMEM"), "clone3": ("ENOMEM", "EAGAIN", "EMFILE"),
    "waitid": ("EINTR",), "wait4": ("EINTR",), "mmap": _ALLOCATES, "mremap": _ALLOCATES,
    "mprotect": _ALLOCATES,
}
_READS = {"read", "pread64", "readv", "recvfrom", "recvmsg"}
_KINDS = {"file": ("EIO", "ENOMEM", "EINTR"), "memfd": ("ENOMEM",), "socket": ("ENOMEM",),
          "pipe": (), "anon": (), "device": ("EIO",)}


def errors_of(site):
    """The errors that the call at this site can give."""
    call = site.split("@")[0]
    if call in _ERRORS:
        return _ERRORS[call]
    name, _, kind = call.partition(":")
    kind, _, nonblocking = kind.partition("-")
    if name == "accept4":
        return _ERRORS["accept4"]
    if name == "splice":
        return ("ENOMEM", "EAGAIN") if nonblocking else ("ENOMEM", "EINTR")
    told = list(_KINDS.get(kind, ()))
    if name not in _READS and kind == "anon":
        return ()  # an eventfd: its counter does not overflow
    if name not in _READS and kind in ("file", "memfd"):
        told.insert(0, "ENOSPC")
    if kind in ("socket", "pipe", "anon"):
        told.append("EAGAIN" if nonblocking else "EINTR")
    return tuple(told)


def is_told(fault):
    """Has a message to say what failed?"""
    call = fault.site.split("@")[0]
    is_probe = "clone3_into" in place(fault.site) and fault.call == 1  # can they be born in cgroups?
    if fault.error in _TRIED_AGAIN or is_probe:
        return False
    if call in _TOLD_PLACES:
        return _TOLD_PLACES[call] in place(fault.site)
    if not {call, call.split(":")[0]} & _TOLD:
        return False
    return not any(name in place(fault.site) for name in _SILENT_PLACES)


def silences(fault):
    """May what is to be said be lost with this call?"""
    return fault.site.startswith(("write:file", "clone3"))


class Fault:
    """The `call`-th call at `site` fails with `error` (a name)."""

    def __init__(self, site, error, call=1):
        self.site, self.error, self.call = site, error, call

    def __str__(self):
        return f"{self.site} call {self.call}: {self.error} ({place(self.site)})"

    @property
    def texts(self):
        """One of these has to be said. pthread_create makes EAGAIN of each error."""
        errors = [self.error] + (["EAGAIN"] if self.error == "ENOMEM" or self.site.startswith("clone") else [])
        return [os.strerror(getattr(errno, error)) for error in errors]


@functools.cache
def place(site):
    """The functions at a site, as far as the program has symbols."""
    address = hex(int(site.split("@")[1], 16) - 1)  # of the call, not of what follows
    done = subprocess.run(["addr2line", "-Cfpise", os.environ["REEVED"], address], text=True,
                          capture_output=True)
    return " ".join(done.stdout.split())


class _Reports:
    """What the tracer of a board has written."""

    def _write(self, faults, control):
        control.write_text("".join(
            f"{f.site} {getattr(errno, f.error)} {f.call}\n" for f in faults))

    def _lines(self):
        return self.report.read_text().splitlines() if self.report.exists() else []

    def _said(self, word, since):
        return [line.split()[1] for line in self._lines()[since:] if line.startswith(word + " ")]


class FaultBoard(_Reports, Board):
    """faults: those of the start. Later ones: arm()."""

    def __init__(self, faults=(), **options):
        super().__init__(**options)
        self.control, self.report = self.folder / "control", self.folder / "report"
        self.wrapper += [os.environ["FAILCALL"], str(self.control), str(self.report)]
        # LeakSanitizer traces, and a process has one tracer.
        self.environment = {"ASAN_OPTIONS": f"detect_leaks=0:log_path={self.findings}/asan"} | \
            self.environment
        self._write(faults, self.control)

    def arm(self, faults=()):
        """From now on: what was reached is forgotten, these faults wait for their sites."""
        self._write(faults, self.control)
        before = self._lines().count("armed")
        tracer = next(int(line.split()[1]) for line in
                      pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines()
                      if line.startswith("TracerPid:"))
        os.kill(tracer, signal.SIGUSR1)
        wait_until(lambda: self._lines().count("armed") > before, "the tracer has read the faults")

    def _since_armed(self, word):
        lines = self._lines()
        return self._said(word, max(i for i, line in enumerate(lines) if line == "armed"))

    def reached(self):
        """Sites, in order, since arm() or the start."""
        return self._since_armed("site")

    def injected(self):
        """Sites of the faults that happened since arm() or the start."""
        return self._since_armed("failed")


class SuccessorBoard(_Reports, Board):
    """Under a keeper. Faults are for the next manager; if it dies of them, the one after has none."""

    def __init__(self):
        # Each death is the first: the next manager comes at once, and trusts the state.
        super().__init__(keeper=True, keeper_options=("--deaths", "32", "--settled", "1ms",
                                                      "--stuck", "1min"))
        self.next, self.report = self.folder / "next", self.folder / "report"
        taken, manager = self.folder / "taken", self.folder / "manager"
        manager.write_text(f"""#!/bin/sh
mv {self.next} {taken} 2> /dev/null || : > {taken}
exec {os.environ["FAILCALL"]} {taken} {self.report} {self.environment["REEVE_MANAGER"]} "$@"
""")
        manager.chmod(0o755)
        self.environment |= {
            "REEVE_MANAGER": str(manager),
            "ASAN_OPTIONS": f"detect_leaks=0:log_path={self.findings}/asan"}
        self._mark = 0

    def succeed(self, faults=()):
        """Kills the manager; its successor meets these faults."""
        self._write(faults, self.next)
        self._mark = len(self._lines())
        self.kill_manager()

    def reached(self):
        """Sites, in order, since succeed()."""
        return self._said("site", self._mark)

    def injected(self):
        return self._said("failed", self._mark)
