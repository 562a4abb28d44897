# ctest: label=system timeout=60
"""What units print, in memory and in files that rotate."""
from harness import BoardTest, main


class Logs(BoardTest):
    def test_both_streams_of_each_run_are_there_in_order(self):
        b = self.board()
        b.shell("talks", "echo to stdout; echo to stderr 和中文 >&2; exit 0", service="type = 'oneshot'")
        b.start()
        b.ctl("start", "talks")
        b.ctl("start", "talks")
        told = b.ctl("logs", "talks").out
        self.assertEqual(told.count("to stdout"), 2, told)
        self.assertEqual(told.count("to stderr 和中文"), 2, told)
        last = b.ctl("logs", "talks", "--run", "2").out
        self.assertEqual(last.count("to stdout"), 1, last)
        self.assertEqual(len(b.ctl("logs", "talks", "--lines", "1").out.splitlines()), 1)

    def test_follow_tells_what_comes(self):
        b = self.board()
        b.shell("talks", f"until [ -e {b.data}/go ]; do sleep 0.02; done; echo here it comes; "
                         "exec sleep 1000")
        b.start()
        b.ctl("start", "talks")
        follower = b.ctl_begin("logs", "talks", "--follow")
        (b.data / "go").touch()
        while "here it comes" not in follower.stdout.readline():
            pass  # the test's time limit ends a silence
        follower.terminate()
        follower.communicate()

    def test_a_file_rotates_by_size_and_count(self):
        b = self.board()
        b.shell("talks", "i=0; while [ $i -lt 3000 ]; do echo line number $i of a talkative unit; "
                         "i=$((i + 1)); done", service="type = 'oneshot'",
                more="[log]\nto = ['file']\nmax-size = '16KiB'\nkeep = 3\n")
        b.start()
        b.ctl("start", "talks")
        folder = b.runtime / "log" / "talks"
        self.wait_until(lambda: "number 2999" in (folder / "current").read_text(), b.overview)
        files = sorted(p for p in folder.iterdir())
        self.assertLessEqual(len(files), 4)
        self.assertGreaterEqual(len(files), 2)
        for path in files:
            self.assertLessEqual(path.stat().st_size, 20 << 10, path)
        self.assertEqual((folder / "current").stat().st_mode & 0o777, 0o640)


if __name__ == "__main__":
    main()
