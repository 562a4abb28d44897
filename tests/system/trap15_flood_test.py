# ctest: label=system timeout=180
"""Trap 15, on the whole manager: units that flood their logs block nobody, and lose no more than
is told."""
import os

from harness import BoardTest, main, scaled

LINE = "0123456789012345678901234567890123456789012345678901234567890123456789"


class Flood(BoardTest):
    def test_floods_with_a_hung_sink_do_not_stop_the_writers(self):
        b = self.board()
        count, size = scaled(4, 20), scaled(4 << 20, 50 << 20)
        for n in range(count):
            name = f"flood{n}"
            b.shell(name, f"yes {LINE} | head -c {size}; {b.note('done')}",
                    service="type = 'oneshot'", more="[log]\nto = ['file']\nmemory = '64KiB'\n")
            folder = b.runtime / "log" / name
            folder.mkdir(parents=True)
            os.mkfifo(folder / "current")
        b.shell("quiet", "echo a word from the quiet one; exec sleep 1000")
        b.start()
        b.ctl("start", "quiet")
        for n in range(count):
            b.ask("Start", f"flood{n}")
        self.wait_until(lambda: len(b.trace()) == count, b.overview, deadline=100)
        self.assertIn("a word from the quiet one", b.ctl("logs", "quiet").out)

    def test_the_last_words_of_a_flood_are_kept(self):
        b = self.board()
        b.shell("flood", f"yes {LINE} | head -c {4 << 20}; echo the end", service="type = 'oneshot'")
        b.start()
        b.ctl("start", "flood", "--timeout", "60s")
        self.assertIn("the end", b.ctl("logs", "flood").out.splitlines()[-1])


if __name__ == "__main__":
    main()
