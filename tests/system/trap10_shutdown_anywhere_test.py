# ctest: label=system timeout=300
"""Trap 10: shutdown in the middle of something. In every type and state: it ends within the
deadline, in reverse order, and leaves nothing."""
import time
from signal import SIGINT, SIGTERM

from harness import BoardTest, main, scaled

TYPES = ("simple", "exec", "notify", "forking", "oneshot", "idle")
STOP = 0.5  # seconds, stop-timeout of each unit
LIMIT = 10 * 2 * STOP + 5  # s; two units deep, times are judged tenfold


def commands(kind):
    """What a service of this type runs to come up and stay there."""
    if kind == "notify":
        return ["/bin/sh", "-c", "systemd-notify --ready; exec sleep 1000"]
    if kind == "forking":
        return ["/bin/sh", "-c", "sleep 1000 & exit 0"]
    if kind == "oneshot":
        return ["/bin/true"]
    return ["/bin/sleep", "1000"]


def quoted(words):
    return "[" + ", ".join(f"'''{w}'''" for w in words) + "]"


class ShutdownAnywhere(BoardTest):
    def service(self, b, kind, lines="", unit="", command=None, stop=STOP):
        more = "remain-after-exit = true\ndaemonic = true\n" if kind == "oneshot" else ""
        access = "notify-access = 'all'\n" if kind == "notify" else ""
        command = quoted(command or commands(kind))
        b.unit(kind, f"""
            [unit]
            requires = ["base"]
            {unit}
            [service]
            type = "{kind}"
            command = {command}
            stop-timeout = "{int(stop * 1000)}ms"
            {more}{access}{lines}
            """)

    def shut_down(self, state, signal, make):
        """A board with a unit of each type in `state`; then the signal."""
        b = self.board()
        b.shell("base", f"trap '{b.note('base goes')}; exit 0' TERM; {b.note('base ready')}; "
                        "while :; do sleep 0.05; done")
        for kind in TYPES:
            make(b, kind)
        b.target(*TYPES)
        b.start()
        self.wait_until(b.trace, "base is ready")
        self.reach(b, state)
        begun = time.monotonic()
        b.signal(signal)
        self.assertEqual(b.wait_exit(LIMIT), 0)
        took = time.monotonic() - begun
        self.assertLess(took, LIMIT)
        self.assertEqual(b.trace()[-1], "base goes", "what required it went first")
        b.stop()
        self.assertEqual(b.check_remains(), [])

    def reach(self, b, state):
        def there():
            states = b.states()
            return all(states[kind] == state for kind in TYPES)
        if state == "stopping":
            for kind in TYPES:
                b.wait_state(kind, "up")
            for kind in TYPES:
                b.ask("Stop", kind)
        if state == "reloading":
            for kind in TYPES:
                b.wait_state(kind, "up")
                b.ask("Reload", kind)
        self.wait_until(there, lambda: f"all are {state}\n{b.overview()}")

    def every_signal(self, state, make):
        for round_ in range(scaled(1, 10)):
            for signal in (SIGTERM, SIGINT):
                with self.subTest(state=state, signal=signal):
                    self.shut_down(state, signal, make)

    def test_waiting(self):
        self.every_signal("waiting", lambda b, kind: self.service(
            b, kind, unit="gate = ['event:never']"))

    def test_starting_in_start_pre(self):
        self.every_signal("starting", lambda b, kind: self.service(
            b, kind, "start-pre = [['/bin/sleep', '1000']]"))

    def test_starting_in_start_post(self):
        self.every_signal("starting", lambda b, kind: self.service(
            b, kind, "start-post = ['/bin/sleep', '1000']"))

    def test_starting_and_deaf_to_term(self):
        deaf = "start-pre = [['/bin/sh', '-c', '''trap \"\" TERM; while :; do sleep 1; done''']]"
        self.every_signal("starting", lambda b, kind: self.service(b, kind, deaf))

    def test_up(self):
        self.every_signal("up", self.service)

    def test_reloading(self):
        self.every_signal("reloading", lambda b, kind: self.service(
            b, kind, "reload = ['/bin/sleep', '1000']"))

    def test_stopping_with_a_stop_command_that_hangs(self):
        # The first is to be at it still when the last has been asked.
        self.every_signal("stopping", lambda b, kind: self.service(
            b, kind, "stop = ['/bin/sleep', '1000']", stop=6 * STOP))

    def test_backoff(self):
        self.every_signal("backoff", lambda b, kind: self.service(
            b, kind, "restart = 'always'\nbackoff = { first = '1h', max = '1h' }",
            command=["/bin/false"]))

    def test_failed(self):
        self.every_signal("failed", lambda b, kind: self.service(
            b, kind, "restart = 'no'", command=["/bin/false"]))

    def test_deep_chain_with_a_stop_that_fails(self):
        """A stop command that fails, in the middle of a chain, ends nothing else early."""
        b = self.board()
        names = [f"u{n}" for n in range(scaled(5, 50))]
        for before, name in zip((None, *names), names):
            b.shell(name, f"trap '{b.note(name)}; exit 0' TERM; touch {b.data}/{name}; "
                          "while :; do sleep 0.05; done",
                    unit=f"requires = ['{before}']" if before else "",
                    service="stop = ['/bin/false']")
        b.target(names[-1])
        b.start()
        self.wait_until(lambda: all((b.data / n).exists() for n in names), b.overview)
        b.stop()
        self.assertEqual(b.trace(), names[::-1])


if __name__ == "__main__":
    main()
