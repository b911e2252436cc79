/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * top-layout: the screen of "rcachectl top" as lines of text.
 *
 *     what and where                                            the time
 *     the verdict, and what is wrong
 *     HOST ...      a table of hosts, as much of it as half the screen takes
 *     VM ...        a table of VMs, the rest: their figures, or what they wait for
 *     keys
 *
 * Pure: from the model, what the user has chosen, and a size.  A table drops
 * its least important columns until it fits; names give way last.
 */
#ifndef RCACHECTL_TOP_LAYOUT_H
#define RCACHECTL_TOP_LAYOUT_H

#include <glib.h>

#include "arbiter/rcachectl/top-model.h"

#define TOP_WIDTH_MIN   20u
#define TOP_HEIGHT_MIN  6u

typedef enum TopTable {
    TOP_HOSTS,
    TOP_VMS,
    TOP_TABLES
} TopTable;

typedef enum TopStyle {
    TOP_PLAIN,
    TOP_HEAD,                   /* of a table; and of the one in focus: */
    TOP_HEAD_FOCUS,
    TOP_GOOD,
    TOP_WARN,
    TOP_BAD,
    TOP_FAINT
} TopStyle;

typedef struct TopLine {
    char *text;
    TopStyle style;
} TopLine;

/* What the user has chosen. */
typedef struct TopView {
    const char *socket;
    const char *clock;          /* the time, for the corner */
    TopTable focus;
    bool phases;                /* of the VMs: what their guests wait for */
    unsigned first[TOP_TABLES]; /* the first row shown; kept in range by */
                                /* top_layout() */
    unsigned sort[TOP_TABLES];  /* which order; any number will do */
    unsigned page;              /* rows of the table in focus; set by */
                                /* top_layout() */
} TopView;

/**
 * top_layout() - all lines of the screen
 *
 * Return: an array of TopLine, at most @height, none wider than @width
 * columns
 */
GArray *top_layout(const TopModel *model, TopView *view, unsigned width,
                   unsigned height);

/** top_columns() - how many columns of a terminal a text takes */
unsigned top_columns(const char *text);

#endif
