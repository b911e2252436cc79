/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * finding: something about a machine that hurts, or will, and what to do.
 *
 * Each has a kind, which stands in a table: what was looked at, how bad it is,
 * what would be right, why the other thing hurts, and the remedy.  So the
 * daemon that refuses a VM, rcachectl check and docs/checks.md say the same of
 * the same thing.  Beside those there are things that were looked at and are
 * well, and such that could not be looked at, with the reason.
 *
 * Pure.
 */
#ifndef RCACHE_FINDING_H
#define RCACHE_FINDING_H

#include <glib.h>

typedef enum FindingLevel {
    FINDING_OK,                 /* it was looked at, and is well */
    FINDING_NOTE,               /* good to know, or not looked at */
    FINDING_WARNING,            /* it works, with less or more slowly */
    FINDING_ERROR,              /* something does not work, or soon will not */
    FINDING_LEVEL_MAX_
} FindingLevel;

/*
 * Words in capitals (HOST) in .wanted and .remedy stand for what
 * finding_name() puts in their place.
 */
typedef struct FindingKind {
    const char *id;             /* "uring-disabled" */
    const char *check;          /* what was looked at: "io_uring" */
    FindingLevel level;
    const char *wanted;
    const char *why;            /* it hurts: a sentence without its end */
    const char *remedy;         /* a command, or a line of a file */
} FindingKind;

typedef struct Finding {
    const char *check;          /* its kind's, or the caller's constant */
    const char *id;             /* NULL for FINDING_OK; "not-looked-at" */
    FindingLevel level;
    char *what;                 /* for a person */
    char *found;                /* the value, or NULL */
    char *wanted, *remedy;      /* NULL where nothing is wrong */
    const char *why;            /* the same */
} Finding;

typedef struct Findings Findings;

/** findings_new() - none */
Findings *findings_new(void);
void findings_free(Findings *findings);

/**
 * findings_add() - something is wrong
 * @kind: a constant
 * @found: the value that was found; copied, NULL where there is none
 * @fmt: what it is
 *
 * Return: the finding, for finding_name(); the list's, valid until the next
 * one is added
 */
Finding *findings_add(Findings *findings, const FindingKind *kind,
                      const char *found, const char *fmt, ...)
    G_GNUC_PRINTF(4, 5);

/** finding_name() - put @value in place of @word in the remedy */
void finding_name(Finding *finding, const char *word, const char *value);

/** findings_ok() - @check, a constant, was looked at, and is well */
void findings_ok(Findings *findings, const char *check, const char *found);

/**
 * findings_unseen() - @check, a constant, was not looked at
 * @remedy: how it could be; copied
 * @fmt: why not
 */
void findings_unseen(Findings *findings, const char *check,
                     const char *remedy, const char *fmt, ...)
    G_GNUC_PRINTF(4, 5);

/** findings_sort() - the worst first; of one level as they were added */
void findings_sort(Findings *findings);

unsigned findings_count(const Findings *findings);
const Finding *findings_at(const Findings *findings, unsigned at);

/** findings_find() - the first one of an id; NULL: there is none */
const Finding *findings_find(const Findings *findings, const char *id);

/** findings_nr() - how many there are of a level */
unsigned findings_nr(const Findings *findings, FindingLevel level);

/** finding_level_name() - "ok", "note", "warning", "error" */
const char *finding_level_name(FindingLevel level);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Findings, findings_free)

#endif
