# ctest: label=system timeout=120
"""`apply` takes new definitions over as a whole, and never disturbs what did not change."""
from harness import BoardTest, main


class Apply(BoardTest):
    def setUp(self):
        super().setUp()
        self.b = self.board()
        self.b.shell("steady", "exec sleep 1000")
        self.b.shell("edited", "exec sleep 1000")
        self.b.target("steady", "edited")
        self.b.start()
        self.b.wait_state("steady", "up")
        self.b.wait_state("edited", "up")
        self.pids = self.pids_now()

    def pids_now(self):
        return [self.b.main_pid(u) for u in ("steady", "edited")]

    def of_process(self, unit, what):
        """`cmdline` or `environ` of its main process, which are empty in the moment of an exec: that
        of the unit, and that of its shell."""
        def read():
            with open(f"/proc/{self.b.main_pid(unit)}/{what}") as file:
                return file.read()
        return self.wait_until(read, f"{what} of {unit}")

    def words_of(self, unit):
        return self.of_process(unit, "cmdline")

    def test_new_definitions_count_from_the_next_start(self):
        self.b.shell("edited", "exec sleep 2000")
        self.b.shell("added", "exec sleep 1000")
        self.assertIn("edited", self.b.ctl("plan").out)
        told = self.b.ctl("apply").out
        self.assertEqual(self.pids_now(), self.pids)
        self.assertTrue(self.b.get("edited", "Stale"), told)
        self.assertFalse(self.b.get("steady", "Stale"))
        self.b.ctl("restart", "edited")
        self.assertFalse(self.b.get("edited", "Stale"))
        words = self.words_of("edited")
        self.assertIn("2000", words)
        self.b.ctl("start", "added")

    def test_a_file_that_was_good_and_is_broken_now_refuses_the_whole(self):
        self.b.unit("edited", "[service]\ncomand = ['/bin/true']\n")
        self.b.shell("added", "exec sleep 1000")
        told = self.b.ctl("apply", code=1)
        self.assertIn("edited.toml:2", told.out + told.err)
        self.assertIn("command", told.out + told.err)  # did you mean
        self.assertNotIn("added", self.b.states())
        self.assertEqual(self.pids_now(), self.pids)

    def test_nothing_changed_is_nothing_done(self):
        runs = [self.b.run(u) for u in ("steady", "edited")]
        started = [self.b.starts(u) for u in ("steady", "edited")]
        self.says(self.b, "unit default: waiting -> up")
        said = len(self.b.log())
        for _ in range(3):
            self.assertIn("nothing changed", self.b.ctl("apply").out)
        self.assertEqual(self.pids_now(), self.pids)
        self.assertEqual([self.b.run(u) for u in ("steady", "edited")], runs)
        self.assertEqual([self.b.starts(u) for u in ("steady", "edited")], started)
        self.assertFalse(self.b.get("edited", "Stale"))
        self.says(self.b, "applied: ", times=3)
        self.assertNotIn("unit ", self.b.log()[said:])  # no unit moved

    def test_the_plan_tells_keys_and_values(self):
        self.b.shell("edited", "exec sleep 2000", service="stop-timeout = '3s'")
        self.b.shell("added", "exec sleep 1000")
        for verb in (("plan",), ("apply", "--dry-run")):
            told = self.b.ctl(*verb).out
            self.assertIn("+ added", told)
            self.assertIn("~ edited  changed", told)
            self.assertIn('    service.stop-timeout: "10s" -> "3s"', told)
            self.assertRegex(told, r"service\.command: \[.*sleep 1000.*\] -> \[.*sleep 2000.*\]")
            self.assertIn("! edited  runs on with an older definition", told)
            self.assertIn("left alone", told)
        self.assertNotIn("added", self.b.states())
        told = self.b.ctl("apply", "--dry-run", "--restart").out
        self.assertIn("! edited  restarts", told)

    def test_restart_is_for_those_that_run_with_an_older_definition(self):
        """"what runs keeps its old one until its next start (listed as stale) unless asked to restart
        (`apply --restart [UNIT…]`: what is stale, from this apply or an earlier one)"."""
        self.b.shell("edited", "exec sleep 2000")
        self.b.ctl("apply", "--no-restart")
        self.assertEqual(self.pids_now(), self.pids)
        told = self.b.ctl("apply", "--restart", "steady", code=1)
        self.assertIn("comparing: cannot restart steady", told.out + told.err)
        self.b.ctl("apply", "--restart", "nobody", code=1)
        self.b.ctl("apply", "steady", code=2)
        self.b.ctl("apply", "--restart", "--no-restart", code=2)
        self.assertEqual(self.pids_now(), self.pids)
        self.b.ctl("apply", "--restart", "edited")
        self.wait_until(lambda: self.b.state("edited") == "up" and not self.b.get("edited", "Stale"),
                        self.b.overview)
        steady, edited = self.pids_now()
        self.assertEqual(steady, self.pids[0])
        self.assertNotEqual(edited, self.pids[1])
        self.assertIn("2000", self.words_of("edited"))

    def test_rollback_is_to_the_set_before_and_back_again(self):
        """"`rollback` is an apply of the set before the last that changed anything: the same
        definitions, whatever the files say by now"."""
        for words in (["rollback"], ["rollback", "--dry-run"]):
            told = self.b.ctl(*words, code=1)
            self.assertIn("there is no earlier set", told.out)
            self.assertIn("`reevectl apply`", told.out)
            for misleading in ("named above", "nothing to change"):
                self.assertNotIn(misleading, told.out + told.err)
        self.b.shell("edited", "exec sleep 2000")
        self.b.shell("added", "exec sleep 1000")
        self.b.ctl("apply", "--restart")
        self.b.ctl("start", "added")
        self.assertIn("- added", self.b.ctl("rollback", "--dry-run").out)
        self.assertEqual(self.b.state("added"), "up")
        told = self.b.ctl("rollback", "--restart").out
        self.assertIn('service.command', told)
        self.assertIn("the files say something else", told)
        self.wait_until(lambda: "added" not in self.b.states(), self.b.overview)
        self.b.wait_state("edited", "up")
        self.wait_until(lambda: "1000" in self.words_of("edited"),
                        self.b.overview)
        self.assertEqual(self.b.main_pid("steady"), self.pids[0])
        self.assertIn("rolled back", self.b.ctl("status", code=None).out)
        self.assertIn("+ added", self.b.ctl("plan").out)
        self.b.ctl("rollback")
        self.assertNotIn("rolled back", self.b.ctl("status", code=None).out)
        self.assertIn("added", self.b.states())
        self.assertNotIn("~", self.b.ctl("apply").out)

    def test_rollback_to_a_set_with_a_file_that_was_not_usable(self):
        b = self.board()
        b.shell("good", "exec sleep 1000")
        b.unit("bad", "nonsense [")
        b.target("good")
        b.start()
        b.shell("bad", "exec sleep 1000")
        b.ctl("apply")
        self.assertEqual(b.ctl("rollback", "--json").json["removed"], ["bad"])
        b.ctl("start", "bad", code=4)

    def test_rollback_leaves_an_instance_that_was_asked_for_since(self):
        """"an instance of a template that was first asked for since then keeps its own"."""
        self.b.shell("worker@", "exec sleep 1000")
        self.b.ctl("apply")
        self.b.shell("edited", "exec sleep 2000")
        self.b.ctl("apply")
        self.b.ctl("start", "worker@7")
        pid = self.b.main_pid("worker@7")
        self.assertNotIn("worker@7", self.b.ctl("rollback").out)
        self.assertEqual((self.b.state("worker@7"), self.b.main_pid("worker@7")), ("up", pid))

    def test_a_folder_that_cannot_be_read_changes_nothing(self):
        """"A folder that cannot be read refuses an apply, as a bad file does."."""
        folder = self.b.units / "edited.toml.d"
        folder.symlink_to(folder)  # nobody can read that, not even root
        told = self.b.ctl("apply", code=1)
        self.assertIn("edited.toml.d", told.out + told.err)
        self.assertIn("cannot read", told.out + told.err)
        self.assertEqual(self.pids_now(), self.pids)
        folder.unlink()
        self.assertIn("nothing changed", self.b.ctl("apply").out)

    def test_a_file_that_is_written_again_at_once_is_read_again(self):
        for seconds in range(2000, 2010):
            self.b.shell("edited", f"exec sleep {seconds}")
            self.assertIn(f"sleep {seconds}", self.b.ctl("apply").out)

    def test_what_is_removed_goes_and_what_is_masked_goes(self):
        (self.b.units / "edited.toml").unlink()
        self.b.ctl("apply")
        self.wait_until(lambda: self.b.states().get("edited", "gone") in ("gone", "waiting", "down"),
                        self.b.overview)
        self.b.unit("steady", "")  # an empty file masks
        self.b.ctl("apply")
        self.b.wait_state("steady", "down", "waiting")
        self.b.ctl("start", "steady", code=None)
        self.assertNotEqual(self.b.state("steady"), "up")

    def test_drop_ins_and_templates(self):
        self.b.shell("worker@", "exec sleep ${SECONDS_}", service="environment = { SECONDS_ = '%i' }")
        self.b.unit("worker@7.toml.d/10-env.toml", "[service.environment]\nEXTRA = 'yes'\n")
        self.b.ctl("apply")
        self.b.ctl("start", "worker@7")
        self.b.ctl("start", "worker@8")
        environ = lambda u: self.of_process(u, "environ")
        self.assertIn("EXTRA=yes", environ("worker@7"))
        self.assertNotIn("EXTRA=yes", environ("worker@8"))
        self.assertIn("SECONDS_=8", environ("worker@8"))

    def test_an_instance_stays_through_a_death_and_what_follows(self):
        b = self.board(keeper=True)
        b.shell("worker@", "exec sleep 1000")
        b.shell("other", "exec sleep 1000")
        b.target("other")
        b.start()
        b.ctl("start", "worker@7")
        pid = b.main_pid("worker@7")
        b.kill_manager()
        self.assertEqual(b.ctl("plan", "--json").json["removed"], [])
        b.shell("other", "exec sleep 1001")
        b.ctl("apply")
        b.ctl("start", "worker@8")
        b.kill_manager()
        b.ctl("rollback")
        self.assertEqual(b.main_pid("worker@7"), pid)
        self.assertEqual(b.state("worker@8"), "up")


if __name__ == "__main__":
    main()
