# ctest: label=system timeout=300
"""A connection that is lost at any moment: reevectl asks again, and each request is done once."""
import contextlib
import os
import pathlib
import select
import signal
import socket
import threading
import time

from harness import BoardTest, main
from harness.remains import descriptors

MOMENTS = ("accepted", "asked", "acted", "answered")


def listen_at(path, *backlog):
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.bind(path)
    listening.listen(*backlog)
    return listening


class Proxy:
    """Stands before a manager, and loses one connection: when it is `accepted`, when the nth request
    was read and not handed on (`asked`), when its answer has come and was not handed on (`acted`), or
    with its answer, so that the next request cannot even be sent (`answered`)."""

    def __init__(self, board, moment, nth=1):
        self.target, self.moment, self.left = str(board.socket), moment, nth
        self.path = str(board.folder / "proxy")
        self.lost = False
        self._listening = listen_at(self.path)
        self._stop, self._stopped = os.pipe()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        os.close(self._stopped)
        self._thread.join()
        os.close(self._stop)
        self._listening.close()
        os.unlink(self.path)

    def _serve(self):
        while self._stop not in (ready := select.select([self._listening, self._stop], [], [])[0]):
            assert ready
            client, _ = self._listening.accept()
            with client:
                if self._lose("accepted"):
                    continue
                with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as manager:
                    manager.connect(self.target)
                    with contextlib.suppress(ConnectionError):  # the client has what it wanted
                        self._relay(client, manager)

    def _lose(self, moment):
        if self.lost or moment != self.moment:
            return False
        self.left -= 1
        self.lost = self.left == 0
        return self.lost

    def _relay(self, client, manager):
        asked = False  # a request is on its way
        while True:
            ready, _, _ = select.select([client, manager, self._stop], [], [])
            for end in ready:
                if end == self._stop:
                    return
                data = end.recv(65536)
                if not data:
                    return
                if end is client and b"org.reeve1.Manager" in data:
                    asked = True
                    if self._lose("asked"):
                        return
                elif end is manager and asked:
                    asked = False
                    if self._lose("acted"):
                        return
                    if self._lose("answered"):
                        client.shutdown(socket.SHUT_RD)
                        client.sendall(data)
                        return
                (manager if end is client else client).sendall(data)


class Busy:
    """A machine too busy for its manager: connections are taken and lost again, until `free`; the
    next one is served."""

    def __init__(self, board):
        self.target, self.path = str(board.socket), str(board.folder / "busy")
        self.free, self.taken = False, 0
        self._listening = listen_at(self.path)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with self._listening:
            while not self.free:
                client, _ = self._listening.accept()
                self.taken += 1
                client.close()
            os.unlink(self.path)
            os.symlink(self.target, self.path)


class Mute:
    """A socket at which everybody hears `says`, and never more."""

    def __init__(self, board, says):
        self.path = str(board.folder / f"mute-{len(says)}")
        self._says = says
        self._listening = listen_at(self.path)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        clients = []
        while True:
            clients.append(self._listening.accept()[0])
            clients[-1].recv(1)
            clients[-1].sendall(self._says)


def has_socket(pid):
    return any(target.startswith("socket:") for target in descriptors(pid).values())


def pending_signals(pid):
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return any(int(line.split()[1], 16) for line in lines if line.startswith(("SigPnd", "ShdPnd")))


