# ctest: label=system timeout=120
"""Trap 9: a dependency that comes up late. What requires it starts by itself, unless stopped."""
from harness import BoardTest, main, scaled

FLAKY = """n=$(cat {count} 2>/dev/null || echo 0); echo $((n + 1)) > {count}
[ $n -ge {failures} ] || exit 1
until [ -e {count}.go ]; do sleep 0.02; done
systemd-notify --ready  # only in the run that lives
exec sleep 1000"""


class LateDependency(BoardTest):
    def test_a_fails_three_times_then_b_starts_by_itself(self):
        for round_ in range(scaled(2, 50)):
            b = self.board()
            b.shell("a", FLAKY.format(count=b.data / "count", failures=3), service="""
                type = 'notify'
                notify-access = 'all'
                backoff = { first = '20ms', factor = 1.5 }""")
            b.shell("b", "exec sleep 1000", unit="requires = ['a']")
            b.shell("stopped", "exec sleep 1000", unit="requires = ['a']")
            b.target("b", "stopped")
            b.start()
            b.ctl("stop", "stopped")  # a person's word stays, whenever a comes up
            (b.data / "count.go").touch()
            b.wait_state("b", "up")
            self.assertEqual((b.state("a"), b.starts("a")), ("up", 4))
            self.assertEqual(b.starts("b"), 1)
            self.assertEqual((b.state("stopped"), b.starts("stopped")), ("down", 0))
            b.stop()

    def test_a_missing_unit_that_is_added_later(self):
        b = self.board()
        b.shell("b", "exec sleep 1000", unit="requires = ['a']")
        b.target("b")
        b.start()
        b.wait_state("b", "waiting")
        b.shell("a", "exec sleep 1000")
        b.ctl("apply")
        b.wait_state("b", "up")


if __name__ == "__main__":
    main()
