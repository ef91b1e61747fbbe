#!/usr/bin/env python3
"""Keeps GPU code honest where there is no GPU.

verified.lock lists, for every case of cases.txt and every GPU target, the hash of the LLVM IR that Plait wrote (before LLVM's own
passes) when the kernels were last run and checked on a real GPU, and what was measured. Three steps:

    verify.py prepare PLAIT FOLDER        on a machine with the compiler: builds the libraries and notes hashes and registers
    verify.py run PLAIT FOLDER RESULTS    on a machine with a GPU (no compiler needed): checks every library against the interpreter
    verify.py lock FOLDER RESULTS         writes verified.lock from both; refuses when a check failed
    verify.py compare PLAIT               the ordinary test: emits the IR again; fails when a hash differs from the lock

`verify` in this folder does the first three on one machine that has both. Only Python's own library is used.
"""
import concurrent.futures
import datetime
import hashlib
import json
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
EXAMPLES = HERE.parent.parent / "examples"
OPERATORS = HERE.parent / "run" / "operators"
LOCK = HERE / "verified.lock"
TARGETS = ("sm_80", "sm_90a")


def cases():
    for line in (HERE / "cases.txt").read_text().splitlines():
        words = line.split("#")[0].split()
        if words:
            yield words[0], words[1:]


def key(name, sizes):
    return " ".join([name, *sizes]) if sizes else name


def source(name):
    example = EXAMPLES / name / f"{name}.plait"
    return str(example if example.exists() else OPERATORS / f"{name}.plait")


def defines(sizes):
    return [argument for size in sizes for argument in ("-D", size)]


def library(folder, name, sizes, target):
    return pathlib.Path(folder) / ("-".join([name, *(size.replace("=", "") for size in sizes), target]) + ".so")


def emitted_hash(plait, name, sizes, target):
    text = subprocess.run([plait, "emit", source(name), *defines(sizes), "--llvm-raw", "--target", target],
                          check=True, capture_output=True).stdout
    return hashlib.sha256(text).hexdigest()


def build(plait, folder, name, sizes, target):
    path = library(folder, name, sizes, target)
    output = subprocess.run([plait, "build", source(name), *defines(sizes), "--target", target, "-o", str(path), "--no-cache", "--json"],
                            check=True, capture_output=True, text=True).stdout
    facts = json.loads(output)
    path.with_suffix(".h").unlink(missing_ok=True)
    kernels = facts["gpu_kernels"]
    return {"case": key(name, sizes), "target": target, "hash": emitted_hash(plait, name, sizes, target),
            "registers": max(kernel["registers"] for kernel in kernels),
            "spills": sum(kernel["spill_stores"] + kernel["spill_loads"] for kernel in kernels),
            "llvm": facts["codegen"].split("LLVM ")[-1], "ptxas": facts["ptxas"].split("V")[-1]}


def in_parallel(function, jobs):
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(lambda job: function(*job), jobs))


def prepare(plait, folder):
    pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
    jobs = [(plait, folder, name, sizes, target) for name, sizes in cases() for target in TARGETS]
    rows = in_parallel(build, jobs)
    (pathlib.Path(folder) / "prepared.json").write_text(json.dumps(rows, indent=1))
    print(f"{len(rows)} libraries in {folder}")


def check(plait, folder, name, sizes, target):
    command = [plait, "check", source(name), *defines(sizes), "--library", str(library(folder, name, sizes, target)), "--device", "cuda", "--json"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300)
    row = {"case": key(name, sizes), "target": target, "ok": False, "error": None, "rows": 0}
    try:
        result = json.loads(run.stdout)
        rows = result["rows"]
        row.update(ok=run.returncode == 0 and bool(rows) and all(r["pass"] for r in rows), rows=len(rows),
                   error=max((r["error"] for r in rows), default=None))
        if not row["ok"]:
            row["messages"] = result.get("diagnostics", [])[:3]
    except (ValueError, KeyError):
        row["messages"] = [run.stdout[-500:], run.stderr[-500:]]
    return row


def run(plait, folder, results):
    device = subprocess.run(["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"], capture_output=True, text=True).stdout.strip()
    rows = [check(plait, folder, name, sizes, target) for name, sizes in cases() for target in TARGETS]
    pathlib.Path(results).write_text(json.dumps({"device": device, "date": datetime.date.today().isoformat(), "rows": rows}, indent=1))
    for row in rows:
        if not row["ok"]:
            print("FAIL", row)
    print(f"{device}: {len(rows)} libraries checked, {sum(not row['ok'] for row in rows)} failed")
    return all(row["ok"] for row in rows)


def lock(folder, results):
    prepared = {(row["case"], row["target"]): row for row in json.loads((pathlib.Path(folder) / "prepared.json").read_text())}
    measured = json.loads(pathlib.Path(results).read_text())
    lines = ["# Written by tests/gpu/verify.py: do not edit. Case | target | hash of the emitted LLVM IR | device, driver | date | LLVM | ptxas | "
             "largest RMS(err)/RMS(ref) | registers | spilled bytes"]
    for row in measured["rows"]:
        facts = prepared[row["case"], row["target"]]
        if not row["ok"]:
            sys.exit(f"{row['case']} on {row['target']} failed: no lock is written")
        lines.append(" | ".join([row["case"], row["target"], facts["hash"], measured["device"], measured["date"], facts["llvm"], facts["ptxas"],
                                 f"{row['error']:.2e}", str(facts["registers"]), str(facts["spills"])]))
    temporary = LOCK.with_suffix(".new")
    temporary.write_text("\n".join(lines) + "\n")
    temporary.rename(LOCK)
    print(f"{len(lines) - 1} lines in {LOCK}")


def locked():
    rows = {}
    for line in LOCK.read_text().splitlines():
        fields = [field.strip() for field in line.split("|")]
        if not line.startswith("#") and len(fields) == 10:
            rows[fields[0], fields[1]] = fields[2]
    return rows


def compare(plait):
    known = locked()
    jobs = [(name, sizes, target) for name, sizes in cases() for target in TARGETS]
    hashes = in_parallel(lambda *job: emitted_hash(plait, *job), jobs)
    wrong = 0
    for (name, sizes, target), found in zip(jobs, hashes):
        case = key(name, sizes)
        if known.get((case, target)) != found:
            wrong += 1
            print(f"{case} on {target}: " + ("not in the lock" if (case, target) not in known else "the emitted code changed since it was verified on a GPU"))
    print(f"{len(jobs)} hashes compared, {wrong} differ" + ("; run tests/gpu/verify on a GPU and commit verified.lock" if wrong else ""))
    return wrong == 0 and bool(jobs)


def main(arguments):
    commands = {"prepare": (prepare, 2), "run": (run, 3), "lock": (lock, 2), "compare": (compare, 1)}
    if not arguments or arguments[0] not in commands or len(arguments) - 1 != commands[arguments[0]][1]:
        sys.exit(__doc__)
    if commands[arguments[0]][0](*arguments[1:]) is False:
        sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
