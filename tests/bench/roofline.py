#!/usr/bin/env python3
"""roofline.py LAYERS.csv PLOT.png: what bench_layers --csv measured, as a roofline plot (S. Williams et al., "Roofline: an
insightful visual performance model", 2009): GFLOP/s over FLOP per byte that must move, under the machine's measured memory
bandwidth and multiply-add peaks. Winograd does fewer operations than the definition counts: it may stand above the roof.
--pass forward|data_gradient|weight_gradient chooses one (default: all). Needs matplotlib."""
import argparse
import csv

import matplotlib
matplotlib.use("Agg")
from matplotlib import pyplot

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("layers")
parser.add_argument("plot")
parser.add_argument("--pass", dest="which")
arguments = parser.parse_args()
with open(arguments.layers, newline="") as file:
    rows = [row for row in csv.DictReader(file) if float(row["flop"]) > 0 and arguments.which in (None, row["pass"])]
if not rows:
    parser.exit(1, f"{arguments.layers} has no convolutions or linear layers" + (f" with pass {arguments.which}\n" if arguments.which else "\n"))

figure, axis = pyplot.subplots(figsize=(8, 5.5))
intensities = [float(row["flop"]) / float(row["bytes"]) for row in rows]
span = (min(intensities) / 2, max(intensities) * 2)
for isa, threads in sorted({(row["isa"], row["threads"]) for row in rows}):
    row = next(r for r in rows if (r["isa"], r["threads"]) == (isa, threads))
    peak, bandwidth = float(row["peak_flops"]) * 1e-9, float(row["bandwidth"]) * 1e-9
    ridge = peak / bandwidth
    axis.plot([span[0], max(ridge, span[0]), max(span[1], ridge)], [min(peak, span[0] * bandwidth), peak, peak],
              linewidth=1, color="0.3", linestyle="-" if threads == "1" else "--")
    axis.text(span[1], peak * 1.03, f"{isa}, {threads} thread{'s' if threads != '1' else ''}: {peak:.0f} GFLOP/s, {bandwidth:.0f} GB/s",
              ha="right", fontsize=7, color="0.3")
colours = dict(zip(sorted({row["algorithm"] for row in rows}), pyplot.cm.tab10.colors))
markers = dict(zip(["forward", "data_gradient", "weight_gradient", "training_forward"], "o^sd"))
for row in rows:
    axis.scatter(float(row["flop"]) / float(row["bytes"]), float(row["flop"]) / float(row["median_s"]) * 1e-9, s=22,
                 color=colours[row["algorithm"]], marker=markers[row["pass"]], alpha=1 if row["chosen"] == "1" else 0.3)
for algorithm, colour in colours.items():
    axis.scatter([], [], color=colour, label=algorithm)
for name in sorted({row["pass"] for row in rows}):
    axis.scatter([], [], color="0.5", marker=markers[name], label=name)
axis.set_xscale("log")
axis.set_yscale("log")
axis.set_xlim(*span)
axis.set_xlabel("FLOP of the definition per byte of sources, weights and result")
axis.set_ylabel("GFLOP/s (solid: what the plan chooses)")
axis.legend(fontsize=7, frameon=False)
for side in ("top", "right"):
    axis.spines[side].set_visible(False)
figure.tight_layout()
figure.savefig(arguments.plot, dpi=150)
