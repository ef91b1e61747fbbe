#!/usr/bin/env python3
"""Every example is short, cites what it implements, has a README that names it, and is run by the reference test.

    shape.py EXAMPLES
"""
import pathlib
import re
import sys

import reference_formulas

folder = pathlib.Path(sys.argv[1])
programs = sorted(folder.glob("*/*.plait"))
problems = [f"{folder}: no examples"] if not programs else []
for program in programs:
    text = program.read_text()
    comment = "".join(line for line in text.splitlines(True) if line.startswith("#"))
    readme = program.with_name("README.md")
    checks = [
        (f"operator {program.stem}(" in text, "holds no operator of its own name"),
        (len(text.splitlines()) <= 40, "has more than 40 lines"),
        (max(map(len, text.splitlines())) <= 150, "has a line of more than 150 characters"),
        (re.search(r"\d{4}, (arXiv \d{4}\.\d{5}|doi:)", comment), "cites no paper with its year and number"),
        (readme.exists() and program.name in readme.read_text(), "has no README.md that shows how to check it"),
        (hasattr(reference_formulas, program.stem), "has no formula in reference_formulas.py"),
    ]
    problems += [f"{program}: {problem}" for good, problem in checks if not good]
print("\n".join(problems) or f"{len(programs)} examples in order")
sys.exit(bool(problems))
