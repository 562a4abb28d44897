# ctest: label=system timeout=120
"""Each system call that the manager makes fails once: it goes on, says so, and what it says is true."""
import collections
import os
import pathlib
import re
import signal
import subprocess
import time
import unittest

import dbus

from harness import LONG, BoardTest, main, needs_root, scaled, wait_until
from harness.faults import Fault, FaultBoard, errors_of, is_open_defect, is_told
from harness.remains import descriptors

UNTIL = "a unit whose cgroup cannot be watched or read once stays in killing: at full scale alone"
SETTLES = 15  # s; a start that cannot be made ends after 4 s, a kill waits for 1 s
SERVICES = ("plain", "notify", "forking", "gated", "crashes")


class Story:
    """A board of one unit of each type, and what is done with it in a cycle."""

    def __init__(self, board):
        self.b = b = board
        common = "stop-timeout = '1s'\nstart-timeout = '4s'\nbackoff = { first = '50ms', max = '50ms' }\n"
        file = "[log]\nto = ['file']\n"
        b.shell("plain", "echo hello; exec sleep 1000", service=common)
        b.shell("notify", "systemd-notify --ready; echo up; exec sleep 1000", more=file,
                service=common + "type = 'notify'\nnotify-access = 'all'")
        b.shell("forking", f"sleep 1000 & echo $! > {b.data}/pid", service=common +
                f"type = 'forking'\npid-file = '{b.data}/pid'\n")
        b.shell("gated", "exec sleep 1000", service=common, unit="gate = ['event:go']")
        b.shell("crashes", "sleep 0.05; exit 3", service=common)
        b.shell("once", "echo done", service="type = 'oneshot'\nstart-timeout = '4s'")
        self.change(0)
        b.target("plain")
        self.turn, self.told = 0, []

    def change(self, turn):
        self.b.shell("changed", f"exec sleep {1000 + turn}",
                     service="stop-timeout = '1s'\nstart-timeout = '4s'")

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
            raise AssertionError(f"reeved ended with {b.process.returncode}")
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
        end = time.monotonic() + SETTLES
        while wrong := self.untrue():
            if time.monotonic() > end:
                raise AssertionError(f"not true {when}: {wrong}\n{self.b.log()[-3000:]}")
            time.sleep(0.02)

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
        re.sub("reeve-[^/]*|/proc/[0-9]+", "", re.sub(r"\[[0-9]+\]", "", target))
        for target in descriptors(board.pid).values()
        if target != "/dev/null")  # one is kept, to drop logs into