class Lost(BoardTest):
    def setUp(self):
        super().setUp()
        b = self.b = self.board()
        b.shell("web", "exec sleep 1000")
        b.shell("counts", b.note("ran"), service="type = 'oneshot'")
        b.shell("noisy", f"trap '{b.note('hup')}' HUP; {b.note('up')}; "
                         "while :; do sleep 0.02; done")
        b.start()

    def through(self, proxy, *words, code=0):
        return self.b.ctl("--socket", proxy.path, *words, code=code)

    def each(self, body, most=1):
        """`body(proxy)` for each moment at which a connection may be lost."""
        for moment in MOMENTS:
            for nth in range(1, 2 if moment == "accepted" else most + 1):
                with self.subTest(moment=moment, nth=nth):
                    with Proxy(self.b, moment, nth) as proxy:
                        body(proxy)
                        self.assertTrue(proxy.lost, "that many requests it did not make")

    def count(self, word):
        return self.b.trace().count(word)

    def test_restart(self):
        def restart(proxy):
            before = self.b.ctl("--json", "show", "web").json["units"][0]["run"]
            self.through(proxy, "restart", "web")
            after = self.b.ctl("--json", "show", "web").json["units"][0]["run"]
            self.assertEqual(after, before + 1)

        self.b.ctl("start", "web")
        self.each(restart)

    def test_start_of_what_ends(self):
        def start(proxy):
            before = self.count("ran")
            self.through(proxy, "start", "counts")
            self.assertEqual(self.count("ran"), before + 1)

        self.each(start)

    def test_a_signal(self):
        def hears(verb):
            before = self.count("up")
            self.b.ctl(verb, "noisy")
            self.wait_until(lambda: self.count("up") > before, self.b.overview)  # its trap is set

        def hang_up(proxy):
            before = self.count("hup")
            self.through(proxy, "kill", "-s", "HUP", "noisy")
            self.wait_until(lambda: self.count("hup") > before, self.b.overview)
            hears("restart")  # what came is noted by then
            self.assertEqual(self.count("hup"), before + 1)

        hears("start")
        self.each(hang_up)

    def test_run_and_wait(self):
        def run(proxy):
            before = self.count("job")
            self.through(proxy, "run", "--wait", "--", "/bin/sh", "-c",
                         self.b.note("job") + "; exit 7", code=7)
            self.assertEqual(self.count("job"), before + 1)
            self.assertNotIn("run-", self.b.ctl("list").out)

        self.each(run, most=3)  # Run, Wait, Forget

    def test_what_may_be_done_twice(self):
        for words in (["apply"], ["event", "set", "x"], ["event", "wait", "x"],
                      ["event", "clear", "x"], ["stop", "web"], ["list"], ["stats"]):
            self.each(lambda proxy, words=words: self.through(proxy, *words))

    def test_a_refusal_is_told_once_and_keeps_its_code(self):
        def refused(proxy):
            said = self.through(proxy, "start", "nobody", code=4)
            self.assertEqual(said.err.count("there is no unit nobody"), 1, said)

        self.each(refused)

    def test_a_time_out_is_told_as_such(self):
        self.b.shell("gated", "exec sleep 1000", unit="gate = ['event:go']")
        self.b.ctl("apply")
        self.each(lambda proxy: self.through(proxy, "start", "gated", "--timeout", "50ms",
                                             code=124))

    def test_patience_while_connections_are_taken(self):
        """As long as the request may take; 5 s are for when nobody takes any."""
        b, busy = self.b, Busy(self.b)
        b.ctl("start", "web")
        begun = time.monotonic()
        late = b.ctl_begin("--socket", busy.path, "start", "web", "--timeout", "1ms")
        waits = b.ctl_begin("--socket", busy.path, "wait", "web", "--timeout", "infinity")
        out, err = late.communicate(timeout=60)
        self.assertEqual((late.returncode, out), (125, ""), err)
        self.assertIn("does not answer", err)
        self.assertGreater(time.monotonic() - begun, 10, "it has 10 s more than the manager")
        self.assertIsNone(waits.poll(), "who waits for ever does")
        busy.free = True
        b.ctl("stop", "web")
        out, err = waits.communicate(timeout=60)
        self.assertEqual(waits.returncode, 128 + signal.SIGTERM, out + err)

    def test_who_takes_connections_and_does_not_answer(self):
        """Stopped before it lets somebody in, or after; and one who cannot even take a connection."""
        b = self.b
        let_in = Mute(b, b"DATA\r\nOK " + b"0" * 31 + b"1\r\nAGREE_UNIX_FD\r\n")
        full = listen_at(str(b.folder / "full"), 0)
        first = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        first.connect(str(b.folder / "full"))
        os.kill(b.pid, signal.SIGSTOP)
        begun = time.monotonic()
        asked = [b.ctl_begin("--socket", path, *words) for path, words in
                 ((b.socket, ["start", "web", "--timeout", "1ms"]),
                  (let_in.path, ["start", "web", "--timeout", "1ms"]),
                  (let_in.path, ["wait", "web", "--timeout", "1ms"]),
                  (full.getsockname(), ["start", "web"]))]
        for one in asked:
            out, err = one.communicate(timeout=60)
            self.assertEqual((one.returncode, out), (125, ""), (one.args, err))
            self.assertIn("does not answer", err)
        os.kill(b.pid, signal.SIGCONT)
        self.assertLess(time.monotonic() - begun, 60)
        first.close()
        full.close()
        self.assertEqual(b.state("web"), "down", "what was never heard is not done")

    def test_who_lets_nobody_in(self):
        stranger = Mute(self.b, b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
        said = self.b.ctl("--socket", stranger.path, "wait", "web", code=5)
        self.assertIn("no access to " + stranger.path, said.err)

    def hears(self, process, number):
        process.send_signal(number)
        self.wait_until(lambda: not pending_signals(process.pid), "it has taken the signal")

    def test_a_signal_while_the_manager_is_away(self):
        b = self.b
        with Proxy(b, "never") as proxy:
            run = b.ctl_begin("--socket", proxy.path, "run", "--name", "job", "--wait", "--",
                              "/bin/sleep", "1000")
            self.wait_until(lambda: b.states().get("job") == "up", b.overview)
        self.wait_until(lambda: not has_socket(run.pid), "it has seen that nobody is there")
        self.hears(run, signal.SIGTERM)
        os.symlink(b.socket, proxy.path)
        out, err = run.communicate(timeout=60)
        self.assertEqual(run.returncode, 128 + signal.SIGTERM, out + err)

    def test_a_signal_before_the_manager_knows_what_to_run(self):
        busy = Busy(self.b)
        run = self.b.ctl_begin("--socket", busy.path, "run", "--wait", "--", "/bin/sleep", "1000")
        self.wait_until(lambda: busy.taken > 2, self.b.overview)
        self.hears(run, signal.SIGTERM)
        busy.free = True
        out, err = run.communicate(timeout=60)
        self.assertEqual(run.returncode, 128 + signal.SIGTERM, out + err)

    def test_without_a_keeper_there_is_no_reexec(self):
        said = self.b.ctl("reexec", code=1)
        self.assertIn("reeve-init", said.err)
        self.b.ctl("reexec", "--binary", "/nowhere", code=2)


if __name__ == "__main__":
    main()
