# SPDX-License-Identifier: GPL-2.0-or-later
"""peerplot: the figures of peers as bars, an SVG for each kind of pattern."""
import os
import shutil
import subprocess

# Each plot: its title, and its metrics.
PLOTS = {
    "uniform": ("uniform reads, a quarter of the guest here",
                ("uniform_1", "uniform_4", "uniform_16")),
    "zipf": ("zipf 0.99, 10 % writes", ("zipf_25", "zipf_50")),
    "scans": ("scans, a quarter of the guest here",
              ("seq_read", "seq_write", "strided", "interleaved")),
}
BARS = ("floor", "rcached", "sealed", "copies2", "stock", "swapfile", "zram")
SCRIPT = """set terminal svg size 800,400
set output "{out}"
set title "{title}"
set ylabel "{unit}"
set yrange [0:*]
set style data histograms
set style fill solid
set boxwidth 0.9
set key outside
set grid ytics
set datafile missing "-"
plot for [i=2:{last}] "{data}" using i:xtic(1) title columnheader(i)
"""


def value_of(row, bar):
    if bar == "floor":
        return row["floor"]
    return row["value"] if bar == "rcached" else row["peers"].get(bar)


def draw(bench, load):
    gnuplot = shutil.which("gnuplot")
    if not gnuplot:
        bench.say("peers: no plots: gnuplot is not installed")
        return
    rows = {r["metric"]: r for r in bench.results if r["bench"] == "peers"}
    for name, (title, metrics) in PLOTS.items():
        data, out = load.path(f"{name}.dat"), load.path(f"{name}.svg")
        bars = [b for b in BARS
                if any(value_of(rows[m], b) is not None for m in metrics)]
        with open(data, "w", encoding="utf-8") as f:
            f.write(" ".join(["pattern", *bars]) + "\n")
            for m in metrics:
                values = [value_of(rows[m], b) for b in bars]
                f.write(" ".join(
                    [m.replace("_", "-"),
                     *("-" if v is None else str(v) for v in values)]) + "\n")
        done = subprocess.run(
            [gnuplot, "-"], text=True, capture_output=True, check=False,
            input=SCRIPT.format(out=out, title=title, data=data,
                                unit=rows[metrics[0]]["unit"],
                                last=len(bars) + 1))
        if done.returncode or not os.path.exists(out):
            bench.say(f"peers: no plot: {done.stderr.strip()}")
            return
    bench.say(f"peers: plots and samples are in {load.folder}")
