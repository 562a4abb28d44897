# ctest: label=system timeout=120
"""reevectl where only files are touched, and through ssh."""
import os
import pathlib
import stat
import subprocess
import tempfile
import unittest

from harness import BoardTest, main

SOURCES = pathlib.Path(__file__).resolve().parents[2]


class Root(unittest.TestCase):
    """--root DIR: the files of a board that does not run."""

    def setUp(self):
        self._folder = tempfile.TemporaryDirectory(prefix="reeve-")
        self.root = pathlib.Path(self._folder.name)
        self.addCleanup(self._folder.cleanup)
        self.write("usr/lib/reeve/units/web.toml",
                   "[unit]\nrequires = ['db']\n[service]\ncommand = ['/bin/sleep', '9']\n")
        self.write("etc/reeve/units/db.toml", "[service]\ncommand = ['/bin/sleep', '9']\n")

    def write(self, path, text):
        path = self.root / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def ctl(self, *words, code=0):
        done = subprocess.run([os.environ["REEVECTL"], "--root", str(self.root), *words],
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, code, f"{words}: {done.stdout}{done.stderr}")
        return done

    # "`enable`/`disable` write `enabled` as a drop-in and touch nothing that runs."
    def test_enable_and_disable_write_a_drop_in_that_cat_shows(self):
        drop_in = self.root / "etc/reeve/units/web.toml.d/50-enabled.toml"
        self.ctl("disable", "web")
        self.assertIn("enabled = false", drop_in.read_text())
        self.assertEqual(stat.S_IMODE(drop_in.stat().st_mode) & 0o444, 0o444)
        self.ctl("enable", "web")
        self.assertIn("enabled = true", drop_in.read_text())
        self.assertEqual(os.listdir(drop_in.parent), ["50-enabled.toml"])
        told = self.ctl("cat", "web").stdout
        self.assertLess(told.index("usr/lib/reeve/units/web.toml"), told.index("50-enabled.toml"))
        self.assertIn("enabled = true", told)
        self.ctl("check")
        self.ctl("disable", "nothing", code=4)
        self.ctl("disable", "../web", code=2)

    def test_deps_and_check(self):
        self.assertIn("requires db", self.ctl("deps", "web").stdout)
        self.write("etc/reeve/units/bad.toml", "[service]\ncomand = ['/bin/true']\n")
        told = self.ctl("check", code=1)
        self.assertIn("etc/reeve/units/bad.toml:2:1: service.comand: ", told.stdout)
        self.assertIn("command", told.stdout)

    def test_logs_are_read_from_files(self):
        self.write("var/log/reeve/web/current", "2026-11-21T10:00:02Z web[2] two\n")
        self.write("var/log/reeve/web/current.1", "2026-11-21T10:00:01Z web[1] one\n")
        self.write("var/log/reeve/db/current", "2026-11-21T10:00:03Z db[1] three\n")
        told = self.ctl("logs").stdout.splitlines()
        self.assertEqual([line.split()[-1] for line in told], ["one", "two", "three"])
        self.assertEqual(self.ctl("logs", "web", "-n", "1").stdout,
                         "2026-11-21T10:00:02Z web[2] two\n")

    def test_a_masked_unit_is_not_enabled(self):
        mask = self.write("etc/reeve/units/web.toml", "")
        self.assertIn(f"masked by {mask}", self.ctl("enable", "web", code=1).stderr)
        self.assertFalse((self.root / "etc/reeve/units/web.toml.d").exists())

    def test_a_root_that_is_not_there_is_told(self):
        self.assertIn("expected a folder", self.ctl("--root", "/nowhere", "check", code=2).stderr)

    def test_what_needs_a_manager_says_so(self):
        self.assertIn("manager", self.ctl("start", "web", code=2).stderr)


class BesideAManager(BoardTest):
    def test_enable_writes_where_this_manager_reads(self):
        b = self.board()
        b.shell("web", "exec sleep 1000", unit="wanted-by = ['default']\nenabled = false")
        b.target()
        b.start()
        b.ctl("enable", "web")
        self.assertTrue((b.units / "web.toml.d/50-enabled.toml").exists())
        self.assertEqual(b.state("web"), "down")  # nothing is touched before apply
        b.ctl("apply")
        b.wait_state("web", "up")

    def test_files_of_what_cannot_run_are_found_where_this_manager_reads(self):
        b = self.board()
        b.unit("wrong", "[servce]\n")
        b.shell("tty@", "exec sleep 1000")
        (b.units / "hidden.toml").symlink_to("/dev/null")
        b.start()
        self.assertIn("[servce]", b.ctl("cat", "wrong").out)
        self.assertIn("hidden.toml", b.ctl("cat", "hidden").out)
        self.assertIn("sleep 1000", b.ctl("cat", "tty@").out)
        self.assertIn("sleep 1000", b.ctl("cat", "tty@3").out)
        self.assertIn(str(b.units), b.ctl("cat", "nothing", code=4).err)

    def test_an_instance_is_enabled_by_its_name(self):
        b = self.board()
        b.shell("tty@", "exec sleep 1000", unit="wanted-by = ['default']")
        b.target()
        b.start()
        b.ctl("enable", "tty@2")
        b.ctl("apply")
        b.wait_state("tty@2", "up")
        b.ctl("disable", "tty@2")
        b.ctl("apply")
        self.assertEqual(b.state("tty@2"), "up")  # it runs on


