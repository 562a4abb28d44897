# ctest: label=system timeout=300
"""The manager is killed, or gives way, at random moments under load: no service is restarted or
signalled for it, no start doubled, no exit code lost, no line lost or doubled."""
import collections
import os
import random
import re
import signal
import time

from harness import BoardTest, main, scaled

SERVICES, KILLS, REEXECS = scaled((40, 40, 10), (200, 500, 100))
BACKOFF = "20ms"  # at full scale some thousand crashes a second in all, on two cores
WAITS = 5
TALKERS = 4


class KillStorm(BoardTest):
    """Of the services a third crashes again and again, with a code that its run gives; some of them
    have a stop-post, which notes the code that the manager knows. The others stay. Truth is what
    the services wrote themselves."""

    def setUp(self):
        super().setUp()
        self.seed = int(os.environ.get("REEVE_SEED", random.randrange(1 << 30)))
        self.random = random.Random(self.seed)

    def storm(self, **options):
        b = self.board(keeper=True, keeper_options=("--within", "1ms"), **options)
        # No shell builtin tells pids of its own faster than $$.
        began = f'echo "began $REEVE_UNIT $REEVE_RUN $$" >> {b.data}/trace'
        names = [f"s{i:03}" for i in range(SERVICES)]
        crash, tells = set(names[::3]), set(names[::12])
        for name in names:
            if name in crash:
                script = (f"trap '' TERM; {began}; sleep 0.0$((REEVE_RUN % 7)); "
                          f'echo "ends $REEVE_UNIT $REEVE_RUN" >> {b.data}/trace; '
                          "exit $((REEVE_RUN % 100 + 1))")
            else:
                script = (f"trap 'echo \"told $REEVE_UNIT $REEVE_RUN\" >> {b.data}/trace; exit 0' TERM "
                          f"HUP INT USR1 USR2; {began}; while :; do sleep 1000 & wait; done")
            post = (f"stop-post = [['/bin/sh', '-c', 'echo post $REEVE_UNIT $REEVE_RUN $EXIT_CODE "
                    f"$EXIT_STATUS >> {b.data}/trace']]\n" if name in tells else "")
            b.shell(name, script, service=f"backoff = {{ first = '{BACKOFF}', factor = 1.0 }}\n"
                                          "restart = 'always'\n" + post)
        for i in range(TALKERS):
            b.shell(f"talks{i}", "i=0; while :; do echo line $i.; i=$((i + 1)); sleep 0.002; done",
                    more="[log]\nto = ['file']\nmax-size = '64MiB'\n")
        b.target(*names, *(f"talks{i}" for i in range(TALKERS)))
        b.start()
        for name in set(names) - crash:
            b.wait_state(name, "up")
        return b, sorted(crash), sorted(set(names) - crash)

    def often(self, b, count, end):
        """Ends the manager again and again with `end`, while clients ask for this and that."""
        back = []
        for number in range(count):
            if number % 8 == 7:  # who finds nobody for 30 s gives up; a slow machine gets there
                self.wait_until(lambda: b.patient(b.stats)["clients"] > WAITS, b.overview)
            time.sleep(self.random.random() * 0.05)  # the moment is the test
            verb, unit = self.random.choice(("stop", "start")), f"talks{TALKERS - 1}"
            asked = b.ctl_begin(verb, unit) if self.random.random() < 0.2 else None
            begun = time.monotonic()
            end()
            back.append(time.monotonic() - begun)
            if asked:
                out, err = asked.communicate(timeout=120)
                self.assertEqual(asked.returncode, 0, out + err)
        back.sort()
        print(f"{count} times, {SERVICES} services; serves again after "
              f"{back[len(back) // 2] * 1e3:.1f} ms (median), {back[-1] * 1e3:.1f} ms (worst), "
              "as a client sees it", flush=True)

    def judge(self, b, crash, steady):
        for name in crash:
            b.ask("Stop", name)
        for name in crash:
            b.wait_state(name, "down")
        began, ended, told, posts = (collections.defaultdict(list) for _ in range(4))
        for line in b.trace():
            word, unit, run, *rest = line.split()
            if word == "post":
                posts[unit].append((int(run), *rest))
            else:
                {"began": began, "ends": ended, "told": told}[word][unit].append(int(run))
        for name in steady:
            self.assertEqual((len(began[name]), told[name]), (1, []), f"{name} was disturbed")
            self.assertEqual(b.state(name), "up")
        for name in crash:
            runs = began[name]
            self.assertEqual(sorted(set(runs)), runs, f"{name}: a run began twice")
            unsaid = b.run(name) not in runs and self.stopped_at_once(b, name)
            self.assertEqual(len(runs) + unsaid, b.starts(name), f"{name}: starts that nobody made")
            self.assertGreater(len(runs), 2, "it does crash")
        self.judge_codes(b, crash, ended, posts)

    def stopped_at_once(self, b, name):
        """Did the stop at the end come before the first line of the last run: by a signal, or, with
        neither signal nor code, before it was a process? Who ends by itself gives a code."""
        return int(b.get(name, "Code")) == 0 and int(b.get(name, "Signal")) in (0, signal.SIGTERM)

    def judge_codes(self, b, crash, ended, posts):
        """Each end is known, with the code that the run gave itself."""
        code = lambda run: run % 100 + 1
        for name in crash:
            last = b.run(name)
            if last not in ended[name]:  # stopped before it came to its first line
                continue
            self.assertEqual((int(b.get(name, "Code")), int(b.get(name, "Signal"))),
                             (code(last), 0), f"{name}: the end of run {last}")
        self.assertTrue(any(posts.values()), "some tell of each end")
        for name, told in posts.items():
            # A command that was under way when the manager died is not begun again.
            of_ends = [each for each in told if each[0] in ended[name]]
            self.assertEqual(of_ends, [(run, "exited", str(code(run))) for run in ended[name]],
                             f"{name}: ends as the manager knows them")
        self.assertNotIn("unknown", b.log())

    def judge_waits(self, b, waits):
        """Those who have waited all the time hear of the end in the end."""
        for unit, client in waits.items():
            self.assertIsNone(client.poll(), f"who waits for {unit} still waits: "
                                             f"{client.poll() and client.communicate()}")
        for unit, client in waits.items():
            b.ctl("stop", unit)
            out, err = client.communicate(timeout=60)
            self.assertEqual((client.returncode, unit in out), (0, True), out + err)

    def judge_lines(self, b):
        for i in range(TALKERS - 1):
            name = f"talks{i}"
            b.ctl("stop", name)
            text = (b.runtime / "log" / name / "current").read_text()
            told = [int(n) for n in re.findall(r"line (\d+)\.", text)]
            self.assertEqual(told, list(range(len(told))), f"{name}: lines lost or doubled")
            self.assertGreater(len(told), 20)

    def survives(self, count, end):
        b, crash, steady = self.storm()
        waits = {unit: b.ctl_begin("wait", unit) for unit in steady[:WAITS]}
        try:
            self.often(b, count, lambda: end(b))
            self.judge(b, crash, steady)
            self.judge_lines(b)
            self.judge_waits(b, waits)
        except AssertionError as error:
            raise AssertionError(f"REEVE_SEED={self.seed}: {error}") from error
        finally:
            for client in waits.values():
                client.kill()
                client.communicate()

    def test_killed_under_load(self):
        self.survives(KILLS, lambda b: b.kill_manager())

    def test_gives_way_under_load(self):
        def give_way(b):
            old = b.manager
            b.ctl("reexec")
            self.assertNotEqual(b.patient(lambda: b.stats() and b.manager), old)

        self.survives(REEXECS, give_way)


if __name__ == "__main__":
    main()
