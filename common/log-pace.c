/* SPDX-License-Identifier: GPL-2.0-or-later */
/* log-pace: how many lines a daemon's log gets.  See log-pace.h. */
#include "common/log-pace.h"

#include <stdio.h>

static const BucketRate rate = { LOG_PACE_LINES, LOG_PACE_BURST };

bool log_pace_take(LogPace *pace, uint64_t now_ms, uint64_t *left_out)
{
    int64_t now_us = now_ms * 1000;
    bool may;

    g_mutex_lock(&pace->lock);
    may = bucket_has(&pace->lines, &rate, 1, now_us);
    if (may) {
        bucket_take(&pace->lines, &rate, 1, now_us);
        *left_out = pace->left_out;
        pace->left_out = 0;
    } else {
        *left_out = ++pace->left_out;
    }
    g_mutex_unlock(&pace->lock);
    return may;
}

static void say(GLogLevelFlags level, const char *text)
{
    const GLogField fields[] = { { "MESSAGE", text, -1 } };

    g_log_writer_default(level, fields, G_N_ELEMENTS(fields), NULL);
}

static GLogWriterOutput write_line(GLogLevelFlags level,
                                   const GLogField *fields, gsize n,
                                   gpointer opaque)
{
    const GLogLevelFlags counted = G_LOG_LEVEL_WARNING | G_LOG_LEVEL_MESSAGE |
                                   G_LOG_LEVEL_INFO;
    char text[96];
    uint64_t left_out;

    if (!(level & counted)) {
        return g_log_writer_default(level, fields, n, NULL);
    }
    if (!log_pace_take(opaque, g_get_monotonic_time() / 1000, &left_out)) {
        if (left_out == 1) {
            say(G_LOG_LEVEL_WARNING, "more than 10 lines a second: some are "
                "left out from here on");
        }
        return G_LOG_WRITER_HANDLED;
    }
    if (left_out) {
        snprintf(text, sizeof(text), "%" G_GUINT64_FORMAT " lines have been "
                 "left out of this log", left_out);
        say(G_LOG_LEVEL_WARNING, text);
    }
    return g_log_writer_default(level, fields, n, NULL);
}

void log_pace_start(LogPace *pace)
{
    g_log_set_writer_func(write_line, pace, NULL);
}
