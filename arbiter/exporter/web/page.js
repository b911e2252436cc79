/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The page of rcache-exporter: asks for /api/page now and then, and writes what
 * it says into tables.  Names come from the network: they only ever become
 * text (textContent), never markup.  The pictures are made by the server, where
 * names are escaped, and are taken in as XML documents of their own.
 *
 * What is old is shown with its age: the answer says how old the daemon's
 * answers were when it was made (age_seconds) and how old it was when it was
 * given on (the header Age), and the clock here says how long ago it came.
 */
"use strict";

const OLD_S = 45;               /* a slow daemon is asked every 30 seconds */
const REPLY_MS = 15000;         /* an answer may take 9 s */

let page = null;                /* what came last */
let pageAge = 0;                /* how old the answers were then, seconds */
let cameAt = 0;                 /* when, milliseconds */
let failed = null;              /* why nothing newer has come */

function byId(id) {
    return document.getElementById(id);
}

/* An element with children, which are elements or texts. */
function make(name, className, ...children) {
    const element = document.createElement(name);

    if (className) {
        element.className = className;
    }
    element.append(...children.filter((child) => child !== ""));
    return element;
}

/* --------------------------------------------------------------- figures */

/* [figure, unit], rounded as rcachectl rounds. */
function bytes(value) {
    const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let unit = 0;

    if (value === null) {
        return ["–", ""];
    }
    while (value >= 1024 && unit < units.length - 1) {
        value /= 1024;
        unit++;
    }
    return [value.toFixed(unit && value < 100 ? 1 : 0), units[unit]];
}

function count(value) {
    return value === null ? ["–", ""] : [value.toFixed(0), ""];
}

function rate(value) {
    return value === null ? ["–", ""]
                          : [value.toFixed(value && value < 10 ? 1 : 0), "/s"];
}

/* Percent of a vCPU's time, as what it waits in each second. */
function stall(value) {
    return value === null ? ["–", ""]
        : [(value * 10).toFixed(value && value < 1 ? 1 : 0), "ms/s"];
}

function percent(value) {
    return value === null ? ["–", ""] : [value.toFixed(1), "%"];
}

function seconds(value) {
    if (value === null) {
        return ["–", ""];
    }
    if (value < 1e-3) {
        return [(value * 1e6).toFixed(0), "µs"];
    }
    return value < 1 ? [(value * 1e3).toFixed(value < 0.1 ? 1 : 0), "ms"]
                     : [value.toFixed(1), "s"];
}

/* Of an age, in words. */
function age(value) {
    if (value < 120) {
        return `${Math.round(value)} s`;
    }
    return value < 7200 ? `${Math.round(value / 60)} min`
                        : `${(value / 3600).toFixed(1)} h`;
}

/* ---------------------------------------------------------------- tables */

function figureCell(format, value) {
    const [figure, unit] = format(value);
    const cell = make("td", "figure-cell", figure);

    cell.append(make("span", "unit", unit));
    return cell;
}

function nameCell(tag, text) {
    const cell = make(tag, tag === "td" ? "name" : "", text);

    cell.title = text;
    if (tag === "th") {
        cell.scope = "row";
    }
    return cell;
}

/* The word, its colour, and what else there is to say of it. */
function stateCell(row, now) {
    const cell = make("td", "", make("span", `state ${row.kind}`, row.state));

    if (row.stale) {
        cell.append(make("span", "detail",
                         `stale, ${age(row.age_seconds + now)} old`));
    }
    if (row.note) {
        cell.append(make("span", "detail", row.note));
    }
    return cell;
}

/* @columns: [title, number of the figure's format or null, hint] */
function table(id, columns, rows, empty) {
    const head = make("tr");
    const body = make("tbody", "", ...rows);

    for (const [title, right, hint] of columns) {
        const cell = make("th", right ? "figure-cell" : "", title);

        cell.scope = "col";
        if (right) {
            cell.append(make("span", "unit"));
        }
        if (hint) {
            cell.title = hint;
        }
        head.append(cell);
    }
    if (!rows.length) {
        const cell = make("td", "empty", empty);

        cell.colSpan = columns.length;
        body.append(make("tr", "", cell));
    }
    byId(id).replaceChildren(make("thead", "", head), body);
}

