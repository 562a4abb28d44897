# ctest: label=system timeout=60
"""What `cmake --install` puts in place, and where."""
import os
import pathlib
import subprocess
import tempfile
import unittest


class Install(unittest.TestCase):
    def test_files_are_where_the_documents_say(self):
        build = pathlib.Path(os.environ["REEVED"]).parent
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["cmake", "--install", str(build), "--prefix", "/usr"], check=True,
                           capture_output=True, env=os.environ | {"DESTDIR": folder})
            root = pathlib.Path(folder)
            there = {str(p.relative_to(root)) for p in root.rglob("*") if p.is_file()}
        for path in ("usr/sbin/reeved", "usr/bin/reevectl", "usr/lib/reeve/reeve-init",
                     "usr/lib/systemd/system/reeved.service",
                     "usr/share/dbus-1/system.d/org.reeve1.conf",
                     "usr/share/dbus-1/interfaces/org.reeve1.xml"):
            self.assertIn(path, there)


if __name__ == "__main__":
    unittest.main(verbosity=2)
