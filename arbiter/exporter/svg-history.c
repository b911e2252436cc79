/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * svg-history: the chart of one figure of the last hour.  See svg-history.h.
 *
 * Time goes from an hour ago, on the left, to now; the line begins at 0.  Where
 * nothing was known for HOLE_US there is no line.
 */
#include "arbiter/exporter/svg-history.h"

#include <glib.h>
#include <math.h>

#include "arbiter/exporter/page-value.h"

#define WIDTH           300.0
#define TALL            72.0
#define TOP             8.0     /* above the highest point */
/* A daemon that takes long is asked every 30 seconds at the least. */
#define HOLE_US         (60 * G_USEC_PER_SEC)

typedef struct Range {
    double least, most;
    unsigned known;
} Range;

static Range range_of(const History *history, HistoryKind kind, int64_t now)
{
    Range range = { INFINITY, 0, 0 };

    for (unsigned i = 0; i < history_count(history, now); i++) {
        double value = history_at(history, now, i)->value[kind];

        if (!isnan(value)) {
            range.least = MIN(range.least, value);
            range.most = MAX(range.most, value);
            range.known++;
        }
    }
    return range;
}

static void point(GString *out, char with, double x, double y)
{
    char left[G_ASCII_DTOSTR_BUF_SIZE], right[G_ASCII_DTOSTR_BUF_SIZE];

    g_string_append_printf(out, "%c%s %s", with,
                           g_ascii_formatd(left, sizeof(left), "%.1f", x),
                           g_ascii_formatd(right, sizeof(right), "%.1f", y));
}

static void draw_line(GString *out, const History *history, HistoryKind kind,
                      int64_t now, double most)
{
    const HistorySample *last = NULL;

    for (unsigned i = 0; i < history_count(history, now); i++) {
        const HistorySample *sample = history_at(history, now, i);
        double value = sample->value[kind];
        double x = WIDTH * (1 - (double)(now - sample->at) / HISTORY_SPAN_US);
        double y = TALL - (TALL - TOP) * (most > 0 ? value / most : 0);

        if (isnan(value)) {
            last = NULL;
            continue;
        }
        point(out, last && sample->at - last->at <= HOLE_US ? 'L' : 'M', x,
              y);
        last = sample;
    }
}

char *svg_history(const History *history, HistoryKind kind, int64_t now,
                  const char *title, char *(*format)(double value))
{
    Range range = range_of(history, kind, now);
    g_autofree char *least = NULL, *most = NULL, *name = NULL;
    GString *out;

    if (range.known < 2) {
        return NULL;
    }
    least = format(range.least);
    most = format(range.most);
    name = page_escape(title, PAGE_WORDS_MAX);
    out = g_string_new("<svg xmlns=\"http://www.w3.org/2000/svg\" "
                       "class=\"chart\" role=\"img\"");
    g_string_append_printf(out, " viewBox=\"0 0 %.0f %.0f\" "
                           "preserveAspectRatio=\"none\" aria-label=\"%s, the "
                           "last hour: at least %s, at most %s\">",
                           WIDTH, TALL + 1, name, least, most);
    g_string_append_printf(out, "<path class=\"grid\" d=\"M0 %.0fH%.0fM0 "
                           "%.0fH%.0f\"/><path class=\"line\" d=\"", TOP,
                           WIDTH, TALL, WIDTH);
    draw_line(out, history, kind, now, range.most);
    g_string_append(out, "\"/></svg>");
    return g_string_free(out, FALSE);
}
