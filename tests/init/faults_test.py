"""Each system call of the keeper fails once: it goes on, says so, and loses nothing."""
# ctest: label=system timeout=180

import errno
import os
import signal
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "support"))
from keeper import CHECKED, Keeper  # noqa: E402

ERRORS = (errno.ENOMEM, errno.EMFILE, errno.ENOSPC, errno.EINTR, errno.EAGAIN, errno.EIO)
# Here nothing is lost that anybody would miss: there is another way, or a second try.
SILENT = ("prlimit", "getrlimit", "mlock", "setsid", "poll", "dup3")


def story(keeper):
    """A life with all that a keeper does. Returns how a child's end came through."""
    manager = keeper.manager()
    manager.ask("back")
    manager.ask("keep", 1, "x")
    manager.ask("keep", 2, "y")
    manager.ask("keep", 2, "z")
    child = keeper.spawn(manager, "spawn", 0, 7)
    stray = keeper.spawn(manager, "stray", 5)
    manager.ask("ready")
    manager.kill()
    manager = keeper.manager()
    os.kill(child, signal.SIGUSR1)
    slot = manager.ask("exit-of", 0)
    os.kill(stray, signal.SIGUSR1)
    ring = manager.ask("unplaced", 1).split()[:2]
    back = manager.ask("back")
    manager.ask("ready")
    os.kill(keeper.pid, signal.SIGHUP)
    heard = manager.ask("signal")
    manager.ask("ended", 9)
    manager.tell("exit", 0)
    return slot, ring == [str(stray), "5"], back, heard, keeper.code()


class Faults(unittest.TestCase):
    def test_each_call_fails_once(self):
        sites, at = [], 0
        errors = ERRORS if os.environ.get("REEVE_LONG") else None
        while not sites or sites[-1]:
            at += 1
            for error in errors or (ERRORS[at % len(ERRORS)],):
                fault = {"REEVE_FAULT_AT": str(at), "REEVE_FAULT_ERRNO": str(error)}
                with self.subTest(at=at, error=errno.errorcode[error]), \
                        Keeper("--deaths", "32", program=CHECKED, environment=fault) as keeper:
                    seen = story(keeper)
                    lines = keeper.said().splitlines()
                    failed = [line[7:] for line in lines if line.startswith("fault: ")]
                    sites.append(failed)  # the keeper's, and that of a child which counts on
                    self.assertEqual(seen, ("7", True, "1=x 2=z", "1", 9), failed)
                    passing = error in (errno.EINTR, errno.EAGAIN)
                    # The first three ask whether there are standard descriptors.
                    if failed and at > 3 and not passing and failed[0] not in SILENT:
                        told = any("cannot" in line for line in lines)
                        # It was that line which could not be written.
                        lost = failed == ["write"] and not any("killed by" in e for e in lines)
                        self.assertTrue(told or lost, (failed, lines))
        names = {name for failed in sites for name in failed}
        print(f"keeper: {at - 1} calls, {len(names)} functions, {len(sites)} faults, "
              f"{sum(bool(failed) for failed in sites)} injected")
        self.assertGreater(at, 80)
        for name in ("_Fork", "socketpair", "waitid", "recvmsg", "sendmsg", "ppoll", "mmap", "read"):
            self.assertIn(name, names)


if __name__ == "__main__":
    unittest.main(verbosity=2)
