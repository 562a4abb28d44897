# ctest: label=system timeout=300
"""The manager is killed at random moments under load: no service is restarted or signalled for it,
no start doubled, no exit lost, no line lost or doubled."""
import collections
import os
import random
import re
import signal
import time

from harness import BoardTest, main, scaled

SERVICES, KILLS = scaled((40, 40), (200, 500))
TALKERS = 4


class KillStorm(BoardTest):
    """Of the services a third crashes again and again, with a code that its run gives; the others
    stay. Truth is what the services wrote themselves."""

    def setUp(self):
        super().setUp()
        self.seed = int(os.environ.get("REEVE_SEED", random.randrange(1 << 30)))
        self.random = random.Random(self.seed)

    def storm(self, **options):
        b = self.board(keeper=True, keeper_options=("--within", "1ms"), **options)
        # No shell builtin tells pids of its own faster than $$.
        began = f'echo "began $REEVE_UNIT $REEVE_RUN $$" >> {b.data}/trace'
        names = [f"s{i:03}" for i in range(SERVICES)]
        crash = set(names[::3])
        for name in names:
            if name in crash:
                script = (f"{began}; sleep 0.0$((REEVE_RUN % 7)); "
                          f'echo "ends $REEVE_UNIT $REEVE_RUN" >> {b.data}/trace; '
                          "exit $((REEVE_RUN % 100 + 1))")
            else:
                script = (f"trap 'echo \"told $REEVE_UNIT $REEVE_RUN\" >> {b.data}/trace; exit 0' TERM "
                          f"HUP INT USR1 USR2; {began}; while :; do sleep 1000 & wait; done")
            b.shell(name, script, service="backoff = { first = '20ms', factor = 1.0 }\n"
                                          "restart = 'always'")
        for i in range(TALKERS):
            b.shell(f"talks{i}", "i=0; while :; do echo line $i.; i=$((i + 1)); sleep 0.002; done",
                    more="[log]\nto = ['file']\nmax-size = '64MiB'\n")
        b.target(*names, *(f"talks{i}" for i in range(TALKERS)))
        b.start()
        for name in set(names) - crash:
            b.wait_state(name, "up")
        return b, sorted(crash), sorted(set(names) - crash)

    def kill_many(self, b, steady):
        waiting = b.ctl_begin("wait", steady[0])
        back = []
        for _ in range(KILLS):
            time.sleep(self.random.random() * 0.05)  # the moment is the test
            verb, unit = self.random.choice(("stop", "start")), f"talks{TALKERS - 1}"
            asked = b.ctl_begin(verb, unit) if self.random.random() < 0.2 else None
            begun = time.monotonic()
            b.kill_manager()
            back.append(time.monotonic() - begun)
            if asked:
                out, err = asked.communicate(timeout=120)
                self.assertEqual(asked.returncode, 0, out + err)
        self.assertIsNone(waiting.poll(), "a client that waits still waits")
        waiting.terminate()
        waiting.communicate()
        back.sort()
        print(f"killed {KILLS} times, {SERVICES} services; serves again after "
              f"{back[len(back) // 2] * 1e3:.1f} ms (median), {back[-1] * 1e3:.1f} ms (worst), "
              "as a client sees it", flush=True)

    def judge(self, b, crash, steady):
        for name in crash:
            b.ask("Stop", name)
        for name in crash:
            b.wait_state(name, "down")
        began, ended, told = (collections.defaultdict(list) for _ in range(3))
        for line in b.trace():
            word, unit, run = line.split()[:3]
            {"began": began, "ends": ended, "told": told}[word][unit].append(int(run))
        for name in steady:
            self.assertEqual((len(began[name]), told[name]), (1, []), f"{name} was disturbed")
            self.assertEqual(b.state(name), "up")
        for name in crash:
            runs = began[name]
            self.assertEqual(sorted(set(runs)), runs, f"{name}: a run began twice")
            self.assertEqual(len(runs), b.starts(name), f"{name}: starts that nobody made")
            self.assertGreater(len(runs), 2, "it does crash")
        # Every end that a unit came to by itself was seen, with its code.
        seen = re.findall(r"unit (s\d+): (?:up|starting) -> backoff \(exit code (\d+)\)", b.log())
        self.assertNotIn("unknown", b.log())
        return sum(len(r) for r in ended.values()), len(seen)

    def judge_lines(self, b):
        for i in range(TALKERS - 1):
            name = f"talks{i}"
            b.ctl("stop", name)
            text = (b.runtime / "log" / name / "current").read_text()
            told = [int(n) for n in re.findall(r"line (\d+)\.", text)]
            self.assertEqual(told, list(range(len(told))), f"{name}: lines lost or doubled")
            self.assertGreater(len(told), 20)

    def test_killed_under_load(self):
        b, crash, steady = self.storm()
        try:
            self.kill_many(b, steady)
            self.judge(b, crash, steady)
            self.judge_lines(b)
        except AssertionError as error:
            raise AssertionError(f"REEVE_SEED={self.seed}: {error}") from error


if __name__ == "__main__":
    main()
