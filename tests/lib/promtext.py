# SPDX-License-Identifier: GPL-2.0-or-later
"""promtext: figures in Prometheus' text format, and which alerts they raise.

parse() and offences() need nothing; alerts() and lint() run promtool, and want
its path (find_promtool()).
"""
import functools
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
RULES = os.path.join(TOP, "dist", "prometheus", "rcached.rules.yml")

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
SAMPLE = re.compile(rf"({NAME})(?:{{(.*)}})? (\S+)$")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\n"])*)"')
TYPES = ("counter", "gauge", "histogram")
PARTS = ("_bucket", "_sum", "_count")
# What a name must not say, and the base unit that it should.
UNITS = {"milliseconds": "seconds", "ms": "seconds", "us": "seconds",
         "ns": "seconds", "minutes": "seconds", "hours": "seconds",
         "days": "seconds", "kilobytes": "bytes", "megabytes": "bytes",
         "kib": "bytes", "mib": "bytes", "gib": "bytes", "bits": "bytes",
         "percent": "ratio", "percentage": "ratio"}


def labels_of(text):
    """The labels between the braces; ValueError if they are malformed."""
    found, at = {}, 0
    while at < len(text):
        match = LABEL.match(text, at)
        if not match or match[1] in found:
            raise ValueError(text)
        found[match[1]] = match[2]
        at = match.end()
        if at < len(text):
            if text[at] != "," or at + 1 == len(text):
                raise ValueError(text)
            at += 1
    return found


def parse(text):
    """[(name, labels, value)] in their order; ValueError if a line is none."""
    found = []
    for line in text.splitlines():
        if line and not line.startswith("#"):
            match = SAMPLE.match(line)
            if not match:
                raise ValueError(line)
            found.append((match[1], labels_of(match[2] or ""),
                          float(match[3])))
    return found


def names(text):
    """Of all series that are there, and of all that are only announced."""
    return ({name for name, _, _ in parse(text)} |
            set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE)))


def family_of(name, types):
    """Which announced name a sample belongs to."""
    for part in PARTS:
        stem = name.removesuffix(part)
        if stem != name and types.get(stem) == "histogram":
            return stem
    return name


def offences_of_name(name, kind):
    words = name.split("_")
    wrong = [f"{name}: {word} is no base unit: {UNITS[word]} is"
             for word in words if word in UNITS]
    if words[0] != "rcache":
        wrong.append(f"{name} does not begin with rcache_")
    if kind == "counter" and words[-1] != "total":
        wrong.append(f"{name} is a counter and does not end with _total")
    if kind != "counter" and words[-1] in ("total", "count", "sum", "bucket"):
        wrong.append(f"{name} is no counter and ends with _{words[-1]}")
    if words[-1] == "info" and kind != "gauge":
        wrong.append(f"{name} is not a gauge")
    if {"gauge", "counter", "histogram"} & set(words):
        wrong.append(f"{name} has its type in its name")
    return wrong


def offences_of_histogram(name, samples):
    """Of each series: buckets that grow up to +Inf, which is the count."""
    series, wrong = {}, []
    for full, labels, value in samples:
        labels = dict(labels)
        le = labels.pop("le", None)
        one = series.setdefault(tuple(sorted(labels.items())), {"le": []})
        if full == name + "_bucket":
            one["le"].append((float(le), value))
        else:
            one[full.removeprefix(name)] = value
    for one in series.values():
        if (one["le"] != sorted(one["le"]) or
                [v for _, v in one["le"]] != sorted(v for _, v in one["le"])):
            wrong.append(f"{name}: the buckets do not grow")
        if (not one["le"] or one["le"][-1][0] != float("inf") or
                one["le"][-1][1] != one.get("_count") or "_sum" not in one):
            wrong.append(f"{name}: +Inf, _count and _sum do not agree")
    return wrong


def offences(text):
    """What is wrong with names, units and form; [] if nothing is."""
    wrong, types, helps, closed, current = [], {}, {}, set(), None
    by_family, seen = {}, set()
    for line in text.splitlines():
        head = re.match(rf"# (HELP|TYPE) ({NAME}) (.+)$", line)
        if head and head[1] == "HELP":
            helps[head[2]] = head[3]
        elif head:
            if head[2] in types:
                wrong.append(f"{head[2]} is announced twice")
            types[head[2]] = head[3]
            if head[3] not in TYPES:
                wrong.append(f"{head[2]}: {head[3]} is no type")
            wrong += offences_of_name(head[2], head[3])
        elif line.startswith("#") or not line:
            wrong.append(f"a line of no use: {line!r}")
        else:
            name, labels, value = parse(line)[0]
            family = family_of(name, types)
            if family != current:
                if family in closed:
                    wrong.append(f"{family} stands in two places")
                closed.add(family)
                current = family
            if family not in types or not helps.get(family, "").endswith("."):
                wrong.append(f"{name} has no TYPE or no HELP")
            key = (name, tuple(sorted(labels.items())))
            if key in seen:
                wrong.append(f"{name} {labels} is there twice")
            seen.add(key)
            by_family.setdefault(family, []).append((name, labels, value))
            if types.get(family) == "counter" and value < 0:
                wrong.append(f"{name} is a counter below 0")
    for family, samples in by_family.items():
        if types.get(family) == "histogram":
            wrong += offences_of_histogram(family, samples)
    return wrong


