# ctest: label=system timeout=120
"""runtime-directory and state-directory of services that run as somebody else."""
import os

from harness import BoardTest, main, needs_root

NOBODY = 65534


@needs_root
class Folders(BoardTest):
    def service(self, b, name, key, script):
        b.shell(name, script, service=f'user = "{NOBODY}"\ngroup = "{NOBODY}"\n{key} = '
                                      '["a", "a/b/c"]\nrestart = "no"\n')

    def test_the_user_cannot_lead_the_manager_elsewhere_by_a_link(self):
        b = self.board()
        victim = b.folder / "victim"
        (victim / "c").mkdir(parents=True)
        (victim / "c" / "kept").touch()
        self.service(b, "states", "state-directory", "exec sleep 600")
        self.service(b, "runs", "runtime-directory",
                     f"mv $RUNTIME_DIRECTORY/b $RUNTIME_DIRECTORY/was; echo; exec sleep 600")
        b.start()
        b.ctl("start", "states")
        state = b.runtime / "lib" / "a"
        self.assertEqual([os.stat(p).st_uid for p in (state, state / "b" / "c")], [NOBODY] * 2)
        b.ctl("stop", "states")
        (state / "b").rename(state / "was")
        (state / "b").symlink_to(victim)  # as its user could
        said = b.ctl("start", "states", code=1).err
        self.assertIn(f"{state}/b is a symbolic link, which is not followed here", said)
        self.assertEqual(os.stat(victim / "c").st_uid, 0)
        (state / "b").unlink()
        (state / "b").mkdir()
        (state / "b" / "c").symlink_to(victim)
        self.assertIn("is a symbolic link", b.ctl("start", "states", code=1).err)
        self.assertEqual(os.stat(victim).st_uid, 0)
        # In the base itself only the administrator writes.
        os.rename(state, b.folder / "elsewhere")
        (b.folder / "elsewhere" / "b" / "c").unlink()
        state.symlink_to(b.folder / "elsewhere")
        b.ctl("start", "states")
        self.assertEqual(os.stat(b.folder / "elsewhere" / "b" / "c").st_uid, NOBODY)

    def test_nothing_is_removed_through_a_link(self):
        b = self.board()
        victim = b.folder / "victim"
        (victim / "c").mkdir(parents=True)
        (victim / "c" / "kept").touch()
        self.service(b, "runs", "runtime-directory", "exec sleep 600")
        b.start()
        b.ctl("start", "runs")
        run = next(p for p in (b.runtime / "a", b.runtime / "run" / "a") if p.exists())
        (run / "b").rename(run / "was")
        (run / "b").symlink_to(victim)
        (run / "was" / "deep" / "er").mkdir(parents=True)
        (run / "was" / "deep" / "file").touch()
        b.ctl("stop", "runs")
        self.wait_until(lambda: not run.exists(), b.overview)
        self.assertTrue((victim / "c" / "kept").exists())

    def test_they_are_gone_when_the_manager_is(self):
        b = self.board()
        names = [f"s{n}" for n in range(4)]
        for name in names:
            b.shell(name, "for i in $(seq 300); do : > $RUNTIME_DIRECTORY/$i; done; exec sleep 600",
                    service=f"runtime-directory = ['{name}']")
        b.target(*names)
        b.start()
        folders = [b.runtime / name for name in names]
        self.wait_until(lambda: all((f / "300").exists() for f in folders), b.overview)
        b.stop()
        self.assertEqual([f for f in folders if f.exists()], [])


if __name__ == "__main__":
    main()