function row(stale, ...cells) {
    return make("tr", stale ? "stale" : "", ...cells);
}

function more(name, omitted) {
    byId(`more-${name}`).textContent = omitted
        ? `${omitted} more are not shown; rcachectl shows all.` : "";
}

function showHosts(answer, now) {
    table("hosts", [
        ["Host"], ["State"],
        ["Lent", 1, "What others have of its memory (LEASED)"],
        ["Free", 1, "What it can still lend"],
        ["Predicted", 1, "What it is predicted to be able to lend in all, " +
                         "what is lent included (OFFERED)"],
        ["Stored", 1, "How much of what is lent holds pages"],
        ["Available", 1, "Memory that can be had without swapping"],
        ["Memory", 1], ["Pressure", 1, "PSI some, ten seconds"],
        ["VMs", 1],
    ], answer.hosts.map((host) => row(host.stale,
        nameCell("th", host.name), stateCell(host, now),
        figureCell(bytes, host.leased_bytes),
        figureCell(bytes, host.free_bytes),
        figureCell(bytes, host.offered_bytes),
        figureCell(bytes, host.stored_bytes),
        figureCell(bytes, host.mem_available_bytes),
        figureCell(bytes, host.mem_total_bytes),
        figureCell(percent, host.psi_some_percent),
        figureCell(count, host.vms))), "no hosts");
    byId("n-hosts").textContent = answer.hosts.length + answer.hosts_omitted;
    more("hosts", answer.hosts_omitted);
}

function showVms(answer, now) {
    table("vms", [
        ["VM"], ["Host"], ["State"],
        ["Local", 1, "What of its memory is on its own host (HERE)"],
        ["Remote", 1, "What of it is on others"],
        ["Guest", 1, "All of it"],
        ["Faults", 1, "Pages that it has waited for, a second"],
        ["Stall", 1, "How long a vCPU waits in each second for pages that " +
                     "are away, of the last minute (STALLED)"],
        ["p99", 1, "99 of 100 waits for a page were shorter"],
    ], answer.vms.map((vm) => row(vm.stale,
        nameCell("th", vm.name), nameCell("td", vm.host),
        stateCell(vm, now),
        figureCell(bytes, vm.resident_bytes),
        figureCell(bytes, vm.remote_bytes),
        figureCell(bytes, vm.guest_bytes),
        figureCell(rate, vm.faults_per_second),
        figureCell(stall, vm.stalled_percent),
        figureCell(seconds, vm.fault_p99_seconds))),
    answer.vms_listed ? "no VMs"
        : "there are more VMs than the daemon lists: ask their hosts");
    byId("n-vms").textContent = answer.totals.vms ?? "";
    more("vms", answer.vms_omitted);
}

function showLending(answer) {
    const picture = byId("picture");

    table("lending", [
        ["Lends"], ["Borrows"], ["Stored", 1, "What holds pages"],
        ["Lent", 1, "What it is good for"], ["VMs", 1], ["Remarks"],
    ], answer.lending.map((pair) => row(pair.stale,
        nameCell("th", pair.provider), nameCell("td", pair.requester),
        figureCell(bytes, pair.stored_bytes),
        figureCell(bytes, pair.leased_bytes), figureCell(count, pair.vms),
        make("td", "", [pair.own ? "own disk" : "",
                        pair.stale ? "stale: as was heard last" : "",
                        pair.trouble]
            .filter((text) => text).join("; ")))),
    answer.vms_listed ? "nobody lends to anybody"
        : "there are more VMs than the daemon lists");
    byId("n-lending").textContent = "";
    more("lending", answer.lending_omitted);
    picture.replaceChildren(...svg(answer.svg));
}

