# ctest: label=system timeout=900
"""The manager is killed at every store into the state that outlives it, each time it is reached in
one scripted run, and nothing is lost."""
import collections
import itertools
import mmap
import os
import pathlib
import re
import struct

from harness import BoardTest, main, scaled
from harness.remains import descriptors

SOURCE = pathlib.Path(__file__).parents[2]
# Each point this many times: the first, the second … that it is reached.
TIMES = scaled(2, 40)
STATES = {"ready": "down", "crashes": "down", "fd": "down", "steady": "up", "ends": "failed"}


def points():
    """name -> number, as the source has them; without those that the tests of logs die at."""
    text = (SOURCE / "hal/posix/crash_point.hpp").read_text()
    names = re.findall(r"^    (\w+)(?: = 1)?,", text.split("enum class CrashPoint")[1].split("}")[0],
                       re.MULTILINE)
    assert names[-1] == "end"
    return {name: number + 1 for number, name in enumerate(names[:-1])
            if not name.startswith("log_")}


def offset_of(field):
    """Of a field of Header, all before it being as they are in layout.hpp."""
    sizes = {"std::uint64_t": 8, "std::uint32_t": 4, "std::int32_t": 4}
    text = (SOURCE / "daemon/init/layout.hpp").read_text().split("struct Header {")[1]
    at = 0
    for kind, names in re.findall(r"^    (std::u?int\d+_t) ([\w, ]+);", text, re.MULTILINE):
        for name in names.split(", "):
            if name == field:
                return at
            at += sizes[kind]
    raise KeyError(field)


class Orders:
    """Where the keeper's state says at which point the manager kills itself."""

    def __init__(self, keeper):
        state = next(fd for fd, what in descriptors(keeper).items() if "memfd:reeve" in what)
        with open(f"/proc/{keeper}/fd/{state}", "r+b", buffering=0) as file:
            self.memory = mmap.mmap(file.fileno(), 8192)
        self.at = offset_of("kill_at")

    def kill(self, point, skip):
        self.memory[self.at:self.at + 8] = struct.pack("=ii", -1, skip)
        self.memory[self.at:self.at + 4] = struct.pack("=i", point)

    def is_pending(self):
        return struct.unpack("=i", self.memory[self.at:self.at + 4])[0] != -1

    def forget(self):
        self.memory[self.at:self.at + 4] = struct.pack("=i", -1)


class CrashPoints(BoardTest):
    numbers = itertools.count()
    rounds = collections.defaultdict(itertools.count)

    def test_every_point_of_a_run(self):
        b = self.board(keeper=True, keeper_options=("--within", "1ms"))
        began = f'echo "began $REEVE_UNIT $REEVE_RUN" >> {b.data}/trace'
        b.shell("steady", f"{began}; exec sleep 1000")
        b.shell("crashes", f"{began}; echo words; exit $((REEVE_RUN % 100 + 1))",
                service="backoff = { first = '10ms', factor = 1.0 }")
        b.shell("ends", f"{began}; exit $((REEVE_RUN % 100 + 1))", service="restart = 'no'")
        b.shell("ready", f"{began}; systemd-notify --ready --status=fine; echo words; "
                         "exec sleep 1000",
                service="type = 'notify'\nnotify-access = 'all'\nstop = ['/bin/true']",
                unit="after = ['steady']", more="[hal]\nlease = ['lock']\n")
        b.shell("fd", f"{began}; echo >&5; exec sleep 1000",
                service="type = 'notify'\nready-fd = 5")
        b.unit("lock", "[device]\nclass = 'semaphore'\n")
        b.target("steady")
        b.start()
        if not b.stats()["crash_points"]:
            self.skipTest("this reeved was built without crash points")
        b.wait_state("steady", "up")
        orders = Orders(b.pid)
        reached = {name: 0 for name in points()}
        for name, point in points().items():
            for skip in range(TIMES):
                manager = b.manager
                orders.kill(point, skip)
                with self.subTest(point=name, skip=skip):
                    self.script(b)
                if orders.is_pending():  # it was not reached so often
                    orders.forget()
                    break
                self.assertNotEqual(b.manager, manager)
                reached[name] += 1
        self.assertFalse([name for name, times in reached.items() if times == 0], reached)
        self.assertEqual(b.trace().count(f"began steady {b.run('steady')}"), 1)
        self.assertEqual(sum(line.startswith("began steady") for line in b.trace()), 1)
        print(f"killed at {sum(reached.values())} points: {reached}", flush=True)

    def test_a_set_is_taken_over_once(self):
        """Also one that is asked for by `rollback`, which twice were back again; and an apply that
        changes nothing leaves the set that is gone back to."""
        b = self.board(keeper=True, keeper_options=("--within", "1ms"))
        b.shell("edited", "exec sleep 1000")
        b.target("edited")
        b.start()
        if not b.stats()["crash_points"]:
            self.skipTest("this reeved was built without crash points")
        b.shell("edited", "exec sleep 2000")
        b.ctl("apply")
        orders = Orders(b.pid)
        asked = ("apply", "rollback")
        words = {True: "2000", False: "1000"}
        newer, reached = True, dict.fromkeys(asked, 0)
        for name in ("event_recorded", "action_begun", "action_done", "event_done",
                     "note_recorded", "snapshot_written", "snapshot_counts", "snapshot_taken"):
            for verb, skip in itertools.product(asked, range(scaled(3, 40))):
                with self.subTest(point=name, verb=verb, skip=skip):
                    if verb == "apply" and not newer:
                        b.ctl("rollback")
                        newer = True
                    orders.kill(points()[name], skip)
                    b.ctl(verb)
                    reached[verb] += not orders.is_pending()
                    orders.forget()
                    newer = not newer if verb == "rollback" else newer
                    self.assertIn(words[newer], b.patient(lambda: b.ctl("show", "edited").out))
                    self.assertEqual("rolled back" in b.ctl("status", code=None).out, not newer)
                    plan = b.ctl("rollback", "--dry-run").out
                    self.assertIn(words[not newer], plan)
        self.assertTrue(all(reached.values()), reached)

    def script(self, b):
        """What is asked is done once, whatever happens to the manager meanwhile."""
        b.ctl("start", "ends")
        self.wait_until(lambda: b.patient(lambda: b.state("ends")) == "failed", b.overview)
        told, run = b.patient(lambda: (b.get("ends", "Code"), b.run("ends")))
        self.assertEqual(told, run % 100 + 1, "how it ended")
        b.ctl("start", "ready")
        b.ctl("start", "crashes", "fd")
        before = b.patient(lambda: b.starts("crashes"))
        self.wait_until(lambda: b.patient(lambda: b.starts("crashes")) > before + 1, b.overview)
        b.ctl("event", "set", "word")
        b.shell("changes", f"# {next(self.numbers)}")
        b.ctl("apply")
        b.ctl("stop", "ready", "crashes", "fd")
        b.ctl("event", "clear", "word")
        self.assertEqual({n: s for n, s in b.patient(b.states).items() if n in STATES}, STATES)
        for unit in ("ready", "crashes", "fd", "ends"):
            runs = [line for line in b.trace() if line.startswith(f"began {unit} ")]
            self.assertEqual(len(runs), len(set(runs)), "a run began twice")
            silent = b.patient(lambda: b.starts(unit)) - len(runs)
            # The last of each round may be stopped before it could write.
            self.assertIn(silent, range(next(self.rounds[unit]) + 2), "starts nobody made")


if __name__ == "__main__":
    main()
