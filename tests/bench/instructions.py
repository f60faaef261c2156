#!/usr/bin/env python3
"""Has a build become slower? Counts the instructions of fixed workloads with callgrind, so that noise can't hide a loss.

    instructions.py OLD NEW [--limit 1.0]      exit status 1 if a workload of NEW takes over 1 % more than in OLD
    instructions.py BUILD --save counts.json   counts to compare with later

OLD and NEW are build folders (LEADLINE_BUILD_BENCH) or saved counts. Counted is one run of a session and one training step,
on one thread, without start and file reading. Valgrind knows no AVX-512, so the levels are x86-64-v3 and x86-64. A count
says nothing about caches and memory: bench_network and bench_layers measure those."""
import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

UNET = ["--model.base_channels", "16", "--model.levels", "3"]
FASTDEPTH = ["--model.network", "fastdepth", "--model.width_multiplier", "0.5"]
NETWORKS = {"unet 96x96": [*UNET, "--size", "96x96"], "fastdepth 128x128": [*FASTDEPTH, "--size", "128x128"]}
TRAINING = {"unet 48x64, batch 2": [*UNET, "--size", "48x64", "--batch", "2"],
            "fastdepth 64x64, batch 2": [*FASTDEPTH, "--size", "64x64", "--batch", "2"]}
LEVELS = ["x86-64-v3", "x86-64"]
TINY = {"networks": {"unet 16x24": ["--model.base_channels", "4", "--model.levels", "2", "--size", "16x24"]}, "levels": LEVELS[:1]}


def callgrind(function, command, folder):
    """Instructions between entry and exit of a function."""
    out = Path(folder) / "callgrind.out"
    environment = dict(os.environ, OMP_NUM_THREADS="1", OMP_PROC_BIND="false")
    done = subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", f"--toggle-collect={function}",
                           *map(str, command)], env=environment, capture_output=True, text=True, check=False)
    totals = re.search(r"^(?:totals|summary): (\d+)", out.read_text() if out.exists() else "", re.MULTILINE)
    if done.returncode != 0 or not totals or int(totals.group(1)) == 0:
        sys.exit(f"callgrind of {' '.join(map(str, command))} failed:\n{done.stderr[-2000:]}")
    out.unlink()
    return int(totals.group(1))


def count(build, tiny):
    programs = Path(build) / "tests/bin"
    for program in ("bench_model", "bench_network", "bench_train"):
        if not (programs / program).exists():
            sys.exit(f"{programs / program}: there is no such program; build it with -D LEADLINE_BUILD_BENCH=ON")
    counts = {}
    with tempfile.TemporaryDirectory() as folder:
        for level in TINY["levels"] if tiny else LEVELS:
            for name, options in (TINY["networks"] if tiny else NETWORKS).items():
                model = Path(folder) / "model"
                subprocess.run([programs / "bench_model", *options, "--out", model], check=True, stdout=subprocess.DEVNULL)
                counts[f"inference, {name}, {level}"] = callgrind(
                    "leadline_run_raw", [programs / "bench_network", f"{model}.lead", "--once", "1", "--isa", level], folder)
            for name, options in ({} if tiny else TRAINING).items():
                counts[f"training step, {name}, {level}"] = callgrind(
                    "*Training::step*", [programs / "bench_train", *options, "--steps", "1", "--isa", level], folder)
    return counts


def counts_of(place, tiny):
    return json.loads(Path(place).read_text()) if place.endswith(".json") else count(place, tiny)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("places", nargs="+", metavar="BUILD|COUNTS.json")
    parser.add_argument("--limit", type=float, default=1.0, help="per cent")
    parser.add_argument("--save", help="write the last one's counts to this file")
    parser.add_argument("--tiny", action="store_true", help="one small workload: to try this program")
    arguments = parser.parse_args()
    if len(arguments.places) > 2:
        parser.error("one or two of them are wanted")
    if not shutil.which("valgrind"):
        print("skipped: there is no valgrind on this machine")
        sys.exit(77)
    all_counts = [counts_of(place, arguments.tiny) for place in arguments.places]
    old, new = all_counts[0], all_counts[-1]
    if arguments.save:
        Path(arguments.save).write_text(json.dumps(new, indent=1))
    slower = []
    print(f"{'workload':50s} {'M instructions':>15s}" + (f" {'before':>10s} {'change':>8s}" if len(all_counts) == 2 else ""))
    for name, value in new.items():
        line = f"{name:50s} {value * 1e-6:15.2f}"
        if len(all_counts) == 2 and name in old:
            change = 100 * (value / old[name] - 1)
            line += f" {old[name] * 1e-6:10.2f} {change:+7.2f}%"
            if change > arguments.limit:
                slower.append(name)
        print(line)
    if missing := [name for name in old if name not in new]:
        sys.exit(f"not counted any more: {'; '.join(missing)}")
    if slower:
        sys.exit(f"more than {arguments.limit} % slower: {'; '.join(slower)}")


if __name__ == "__main__":
    main()
