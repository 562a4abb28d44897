# ctest: label=system timeout=180
"""Every verb of reevectl with --json prints what its schema in docs/json says."""
import json
import pathlib

import jsonschema

from harness import BoardTest, main

SCHEMAS = pathlib.Path(__file__).resolve().parents[2] / "docs" / "json"


def load():
    return {path.name: json.loads(path.read_text()) for path in SCHEMAS.glob("*.schema.json")}


class Json(BoardTest):
    @classmethod
    def setUpClass(cls):
        cls.schemas = load()

    def check_against(self, schema, document):
        schema = self.schemas[schema + ".schema.json"]
        resolver = jsonschema.RefResolver("", schema, store=self.schemas)
        jsonschema.Draft202012Validator(schema, resolver=resolver).validate(document)

    def tell(self, schema, *words, code=0):
        outcome = self.b.ctl("--json", *words, code=code)
        self.assertEqual(outcome.out.count("\n"), 1, outcome)
        self.check_against(schema, outcome.json)
        return outcome.json

    def setUp(self):
        super().setUp()
        b = self.b = self.board()
        b.shell("web", "echo hello; exec sleep 1000", unit="description = '网页服务'\naliases = ['www']",
                service="environment = { A = 'b' }")
        b.shell("client", "exec sleep 1000", unit="requires = ['web']\ngate = ['event:go']")
        b.shell("flaky", "exit 3", service="restart = 'no'")
        b.shell("task", "true", service="type = 'oneshot'")
        b.shell("holder", "exec sleep 1000", more="[hal]\nlease = ['bus']\n")
        b.unit("bus", '[device]\nclass = "semaphore"\n')
        b.target("web", "client")
        b.start()
        b.wait_state("web", "up")
        b.wait_state("client", "waiting")

    def test_schemas_are_schemas(self):
        self.assertGreater(len(self.schemas), 20)
        for name, schema in self.schemas.items():
            with self.subTest(name):
                jsonschema.Draft202012Validator.check_schema(schema)

    def test_looking(self):
        status = self.tell("status", "status", code=3)
        self.assertEqual(status["units"][0]["name"], "client")  # what waits comes first
        self.assertEqual(status["units"][0]["waits_for"], "gate event:go")
        self.assertEqual(sum(status["counts"].values()), len(status["units"]))
        web = self.tell("status", "status", "www")["units"][0]
        self.assertEqual((web["name"], web["state"], web["description"]), ("web", "up", "网页服务"))
        self.assertEqual(web["main_pid"], self.b.main_pid("web"))
        self.assertIsNone(web["exitcode"])
        self.assertLess(web["state_us"], 120e6)
        listed = self.tell("list", "list", "w*", "--kind", "service")["units"]
        self.assertEqual([unit["name"] for unit in listed], ["web"])
        shown = self.tell("show", "show", "web")["units"][0]
        self.assertEqual(shown["definition"]["environment"], {"A": "b"})
        self.assertEqual(self.tell("show", "show", "web", "-p", "State,main_pid")["units"],
                         [{"state": "up", "main_pid": web["main_pid"]}])
        self.assertIn("网页", self.tell("cat", "cat", "web")["units"][0]["files"][0]["text"])
        deps = self.tell("deps", "deps", "client")["units"][0]
        self.assertEqual((deps["needs"][0]["relation"], deps["needs"][0]["unit"]),
                         ("requires", "web"))
        why = self.tell("why", "why", "client")["units"][0]
        self.assertIn("event:go", [reason["what"] for reason in why["reasons"]])
        self.tell("is-active", "is-active", "web")
        self.tell("is-active", "is-active", "client", code=3)
        self.tell("is-active", "is-failed", "web", code=1)
        self.tell("stats", "stats")
        self.assertEqual(self.tell("version", "version")["manager"]["pid"], self.b.pid)

    def test_what_has_no_definition(self):
        self.b.unit("broken", "[service]\ncommand = 3\n")
        (self.b.units / "hidden.toml").symlink_to("/dev/null")
        self.b.stop()
        self.b.start()
        for name in ("broken", "hidden"):
            for verb, code in (("status", 3), ("show", 0), ("why", 0)):
                with self.subTest(f"{verb} {name}"):
                    self.tell(verb, verb, name, code=code)
            self.tell("is-active", "is-active", name, code=3)
        self.tell("list", "list")
        self.tell("status", "status", code=None)
        self.tell("plan", "plan")
        self.tell("change", "start", "broken", code=4)

    def test_logs_are_one_object_a_line(self):
        self.wait_until(lambda: "hello" in self.b.ctl("logs", "web").out, self.b.overview)
        lines = self.b.ctl("--json", "logs", "web").out.splitlines()
        for line in lines:
            self.check_against("logs", json.loads(line))
        hello = [json.loads(line) for line in lines if "hello" in line]
        self.assertEqual([(h["unit"], h["run"], h["text"]) for h in hello],
                         [("web", self.b.run("web"), "hello")])

    def test_changing(self):
        started = self.tell("change", "start", "flaky", "task", code=None)["units"]
        self.assertTrue(started[1]["ok"])
        self.assertEqual(started[1]["state"], "done")
        self.b.wait_state("flaky", "failed")
        self.assertEqual(self.tell("status", "status", "flaky", code=3)["units"][0]["exitcode"], 3)
        self.assertEqual(self.tell("wait", "wait", "flaky", code=3)["units"][0]["exitcode"], 3)
        self.tell("done", "reset-failed")
        missing = self.tell("change", "start", "nothing", "web", code=4)["units"]
        self.assertEqual(missing[0]["error"]["name"], "NoSuchUnit")
        self.assertTrue(missing[1]["ok"])
        self.tell("change", "restart", "web")
        self.tell("change", "try-restart", "flaky")
        self.tell("change", "reload", "web", code=1)
        self.tell("done", "terminate", "web")
        self.tell("done", "kill", "flaky", code=1)
        self.tell("change", "stop", "client", "web")
        self.tell("change", "isolate", "web")
        self.tell("error", "wait", "nothing", code=4)

    def test_events_and_devices(self):
        self.tell("done", "event", "set", "go", "event:other")
        told = self.tell("event", "event", "show", "go", "unheard")["events"]
        self.assertEqual([(e["event"], e["set"]) for e in told], [("go", True), ("unheard", False)])
        self.tell("event", "event", "wait", "go")
        self.tell("event", "event", "wait", "never", "--timeout", "50ms", code=124)
        self.tell("event", "event", "clear", "go")
        self.b.ctl("start", "holder")
        device = self.tell("device", "device", "list")["devices"][0]
        self.assertEqual((device["device"], device["holders"]), ("bus", ["holder"]))
        self.tell("device", "device", "who", "bus")
        self.tell("error", "device", "who", "nothing", code=4)

    def test_runs(self):
        ran = self.tell("wait", "run", "--wait", "/bin/sh", "-c", "exit 7", code=7)["units"][0]
        self.assertEqual((ran["exitcode"], ran["state"]), (7, "failed"))
        killed = self.tell("wait", "run", "--wait", "/bin/sh", "-c", "kill -9 $$", code=137)
        self.assertEqual(killed["units"][0]["exitcode"], -9)
        unit = self.tell("run", "run", "--", "sleep", "1000")["unit"]
        self.tell("done", "kill", unit)
        self.assertEqual(self.tell("wait", "wait", unit, code=137)["units"][0]["exitcode"], -9)
        self.tell("done", "forget", unit)

    def test_files(self):
        self.tell("check", "check", self.b.units)
        self.tell("enable", "disable", "web")
        self.assertEqual(self.tell("plan", "plan")["changed"],
                         [{"unit": "web", "keys": [{"key": "unit.enabled", "was": "true", "is": "false"}]}])
        self.tell("plan", "apply", "--dry-run", "--restart")
        self.assertTrue(self.tell("plan", "apply")["applied"])
        self.assertTrue(self.tell("plan", "rollback")["rolled_back"])
        self.assertTrue(self.tell("status", "status", code=None)["rolled_back"])
        self.assertFalse(self.tell("plan", "rollback")["rolled_back"])
        self.assertFalse(self.tell("status", "status", "web")["units"][0]["enabled"])
        self.b.unit("broken", "[service]\ncomand = ['/bin/true']\n")
        self.assertFalse(self.tell("check", "check", self.b.units, code=1)["ok"])

    def test_shutdown_and_afterwards(self):
        self.tell("shutdown", "shutdown", "--now")
        self.b.wait_exit()
        self.tell("error", "list", code=125)
        self.assertIsNone(self.tell("version", "version")["manager"])


if __name__ == "__main__":
    main()
