#!/usr/bin/env python3
"""Keeps GPU code honest where there is no GPU.

verified.lock has a line for every case of cases.txt and every GPU target: the hash of the LLVM IR that Plait wrote (before LLVM's own
passes) when the kernels were last run and checked on a real GPU, where that was, and what was measured. As long as Plait still writes
that IR, the code is as good as it was then; the ordinary test, gpu.lock, is that comparison:

    verify.py compare PLAIT               emits the IR of every case; fails when a hash is not that of the lock

A new lock takes three steps, which `verify` in this folder does on one machine that has a compiler, ptxas and a GPU. They may also be done
on two, with FOLDER carried from one to the other:

    verify.py prepare PLAIT FOLDER        needs ptxas: builds the libraries into FOLDER; prepared.json there has hashes, and registers of what
                                          ptxas assembled (late kernels, which the GPU's driver assembles, have none)
    verify.py run PLAIT FOLDER RESULTS    needs a GPU, neither plait-codegen nor ptxas: `plait check` on every library that runs on it;
                                          what came out goes into the file RESULTS
    verify.py lock FOLDER RESULTS         writes verified.lock, unless a check failed; targets of other GPUs keep their lines, which must
                                          have the hash that was prepared

PLAIT is the executable, build/bin/plait. Only Python's own library is used.
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
HEAD = ("# Written by tests/gpu/verify.py: do not edit. Case | target | hash of the emitted LLVM IR | device, driver | date | LLVM | ptxas | "
        "largest RMS(err)/RMS(ref) | registers | spilled bytes")


def output_of(*command):
    """What the command prints, as bytes; where it fails, its messages end this program."""
    done = subprocess.run(command, capture_output=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr.decode(errors='replace')}")
    return done.stdout


def gpu_targets(plait, here=False):
    """Names from codegen/targets.def; `here`: only of those that the GPU of this machine runs."""
    rows = json.loads(output_of(plait, "targets", "--json"))["targets"]
    return [row["name"] for row in rows if row["gpu"] and (row["runs_here"] or not here)]


def cases():
    """Of cases.txt: (name, ["d=64", "R=-0.1:0.1", ..])."""
    for line in (HERE / "cases.txt").read_text().splitlines():
        words = line.split("#")[0].split()
        if words:
            yield words[0], words[1:]


def key(name, sizes):
    return " ".join([name, *sizes])


def source(name):
    example = EXAMPLES / name / f"{name}.plait"
    return str(example if example.exists() else OPERATORS / f"{name}.plait")


def is_range(word):
    return ":" in word


def defines(sizes):
    return [argument for size in sizes if not is_range(size) for argument in ("-D", size)]


def ranges(sizes):
    return [argument for size in sizes if is_range(size) for argument in ("--range", size)]


def library(folder, name, sizes, target):
    return pathlib.Path(folder) / ("-".join([name, *(size.replace("=", "") for size in sizes if not is_range(size)), target]) + ".so")


def emitted_hash(plait, name, sizes, target):
    text = output_of(plait, "emit", source(name), *defines(sizes), "--llvm-raw", "--target", target)
    return hashlib.sha256(text).hexdigest()


def build(plait, folder, name, sizes, target):
    path = library(folder, name, sizes, target)
    facts = json.loads(output_of(plait, "build", source(name), *defines(sizes), "--target", target, "-o", str(path), "--no-cache", "--json"))
    if facts["ptxas"] is None:
        sys.exit("prepare: there is no ptxas, which registers and spills come from")
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
    targets = gpu_targets(plait)
    jobs = [(plait, folder, name, sizes, target) for name, sizes in cases() for target in targets]
    rows = in_parallel(build, jobs)
    (pathlib.Path(folder) / "prepared.json").write_text(json.dumps(rows, indent=1))
    print(f"{len(rows)} libraries in {folder}")


def check(plait, folder, name, sizes, target):
    command = [plait, "check", source(name), *defines(sizes), *ranges(sizes), "--library", str(library(folder, name, sizes, target)), "--device", "cuda", "--json"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300)
    row = {"case": key(name, sizes), "target": target, "ok": False, "error": None, "rows": 0}
    try:
        result = json.loads(run.stdout)
        rows = result["rows"]
        row.update(ok=run.returncode == 0 and bool(rows) and all(r["pass"] for r in rows), rows=len(rows),
                   error=max((r["error"] for r in rows if r["error"] is not None), default=None))
        if not row["ok"]:
            row["messages"] = result.get("diagnostics", [])[:3]
    except (ValueError, KeyError):
        row["messages"] = [run.stdout[-500:], run.stderr[-500:]]
    return row


def run(plait, folder, results):
    targets = gpu_targets(plait, here=True)
    if not targets:
        sys.exit("run: this machine has no GPU that runs code of one of Plait's targets")
    device = output_of("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader").decode().strip()
    rows = in_parallel(check, [(plait, folder, name, sizes, target) for name, sizes in cases() for target in targets])
    pathlib.Path(results).write_text(json.dumps({"device": device, "date": datetime.date.today().isoformat(), "rows": rows}, indent=1))
    for row in rows:
        if not row["ok"]:
            print("FAIL", row)
    print(f"{device}: {len(rows)} libraries checked, {sum(not row['ok'] for row in rows)} failed")
    return all(row["ok"] for row in rows)


def locked():
    """The lines of the lock by (case, target); the hash is the third field."""
    lines = {}
    for line in LOCK.read_text().splitlines() if LOCK.exists() else []:
        fields = line.split(" | ")
        if not line.startswith("#") and len(fields) == len(HEAD.split(" | ")):
            lines[fields[0], fields[1]] = line
    return lines


def hash_of(line):
    return line.split(" | ")[2] if line else None


def lock_line(prepared, row, measured):
    if not row["ok"]:
        sys.exit(f"{row['case']} on {row['target']} failed: no lock is written")
    return " | ".join([row["case"], row["target"], prepared["hash"], measured["device"], measured["date"], prepared["llvm"],
                       prepared["ptxas"], f"{row['error']:.2e}", str(prepared["registers"]), str(prepared["spills"])])


def lock(folder, results):
    measured = json.loads(pathlib.Path(results).read_text())
    rows = {(row["case"], row["target"]): row for row in measured["rows"]}
    known, lines = locked(), [HEAD]
    for prepared in json.loads((pathlib.Path(folder) / "prepared.json").read_text()):
        place = prepared["case"], prepared["target"]
        if place in rows:
            lines.append(lock_line(prepared, rows[place], measured))
        elif hash_of(known.get(place)) == prepared["hash"]:
            lines.append(known[place])
        else:
            sys.exit(f"{place[0]} on {place[1]} was not run, and the lock has not its code: no lock is written")
    temporary = LOCK.with_suffix(".new")
    temporary.write_text("\n".join(lines) + "\n")
    temporary.rename(LOCK)
    print(f"{len(lines) - 1} lines in {LOCK}")


def compare(plait):
    known, targets = locked(), gpu_targets(plait)
    jobs = [(name, sizes, target) for name, sizes in cases() for target in targets]
    hashes = in_parallel(lambda *job: emitted_hash(plait, *job), jobs)
    wrong = 0
    for (name, sizes, target), found in zip(jobs, hashes):
        line = known.get((key(name, sizes), target))
        if hash_of(line) != found:
            wrong += 1
            print(f"{key(name, sizes)} on {target}: {'the emitted code changed since it was verified on a GPU' if line else 'not in the lock'}")
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