@needs_root  # processes are found by their cgroup
class Faults(BoardTest):
    """Several faults at a time; with REEVE_LONG one at a time, at three occurrences of each site."""

    def story(self, faults=()):
        board = FaultBoard(faults)
        self._boards.append(board)
        return Story(board)

    def faults_of(self, sites):
        """At CI's scale one error a site, of which the likeliest come first."""
        faults = []
        for number, site in enumerate(dict.fromkeys(sites)):
            if is_open_defect(site):
                continue
            errors = errors_of(site)
            if LONG:
                faults += [Fault(site, error, call) for error in errors for call in (1, 2, 3)]
            elif errors:
                faults.append(Fault(site, errors[number % len(errors)]))
        return faults

    def group_of(self, faults):
        """The next few faults, of which those that are told have different messages."""
        group, told = [], set()
        for fault in faults:
            if len(group) == scaled(12, 1):
                break
            if is_told(fault) and fault.error in told:
                continue
            told |= {fault.error} if is_told(fault) else set()
            group.append(fault)
        return group

    def check_told(self, faults, injected, said):
        for fault in faults:
            if fault.site not in injected or not is_told(fault):
                continue
            wait_until(lambda: any(text in said() for text in fault.texts),
                       lambda: f"silent: {fault}\n{said()[-1500:]}", deadline=3)

    def report(self, name, sites, faults, injected):
        print(f"{name}: {len(set(sites))} sites, {len(faults)} faults, {injected} injected")

    def run_groups(self, name, sites, once):
        """All groups are tried before the test fails."""
        faults, problems, injected = self.faults_of(sites), [], 0
        left = list(faults)
        while left:
            group = self.group_of(left)
            left = [fault for fault in left if fault not in group]
            try:
                happened = once(group)
                injected += len(happened)
                if happened and not LONG:  # one may have kept the others from being reached
                    left += [f for f in group if f.site not in happened and f.tries.pop()]
            except (AssertionError, OSError, subprocess.SubprocessError,
                    dbus.exceptions.DBusException) as error:
                problems.append(f"{str(error)[:3000]}\nof {'; '.join(map(str, group))}")
        self.report(name, sites, faults, injected)
        self.assertFalse(problems, f"{len(problems)} of them\n" + "\n\n".join(problems))
        self.assertGreater(injected, len(faults) // scaled(3, 8))

    def close(self, board):
        """As at the end of a test."""
        try:
            board.stop()
            problems = board.check_remains()
        finally:
            self._boards.remove(board)
            board.remove()
        self.assertFalse(problems)

    def test_of_the_start(self):
        def once(faults):
            story = self.story(faults)
            board = story.b
            try:
                try:
                    board.start()
                except AssertionError:
                    if board.process.poll() != 1:
                        raise  # it may say that it cannot start, and nothing else
                else:
                    story.wait_true("after the start")
                    board.stop()
                injected = board.injected()
                if board.process.returncode == 0:
                    self.check_told(faults, injected, board.log)
                elif not any(site.startswith("write:file") for site in injected):
                    # One of them has ended it, and what it said was not lost to another.
                    self.assertTrue(any(t in board.log() for f in faults for t in f.texts),
                                    board.log())
                self.assertFalse(board.check_remains())
            finally:
                self._boards.remove(board)
                board.remove()
            return injected

        story = self.story().b.start()
        sites = story.reached()
        self.close(story)
        self.run_groups("start", sites, once)

    @unittest.skipUnless(LONG, UNTIL)
    def test_of_a_cycle(self):
        story, sites = self.fresh(), []
        for _ in range(2):
            story.b.arm()
            story.cycle()
            story.recover()
            sites += story.b.reached()
        held = kinds_of_descriptors(story.b)

        def once(faults):
            nonlocal story
            if story is None:
                story = self.fresh()
            board, mark = story.b, len(story.b.log())
            try:
                board.arm(faults)
                story.cycle()
                story.recover()
                wait_until(lambda: not (kinds_of_descriptors(board) - held),
                           lambda: f"leaked: {kinds_of_descriptors(board) - held}", deadline=10)
                injected = board.injected()
                self.check_told(faults, injected,
                                lambda: board.log()[mark:] + "\n".join(story.told))
            except Exception:
                self._boards.remove(board)
                board.remove()
                story = None
                raise
            return injected

        self.run_groups("cycle", sites, once)

    def fresh(self):
        story = self.story()
        story.b.start()
        story.cycle()  # what is made once and kept
        story.recover()
        return story

    @unittest.skipUnless(LONG, UNTIL)
    def test_of_the_end(self):
        def begin():
            story = self.story()
            story.b.start()
            story.b.ctl("start", "notify", "forking")
            return story.b

        def once(faults):
            board = begin()
            try:
                board.arm(faults)
                board.stop()
                injected = board.injected()  # what is told after the loop has ended, nobody reads
                kept = any(word in site for site in injected for word in ("unlink", "rmdir"))
                self.assertFalse([p for p in board.check_remains() if not kept or "left" not in p])
            finally:
                self._boards.remove(board)
                board.remove()
            return injected

        board = begin()
        board.arm()
        board.stop()
        sites = board.reached()
        self.run_groups("end", sites, once)


if __name__ == "__main__":
    main()
