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
         "fcntl:dup", "getdents64", "ftruncate", "accept4"}
# Functions that do without what they could not have, in silence.
_SILENT_PLACES = ("look_whether_born", "can_bear", "can_be_born_in",  # the usual is assumed
                  "sd_event_source",  # sd-event, at the end of a source
                  "grow_table", "has_descriptors_to_spare", "~FdWindow",
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
    "socketpair": _DESCRIPTOR, "listen": (), "connect": ("EAGAIN", "ENOMEM", "EINTR"),
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
    if fault.error in _TRIED_AGAIN or not {call, call.split(":")[0]} & _TOLD:
        return False
    return not any(name in place(fault.site) for name in _SILENT_PLACES)


def is_open_defect(site):
    """A watch of a cgroup or a pidfd that is refused leaves its unit in killing for ever: the end
    is never seen. To be mended in containment and children."""
    return site.startswith("epoll_ctl") and "Loop::watch" in place(site)


class Fault:
    """The `call`-th call at `site` fails with `error` (a name)."""

    def __init__(self, site, error, call=1):
        self.site, self.error, self.call = site, error, call
        self.tries = [False, True]  # further ones, when others have kept it from being reached

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


class FaultBoard(Board):
    """faults: those of the start. Later ones: arm()."""

    def __init__(self, faults=(), **options):
        super().__init__(**options)
        self._control, self._report = self.folder / "control", self.folder / "report"
        self.wrapper += [os.environ["FAILCALL"], str(self._control), str(self._report)]
        # LeakSanitizer traces, and a process has one tracer.
        self.environment = {"ASAN_OPTIONS": f"detect_leaks=0:log_path={self.findings}/asan"} | \
            self.environment
        self._write(faults)

    def _write(self, faults):
        self._control.write_text("".join(
            f"{f.site} {getattr(errno, f.error)} {f.call}\n" for f in faults))

    def _lines(self):
        return self._report.read_text().splitlines() if self._report.exists() else []

    def arm(self, faults=()):
        """From now on: what was reached is forgotten, these faults wait for their sites."""
        self._write(faults)
        before = self._lines().count("armed")
        tracer = next(int(line.split()[1]) for line in
                      pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines()
                      if line.startswith("TracerPid:"))
        os.kill(tracer, signal.SIGUSR1)
        wait_until(lambda: self._lines().count("armed") > before, "the tracer has read the faults")

    def _since_armed(self, word):
        lines = self._lines()
        last = max(i for i, line in enumerate(lines) if line == "armed")
        return [line.split()[1] for line in lines[last:] if line.startswith(word + " ")]

    def reached(self):
        """Sites, in order, since arm() or the start."""
        return self._since_armed("site")

    def injected(self):
        """Sites of the faults that happened since arm() or the start."""
        return self._since_armed("failed")
