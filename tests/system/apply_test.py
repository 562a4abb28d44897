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
        words = open(f"/proc/{self.b.main_pid('edited')}/cmdline").read()
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
        self.b.ctl("apply")
        self.assertEqual(self.pids_now(), self.pids)
        self.assertFalse(self.b.get("edited", "Stale"))

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
        environ = lambda u: open(f"/proc/{self.b.main_pid(u)}/environ").read()
        self.assertIn("EXTRA=yes", environ("worker@7"))
        self.assertNotIn("EXTRA=yes", environ("worker@8"))
        self.assertIn("SECONDS_=8", environ("worker@8"))


if __name__ == "__main__":
    main()
