/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verdict: whether all is well, in a line that an operator can act upon.
 *
 * What is seen is put in with how bad it is.  The line names the worst, with
 * its reasons, as many as a line has room for:
 *
 *     failing: vm web1 has waited 12.0 s for host b; host b is dead; and 3 more
 *     degraded: host b is suspect, last heard 4.2 s ago
 *     ok: 3 of 3 hosts alive, ...
 *
 * Pure.
 */
#ifndef RCACHE_VERDICT_H
#define RCACHE_VERDICT_H

#include <glib.h>
#include <json-glib/json-glib.h>
#include <stdint.h>

typedef enum VerdictLevel {
    VERDICT_NOTE,               /* nothing wrong, but good to know */
    VERDICT_DEGRADED,           /* it works, with less or slower */
    VERDICT_FAILING,            /* a VM stands still, or has lost bytes */
    VERDICT_LEVEL_MAX_
} VerdictLevel;

typedef struct Verdict Verdict;

/** verdict_new() - nothing seen: all is well */
Verdict *verdict_new(void);
void verdict_free(Verdict *verdict);

/**
 * verdict_add() - something was seen
 *
 * Of each level a few hundred texts are kept; all are counted.
 */
void verdict_add(Verdict *verdict, VerdictLevel level, const char *fmt, ...)
    G_GNUC_PRINTF(3, 4);

/**
 * verdict_size() - bytes for a person: "1.5 GiB"
 * @out: at least 32 bytes
 *
 * Return: @out
 */
const char *verdict_size(uint64_t bytes, char *out);

/** verdict_level() - the worst; VERDICT_NOTE where nothing is wrong */
VerdictLevel verdict_level(const Verdict *verdict);

/** verdict_line() - in a line, new; @summary is for where nothing is wrong */
char *verdict_line(const Verdict *verdict, const char *summary);

/**
 * verdict_set() - put it into an answer
 *
 * Members: "ok", "level" ("ok", "degraded", "failing"), "verdict" (the line),
 * "problems" (the worst first) and "notes".
 */
void verdict_set(const Verdict *verdict, JsonObject *o, const char *summary);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Verdict, verdict_free)

#endif