# --------------------------------------------------------------- promtool

@functools.cache
def find_promtool():
    """Its path, and None; or None, and why there is none.  scripts/test has
    fetched it: a test is no time to wait for a network."""
    done = subprocess.run([os.path.join(TOP, "scripts", "promtool"),
                           "--print-path", "--no-fetch"], capture_output=True,
                          text=True, check=False)
    if done.returncode:
        return None, done.stderr.strip().splitlines()[-1]
    return done.stdout.strip(), None


def main(*names):
    """unittest.main() of these cases, or of all, but what was skipped is told
    as a skip, with its reason, and not as a success of what was left."""
    done = unittest.main(argv=[sys.argv[0], *names], exit=False).result
    if not done.wasSuccessful():
        sys.exit(1)
    if done.skipped:
        print(f"skipped: {done.skipped[0][1]}")
        sys.exit(77)


def lint(promtool, text):
    """What promtool says of the figures; '' if it finds nothing."""
    done = subprocess.run([promtool, "check", "metrics"], input=text,
                          capture_output=True, text=True, check=False)
    return done.stdout + done.stderr if done.returncode else ""


def series_text(name, labels):
    inside = ",".join(f'{k}="{v}"' for k, v in sorted(labels.items()))
    return f"{name}{{{inside}}}"


def run_queries(promtool, series, queries, rules=RULES):
    """
    What queries find: a text for each.

    @series: {"name{labels}": values as promtool's unit tests have them}, one
    a minute.  @queries: [(expression, minute)].
    """
    return run_tests(promtool, [(series, queries)], rules)[0]


def run_tests(promtool, tests, rules=RULES, interval=1):
    """
    The same of several tests, [(series, queries)], that know nothing of each
    other: to start promtool takes longer than most of them.  Rules are
    evaluated each @interval minutes.
    """
    # promtool names the query that finds something, not the test that it is of.
    numbered = [[(f"{expression} # {number}", minute)
                 for expression, minute in queries]
                for number, (_, queries) in enumerate(tests)]
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "test.yml")
        # JSON is YAML, too.  Nothing is expected: what there is is told.
        with open(path, "w", encoding="utf-8") as out:
            json.dump({"rule_files": [rules],
                       "evaluation_interval": f"{interval}m",
                       "tests": [{
                           "interval": "1m",
                           "input_series": [
                               {"series": s, "values": v}
                               for s, v in sorted(series.items())],
                           "promql_expr_test": [
                               {"expr": e, "eval_time": f"{t}m",
                                "exp_samples": []} for e, t in queries]}
                           for (series, _), queries in zip(tests, numbered)]},
                      out)
        done = subprocess.run([promtool, "test", "rules", path],
                              capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    if ", err: " in said:
        raise RuntimeError(said)
    found = [[answer(said, *query) for query in queries]
             for queries in numbered]
    if done.returncode and not any(map(any, found)):
        raise RuntimeError(said)
    return found


def answer(said, expression, minute):
    """What promtool says that the query found; "": nothing."""
    match = re.search(
        rf"expr: {re.escape(json.dumps(expression))}, time: "
        rf"{minute_text(minute)},\s*exp:\s*nil,?\s*got:\s*(.*)", said)
    return match[1] if match else ""


def minute_text(minute):
    """As promtool writes it: 1d2h9m."""
    hours, minutes = divmod(minute, 60)
    days, hours = divmod(hours, 24)
    return "".join(f"{n}{unit}" for n, unit in
                   ((days, "d"), (hours, "h"), (minutes, "m")) if n) or "0s"


def is_used(name):
    with open(RULES, encoding="utf-8") as rules:
        return re.search(rf"\b{name}\b", rules.read()) is not None


def alerts(promtool, texts, minutes=130):
    """
    Which alerts fire if the figures are for @minutes each as these texts have
    them, one after the other: those that fire at the end of the first text's
    time, those that do at any time, and those that do in the end.

    @texts: what was read at one moment each: [{instance: (job, text)}]
    """
    series = {}
    for number, moment in enumerate(texts):
        for instance, (job, text) in moment.items():
            read = parse(text) + [("up", {}, 1)]
            for name, labels, value in read:
                if name != "up" and not is_used(name):
                    continue
                key = series_text(name, dict(labels, instance=instance,
                                             job=job))
                # No figure, and none kept from before.
                values = series.setdefault(
                    key, [f"stale _x{minutes - 1}"] * len(texts))
                values[number] = f"{value:g}x{minutes - 1}" \
                    if value == int(value) else f"{value!r}x{minutes - 1}"
    series = {key: " ".join(values) for key, values in series.items()}
    end = minutes * len(texts) - 1
    firing = 'ALERTS{alertstate="firing"}'
    found = run_queries(promtool, series, [
        (f"count by (alertname) ({firing})", minutes - 1),
        (f"count by (alertname) (max_over_time({firing}[{end}m]))", end),
        (f"count by (alertname) ({firing})", end)])
    return tuple(set(re.findall(r'alertname="(\w+)"', text))
                 for text in found)
