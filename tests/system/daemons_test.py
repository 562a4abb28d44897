# ctest: label=daemons timeout=180
"""Real daemons of Debian run from the unit files in daemons/: up by their own readiness, killed,
reloaded, stopped; each as far as its kind allows."""
import os
import pathlib
import signal
import socket
import urllib.request

from harness import BoardTest, free_port, main, needs, needs_root, scaled

UNITS = pathlib.Path(__file__).parent / "daemons"
ROUNDS = scaled(1, 20)


def ask_tcp(port, text):
    with socket.create_connection(("127.0.0.1", port), timeout=10) as s:
        s.sendall(text)
        return s.recv(200)


def ask_udp(port, datagram):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(10)
        s.sendto(datagram, ("127.0.0.1", port))
        return s.recv(512)


def http(port, path="/"):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        return answer.read()


def dns(port):
    """The address of unit.test."""
    query = b"\x12\x34\x01\0\0\1\0\0\0\0\0\0\4unit\4test\0\0\1\0\1"
    return ".".join(map(str, ask_udp(port, query)[-4:]))


def serves(check):
    """Does the check pass now? A connection refused or reset is a no."""
    try:
        return bool(check())
    except OSError:
        return False


@needs_root
class Daemons(BoardTest):
    def prepare(self, name, *files, **values):
        """A board with the unit file `name`, its configuration below %t/etc filled in."""
        self.b = self.board()
        self.port = free_port()
        self.etc = self.b.runtime / "etc"
        self.etc.mkdir(parents=True)
        values = {"port": self.port, "run": self.b.runtime, "data": self.b.data} | values
        for file in files:
            text = (UNITS / "etc" / file).read_text()
            for key, value in values.items():
                text = text.replace(f"@{key}@", str(value))
            (self.etc / file).write_text(text)
        self.b.unit(name, (UNITS / f"{name}.toml").read_text())
        # It is killed again and again; by itself it would wait for up to half a minute.
        self.b.unit(f"{name}.toml.d/kills.toml", "[service]\nbackoff = { max = '1s' }\n")
        self.name = name
        return self.b.start()

    def start(self, check):
        self.b.ctl("start", self.name)
        self.assertEqual(self.b.state(self.name), "up")
        self.wait_until(lambda: serves(check), f"{self.name} serves")

    def kill(self, check):
        """kill -9 of the main process: a new run comes up by itself and serves."""
        for _ in range(ROUNDS):
            run, pid = self.b.run(self.name), self.b.main_pid(self.name)
            os.kill(pid, signal.SIGKILL)
            self.wait_until(lambda: self.b.run(self.name) > run, self.b.overview)
            self.b.wait_state(self.name, "up")
            self.assertNotEqual(self.b.main_pid(self.name), pid)
            self.wait_until(lambda: serves(check), f"{self.name} serves again")

    def reload(self, check):
        pid, run = self.b.main_pid(self.name), self.b.run(self.name)
        self.b.ctl("reload", self.name)
        self.assertEqual(self.b.state(self.name), "up")
        self.wait_until(lambda: serves(check), f"{self.name} serves after its reload")
        self.assertEqual((self.b.main_pid(self.name), self.b.run(self.name)), (pid, run))

    def stop_clean(self):
        self.b.ctl("stop", self.name)
        about = self.b.describe(self.name)
        self.assertEqual(about["State"], "down")
        self.assertEqual(list(about["Pids"]), [])
        self.assertNotEqual(about["Result"], "stop-timeout")

    def pid_file(self, path):
        return int((self.b.runtime / path).read_text())

    @needs("redis-server")
    def test_redis_says_itself_that_it_is_ready(self):
        self.prepare("redis-server", "redis.conf")
        check = lambda: ask_tcp(self.port, b"PING\r\n") == b"+PONG\r\n"
        self.b.ctl("start", self.name)
        self.assertTrue(check())  # up means that it serves: no waiting here
        self.assertIn("Ready", str(self.b.get(self.name, "Status")))
        self.kill(check)
        self.stop_clean()

    @needs("nginx")
    def test_nginx_whose_workers_outlive_their_master(self):
        self.prepare("nginx", "nginx.conf")
        check = lambda: http(self.port) == b"up\n"
        self.start(check)
        self.assertEqual(self.b.main_pid("nginx"), self.pid_file("nginx/nginx.pid"))
        self.reload(check)
        workers = set(map(int, self.b.get("nginx", "Pids"))) - {self.b.main_pid("nginx")}
        self.assertGreaterEqual(len(workers), 2)
        self.kill(check)
        self.assertFalse(workers & set(map(int, self.b.get("nginx", "Pids"))))
        self.stop_clean()

    @needs("nginx")
    def test_nginx_does_not_start_with_a_bad_configuration(self):
        self.prepare("nginx", "nginx.conf")
        (self.etc / "nginx.conf").write_text("nonsense;")
        self.b.ctl("start", "nginx", "--timeout", "3s", code=None)
        self.assertIn(self.b.state("nginx"), ("backoff", "failed", "starting"))
        self.b.ctl("stop", "nginx")

    @needs("dnsmasq")
    def test_dnsmasq_that_forks_twice(self):
        self.prepare("dnsmasq", "dnsmasq.conf", "hosts")
        self.start(lambda: dns(self.port) == "192.0.2.7")
        self.assertEqual(self.b.main_pid("dnsmasq"), self.pid_file("dnsmasq/dnsmasq.pid"))
        (self.etc / "hosts").write_text("192.0.2.8 unit.test\n")
        self.reload(lambda: dns(self.port) == "192.0.2.8")
        self.kill(lambda: dns(self.port) == "192.0.2.8")
        self.stop_clean()

    @needs("lighttpd")
    def test_lighttpd_checks_its_configuration_first(self):
        self.prepare("lighttpd", "lighttpd.conf", "index.html")
        check = lambda: http(self.port, "/index.html") == b"up\n"
        self.start(check)
        self.reload(check)
        self.kill(check)
        self.stop_clean()
        (self.etc / "lighttpd.conf").write_text("server.port = \n")
        self.b.ctl("start", "lighttpd", "--timeout", "3s", code=None)
        self.assertNotEqual(self.b.state("lighttpd"), "up")
        self.b.ctl("stop", "lighttpd")

    @needs("memcached")
    def test_memcached(self):
        self.prepare("memcached", "memcached.env")
        check = lambda: ask_tcp(self.port, b"version\r\n").startswith(b"VERSION")
        self.start(check)
        self.kill(check)
        self.stop_clean()

    @needs("chronyd")
    def test_chronyd_that_forks_and_drops_its_rights(self):
        self.prepare("chronyd", "chrony.conf")
        check = lambda: ask_udp(self.port, b"\x23" + b"\0" * 47)[0] & 7 == 4
        self.start(check)
        self.assertEqual(self.b.main_pid("chronyd"), self.pid_file("chrony/chronyd.pid"))
        self.kill(check)
        self.stop_clean()

    @needs("privoxy")
    def test_privoxy_whose_clean_end_is_code_15(self):
        self.prepare("privoxy", "privoxy.conf")
        check = lambda: ask_tcp(self.port, b"GET http://p.p/ HTTP/1.0\r\n\r\n").startswith(b"HTTP")
        self.start(check)
        self.reload(check)
        self.kill(check)
        self.stop_clean()

    @needs("logrotate")
    def test_logrotate_runs_once_and_is_done(self):
        self.prepare("logrotate", "logrotate.conf")
        (self.b.data / "app.log").write_text("x\n" * 10)
        os.chown(self.b.data / "app.log", 65534, 65534)
        self.b.ctl("start", "logrotate")
        self.assertEqual(self.b.state("logrotate"), "done")
        self.assertTrue((self.b.data / "app.log.1").exists())
        (self.etc / "logrotate.conf").unlink()
        self.b.ctl("start", "logrotate", code=1)
        self.assertEqual(self.b.state("logrotate"), "failed")


if __name__ == "__main__":
    main()
