# ctest: label=system timeout=60
"""Trap 11: an ordering cycle is rejected with the loop named, and the old graph keeps running."""
from harness import BoardTest, main


class Cycle(BoardTest):
    def ring(self, b, *names):
        for name, after in zip(names, (*names[1:], names[0])):
            b.shell(name, "exec sleep 1000", unit=f"after = ['{after}']")

    def assert_names_the_loop(self, text, names):
        line = next((l for l in text.splitlines() if all(n in l for n in names)), None)
        self.assertIsNotNone(line, text)

    # "At boot all the rest starts."
    def test_at_boot_all_the_rest_starts(self):
        b = self.board()
        self.ring(b, "red", "green", "blue")
        b.shell("steady", "exec sleep 1000")
        b.target("steady", "red")
        b.start()
        b.wait_state("steady", "up")
        self.says(b, "ordering cycle")
        self.assert_names_the_loop(b.log(), ("red", "green", "blue"))
        for name in ("red", "green", "blue"):
            self.assertNotEqual(b.states().get(name), "up")

    # "`apply` refuses as a whole, and the old set runs on."
    def test_apply_refuses_it_and_what_runs_runs_on(self):
        b = self.board()
        for name in ("red", "green", "blue"):
            b.shell(name, "exec sleep 1000")
        b.target("red", "green", "blue")
        b.start()
        for name in ("red", "green", "blue"):
            b.wait_state(name, "up")
        pids = [b.main_pid(n) for n in ("red", "green", "blue")]
        self.ring(b, "red", "green", "blue")
        told = b.ctl("apply", code=1)
        self.assert_names_the_loop(told.out + told.err, ("red", "green", "blue"))
        self.assertEqual([b.main_pid(n) for n in ("red", "green", "blue")], pids)
        b.ctl("restart", "red")  # with its old definition

    def test_check_names_the_loop_without_a_daemon(self):
        b = self.board()
        self.ring(b, "red", "green")
        b.shell("itself", "exec sleep 1000", unit="requires = ['itself']")
        told = b.ctl("check", b.units, code=1)
        self.assert_names_the_loop(told.out + told.err, ("red", "green"))
        self.assert_names_the_loop(told.out + told.err, ("itself",))


if __name__ == "__main__":
    main()
