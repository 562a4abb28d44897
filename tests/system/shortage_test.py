# ctest: label=system timeout=120
"""Too few descriptors; files that are not what they should be; what a failed start says."""
import os
import pathlib
import socket

from harness import BoardTest, main

LIMIT = 120
HELPERS = pathlib.Path(__file__).parent / "helpers"


class Shortage(BoardTest):
    def test_few_descriptors_hold_starts_back_and_nothing_else(self):
        b = self.board(wrapper=["/usr/bin/prlimit", f"--nofile={LIMIT}:{LIMIT}"])
        names = [f"s{i}" for i in range(60)]
        for name in names:
            b.shell(name, "echo; exec sleep 600")
        b.start()
        for name in names:
            b.ask("Start", name)
        self.wait_until(lambda: "up" in b.states().values() and "backoff" in b.states().values(),
                        b.overview)
        self.assertIn("Too many open files", b.ctl("status", code=3).out)
        lacking = next(name for name, state in b.states().items() if state == "backoff")
        self.wait_until(lambda: int(b.get(lacking, "Failures")) > 4, b.overview)
        self.says(b, f"unit {lacking}:")
        self.assertEqual(b.log().count("hardly a descriptor is left"), 1)
        said = [line for line in b.log().splitlines() if line.startswith(f"unit {lacking}:")]
        self.assertLess(len(said), 5, said)
        b.ctl("stop", *names)
        self.assertEqual(set(b.states().values()), {"down"})
        b.ctl("start", names[0])
        self.assertEqual(b.state(names[0]), "up")


    def test_clients_for_whom_no_descriptor_is_left_are_sent_away(self):
        b = self.board(wrapper=["/usr/bin/prlimit", f"--nofile={LIMIT}:{LIMIT}"])
        b.start()
        clients = []
        for _ in range(2 * LIMIT):
            client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.addCleanup(client.close)
            client.settimeout(60)
            client.connect(str(b.socket))
            clients.append(client)
        for client in clients[LIMIT:]:  # each of them, not the first alone
            self.assertEqual(client.recv(1), b"")
        for client in clients:
            client.close()
        self.wait_until(lambda: b.ctl("status", code=None).code == 0, b.overview)


    def test_a_start_for_which_there_are_no_pipes_fails_at_once_and_says_why(self):
        b = self.board(wrapper=["/usr/bin/python3", str(HELPERS / "no_pipes.py")])
        b.shell("lacks", "exec sleep 600", service="restart = 'no'\nstart-timeout = '10min'")
        b.shell("tells", "exec sleep 600", more="[log]\nto = []\n",
                service="type = 'notify'\nready-fd = 3\nrestart = 'no'\nstart-timeout = '10min'")
        b.start()
        for unit in ("lacks", "tells"):
            self.assertIn("Too many open files in system", b.ctl("start", unit, code=1).err)
            self.assertEqual(b.state(unit), "failed")


class Failures(BoardTest):
    def test_an_environment_file_that_is_none_fails_its_unit_alone(self):
        b = self.board()
        fifo, missing = b.folder / "fifo", b.folder / "missing"
        os.mkfifo(fifo)
        for name, path, said in (("fifo", fifo, "not a regular file"),
                                 ("device", "/dev/zero", "not a regular file"),
                                 ("missing", missing, "No such file or directory")):
            b.shell(name, "exec sleep 600", service=f'environment-file = "{path}"\nrestart = "no"')
        b.start()
        for name, path, said in (("fifo", fifo, "not a regular file"),
                                 ("device", "/dev/zero", "not a regular file"),
                                 ("missing", missing, "cannot read: No such file or directory")):
            with self.subTest(name):
                text = b.ctl("start", name, code=1).err
                self.assertIn(f"environment-file {path}: {said};", text)

    def test_a_failed_start_names_the_program_and_the_folder(self):
        b = self.board()
        b.unit("program", '[service]\ncommand = ["/etc/passwd"]\nrestart = "no"\n')
        b.shell("folder", ":", service='working-directory = "/nowhere"\nrestart = "no"')
        b.start()
        self.assertIn("exec /etc/passwd: Permission denied", b.ctl("start", "program", code=1).err)
        self.assertIn("chdir /nowhere: No such file", b.ctl("start", "folder", code=1).err)

    def test_a_unit_whose_file_has_problems_is_explained(self):
        b = self.board()
        b.unit("bad", '[service]\ncomand = ["/bin/true"]\n')
        b.unit("default", '[unit]\nwants = 3\n[target]\n')
        b.start()
        problem = f"{b.units}/bad.toml:1:2: service.command"
        for verb in ("start", "stop", "restart"):
            with self.subTest(verb):
                self.assertIn(f"bad counts as missing: {problem}", b.ctl(verb, "bad", code=4).err)
        said = b.ctl("status", "bad", code=3).out
        self.assertIn("missing: its file has problems", said)
        self.assertIn(problem, said)
        self.assertIn(problem, b.ctl("why", "bad").out)
        self.assertRegex(b.ctl("list").out, f"bad +none +down +{problem}")
        self.assertRegex(b.ctl("status").out, f"bad +down .*{problem}")
        shown = b.ctl("--json", "status", "bad", code=3).json["units"][0]
        self.assertEqual(("", 2), (shown["kind"], len(shown["problems"])))
        self.says(b, f"nothing is started; mend {b.units}/default.toml:2:9: unit.wants")
        self.assertIn("there is no unit worse;", b.ctl("start", "worse", code=4).err)
        b.shell("bad", "exec sleep 1d")
        b.unit("default", "[target]\n")
        b.ctl("apply")
        b.ctl("start", "bad")
        self.assertEqual([], b.ctl("--json", "status", "bad").json["units"][0]["problems"])
        b.ctl("start", "default")
        (b.units / "default.toml").write_text("[target\n")
        b.ctl("apply", code=1)

    def test_stop_post_is_told_how_it_went_and_stop_that_it_runs(self):
        b = self.board()
        tell = f"""["/bin/sh", "-c", "echo $$0 $${{EXIT_CODE-runs}} $$SERVICE_RESULT >> {b.data}/trace", "%s"]"""
        b.shell("teller", "exec sleep 600",
                service=f"stop = {tell % 'stop'}\nstop-post = {tell % 'post'}")
        b.start()
        b.ctl("start", "teller")
        b.ctl("stop", "teller")
        self.assertEqual(b.trace(), ["stop runs success", "post killed success"])


if __name__ == "__main__":
    main()
