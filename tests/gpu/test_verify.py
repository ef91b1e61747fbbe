#!/usr/bin/env python3
"""Tests of verify.py with a stand-in for plait: what gets into the lock, and what compare says then."""
import contextlib
import io
import json
import pathlib
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True  # nothing is left in the source tree
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import verify  # noqa: E402

# Knows two GPU targets, of which one runs here; what it emits is its arguments and the file `ir` beside it.
PLAIT = """#!/bin/sh
case $1 in
targets) echo '{"targets": [{"name": "cpu", "gpu": false, "runs_here": true}, {"name": "sm_1", "gpu": true, "runs_here": true},
                            {"name": "sm_2", "gpu": true, "runs_here": false}]}' ;;
emit) echo "$@"; cat "${0%/*}/ir" ;;
*) echo "what is $1?" >&2; exit 2 ;;
esac
"""


class Verify(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.plait = str(self.folder / "plait")
        pathlib.Path(self.plait).write_text(PLAIT)
        pathlib.Path(self.plait).chmod(0o755)
        (self.folder / "ir").write_text("one")
        self.addCleanup(setattr, verify, "LOCK", verify.LOCK)
        self.addCleanup(setattr, verify, "cases", verify.cases)
        verify.LOCK = self.folder / "verified.lock"
        verify.cases = lambda: [("retnet", []), ("gla", ["d=33", "e=40"])]

    def quietly(self, function, *arguments):
        with contextlib.redirect_stdout(io.StringIO()) as self.printed:
            return function(*arguments)

    def prepare(self):
        rows = [{"case": verify.key(*case), "target": target, "hash": verify.emitted_hash(self.plait, *case, target),
                 "registers": 40, "spills": 0, "llvm": "22", "ptxas": "13"} for case in verify.cases() for target in ("sm_1", "sm_2")]
        (self.folder / "prepared.json").write_text(json.dumps(rows))

    def lock(self, targets, ok=True):
        """Of a machine on which these targets ran."""
        rows = [{"case": verify.key(*case), "target": target, "ok": ok, "error": 1e-9} for case in verify.cases() for target in targets]
        (self.folder / "results").write_text(json.dumps({"device": "a GPU, 1.0", "date": "2026-01-01", "rows": rows}))
        self.quietly(verify.lock, str(self.folder), str(self.folder / "results"))

    def compare(self):
        return self.quietly(verify.compare, self.plait)

    def change(self):
        (self.folder / "ir").write_text("two")
        self.prepare()

    def test_targets(self):
        self.assertEqual(verify.gpu_targets(self.plait), ["sm_1", "sm_2"])
        self.assertEqual(verify.gpu_targets(self.plait, here=True), ["sm_1"])

    def test_all_targets_run(self):
        self.assertFalse(self.compare())
        self.assertIn("not in the lock", self.printed.getvalue())
        self.prepare()
        self.lock(["sm_1", "sm_2"])
        self.assertTrue(self.compare())
        self.assertIn("4 hashes compared, 0 differ", self.printed.getvalue())

    def test_changed_code(self):
        self.prepare()
        self.lock(["sm_1", "sm_2"])
        self.change()
        self.assertFalse(self.compare())
        self.assertIn("gla d=33 e=40 on sm_2: the emitted code changed", self.printed.getvalue())

    def test_failed_check(self):
        self.prepare()
        with self.assertRaises(SystemExit):
            self.lock(["sm_1", "sm_2"], ok=False)
        self.assertFalse(verify.LOCK.exists())

    def test_other_gpu(self):
        """Targets that do not run here keep their lines only while these are of the same code."""
        self.prepare()
        with self.assertRaises(SystemExit):
            self.lock(["sm_1"])
        self.lock(["sm_1", "sm_2"])
        before = verify.LOCK.read_text()
        self.lock(["sm_1"])
        self.assertEqual(verify.LOCK.read_text(), before)
        self.change()
        with self.assertRaises(SystemExit):
            self.lock(["sm_1"])
        self.assertEqual(verify.LOCK.read_text(), before)

    def test_failing_plait(self):
        with self.assertRaises(SystemExit) as raised:
            verify.output_of(self.plait, "frobnicate")
        self.assertIn("what is frobnicate?", str(raised.exception))

    def test_real_lock(self):
        """Every line of the lock in the repository is read, and belongs to a case."""
        self.doCleanups()
        lines = verify.LOCK.read_text().splitlines()
        cases = {verify.key(*case) for case in verify.cases()}
        self.assertEqual(lines[0], verify.HEAD)
        self.assertEqual(len(verify.locked()), len(lines) - 1)
        self.assertEqual({case for case, _ in verify.locked()}, cases)


if __name__ == "__main__":
    unittest.main()