class Ssh(BoardTest):
    """-H with an ssh that runs the command here."""

    def test_another_machine_is_reached_through_its_bridge(self):
        b = self.board()
        b.shell("web", "echo hello; exec sleep 1000")
        b.shell("gated", "exec sleep 1000", unit="gate = ['event:go']")
        b.start()
        tools = b.folder / "tools"
        tools.mkdir()
        ssh = tools / "ssh"
        ssh.write_text('#!/bin/sh\n[ "$1 $2" = "-T root@board" ] || exit 255\nshift 2\n'
                       f'echo "$*" >> {b.data}/ssh\nsleep "$TYPES"\nexec sh -c "$*"\n')
        ssh.chmod(0o755)
        (tools / "reevectl").symlink_to(os.environ["REEVECTL"])

        def far(*words, code=0, types="0"):  # a password, so many seconds long
            done = subprocess.run(
                [os.environ["REEVECTL"], "-H", "root@board", "--socket", str(b.socket), *words],
                capture_output=True, text=True, timeout=60,
                env={"PATH": f"{tools}:/usr/bin:/bin", "TYPES": types})
            self.assertEqual(done.returncode, code, f"{words}: {done.stdout}{done.stderr}")
            return done

        self.assertIn("web: up", far("start", "web").stdout)
        self.assertIn(f"bridge --socket {b.socket}", (b.data / "ssh").read_text())
        self.assertIn("up for", far("status", "web").stdout)
        self.assertIn("event:go", far("start", "gated", "--timeout", "100ms", code=124).stderr)
        b.wait_state("gated", "waiting")
        self.assertIn("event:go", far("why", "gated").stdout)
        self.wait_until(lambda: "hello" in far("logs", "web").stdout, b.overview)
        far("cat", "web", code=2)
        self.assertIn("web: up", far("start", "web", "--timeout", "1s", types="13").stdout)
        done = subprocess.run([os.environ["REEVECTL"], "-H", "root@elsewhere", "list"],
                              capture_output=True, text=True, timeout=60,
                              env={"PATH": f"{tools}:/usr/bin:/bin"})
        self.assertEqual(done.returncode, 125, done)
        self.assertIn("ssh root@elsewhere", done.stderr)


class Pages(unittest.TestCase):
    """Man pages and completions keep up with the program."""

    def test_the_page_of_reevectl_names_every_verb_and_option(self):
        page = (SOURCES / "packaging/man/reevectl.1").read_text().replace("\\-", "-")
        told = subprocess.run([os.environ["REEVECTL"], "--help"], capture_output=True, text=True)
        verbs = [line.split()[0] for line in told.stdout.split("Verbs:\n")[1].split("\n\n")[0]
                 .splitlines() if line.startswith("  ") and line[2] != " "]
        self.assertGreater(len(verbs), 30)
        bash = (SOURCES / "packaging/completions/reevectl.bash").read_text()
        for verb in verbs:
            self.assertIn(verb, page)
            self.assertIn(verb, bash)
            options = subprocess.run([os.environ["REEVECTL"], verb, "--help"],
                                     capture_output=True, text=True).stdout
            for word in options.replace(",", " ").split():
                if word.startswith("--") and len(word) > 2:
                    if word in ("--at", "--cancel"):
                        continue  # not in this version
                    self.assertIn(word, page, verb)

    def test_the_page_of_unit_files_is_made_of_the_reference(self):
        maker = SOURCES / "packaging/man/make_units_page.py"
        page = (SOURCES / "packaging/man/reeve.units.5").read_text()
        made = subprocess.run(["/usr/bin/python3", maker], capture_output=True, text=True)
        self.assertEqual(made.stdout, page, "run packaging/man/make_units_page.py again")
        reference = (SOURCES / "units/README.md").read_text()
        keys = [line.split("`")[1] for line in reference.splitlines() if line.startswith("| `")]
        self.assertGreater(len(keys), 50)
        for key in keys:
            self.assertIn(key, page.replace("\\-", "-"))


if __name__ == "__main__":
    main()