/* ------------------------------------------------------------------- sums */

/* A list of the picture, or of nothing. */
function svg(text) {
    const root = text === null ? null
        : new DOMParser().parseFromString(text, "image/svg+xml")
            .documentElement;

    return root && root.localName === "svg" ? [document.importNode(root, true)]
                                            : [];
}

function tile(chart, totals) {
    const formats = { faults_per_second: rate, stalled_percent: stall };
    const [figure, unit] = (formats[chart.figure] || bytes)(
        totals[chart.figure]);
    const space = unit && !unit.startsWith("/") ? " " : "";
    const value = make("div", "figure", figure + space + unit);
    const element = make("div", "tile", make("div", "title", chart.title),
                         value);

    /* Of those whose figures are fresh, where these are not all. */
    if (chart.figure === "faults_per_second" && totals.vms !== null &&
        totals.faults_vms < totals.vms) {
        value.append(make("span", "of",
                          ` of ${totals.faults_vms} of ${totals.vms} VMs`));
    }
    const picture = svg(chart.svg);

    if (picture.length) {
        element.append(...picture, make("div", "hour",
            make("span", "", "1 h ago"), make("span", "", "now")));
    } else {
        element.append(make("div", "nothing",
                            "The line begins after some seconds."));
    }
    return element;
}

function showStatus(answer) {
    const verdict = byId("verdict");
    const kinds = { ok: "ok", degraded: "warn", failing: "bad" };

    /* Only if it is another one: it is read out. */
    if (verdict.textContent !== answer.verdict) {
        verdict.textContent = answer.verdict;
    }
    verdict.className = kinds[answer.level] || "warn";
    byId("problems").replaceChildren(
        ...answer.problems.map((text) => make("li", "", text)),
        ...answer.notes.map((text) => make("li", "note", text)),
        ...(answer.summary && answer.level !== "ok"
            ? [make("li", "note", answer.summary)] : []));
}

/* -------------------------------------------------------------------- age */

function ageNow() {
    return pageAge + (performance.now() - cameAt) / 1000;
}

/* What is said of how old all of it is, once a second. */
function showAge() {
    const old = byId("old");
    let why = failed;

    if (page && page.error !== null && why === null) {
        why = `${page.daemon} does not answer: ${page.error}`;
    }
    if (page && page.answer && why === null && ageNow() > OLD_S) {
        why = "nothing newer has come";
    }
    if (page && page.answer) {
        byId("age").textContent = `as of ${age(ageNow())} ago`;
        if (why !== null) {
            why += `. All that is below is ${age(ageNow())} old.`;
        }
    }
    document.body.classList.toggle("old", why !== null);
    old.hidden = why === null;
    if (why !== null) {
        old.textContent = why;
    }
}

function show() {
    const answer = page.answer;

    byId("daemon").textContent = page.daemon;
    document.title = `rcached: ${page.daemon}`;
    byId("version").textContent = `rcache-exporter ${page.exporter_version}`;
    if (answer) {
        showStatus(answer);
        byId("tiles").replaceChildren(
            ...page.charts.map((chart) => tile(chart, answer.totals)));
        showHosts(answer, ageNow());
        showVms(answer, ageNow());
        showLending(answer);
    }
    document.documentElement.dataset.shown = answer ? "answer" : "none";
}

async function ask() {
    try {
        const reply = await fetch("/api/page", {
            cache: "no-store", signal: AbortSignal.timeout(REPLY_MS) });

        if (!reply.ok) {
            throw new Error(`status ${reply.status}`);
        }
        page = await reply.json();
        cameAt = performance.now();
        pageAge = (page.age_seconds ?? 0) +
                  Number(reply.headers.get("Age") ?? 0);
        failed = null;
        show();
    } catch (error) {
        failed = `rcache-exporter does not answer (${error.message})`;
    }
    showAge();
    setTimeout(ask, (page ? page.poll_seconds : 5) * 1000);
}

setInterval(showAge, 1000);
ask();
