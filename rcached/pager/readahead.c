/* SPDX-License-Identifier: GPL-2.0-or-later */
/* readahead: which pages a guest will want next.  See readahead.h. */
#include "rcached/pager/readahead.h"

#include <glib.h>
#include <stdlib.h>

/* A run that nothing has been heard of for so long makes way for others. */
#define RUN_NS          UINT64_C(1000000000)
/* Streams that may be runs: others need some to become one. */
#define RUNS_MOST       (READAHEAD_STREAMS / 2)
/* Steps that a trend takes, at least. */
#define STEPS_LEAST     3u
/* .most is thought over after so many pages. */
#define JUDGED_PAGES    128u

void readahead_init(Readahead *ra)
{
    *ra = (Readahead) { .most = READAHEAD_MOST };
}

static uint64_t distance(uint64_t a, uint64_t b)
{
    return a > b ? a - b : b - a;
}

/* ------------------------------------------------------------------- runs */

/* Strides from @page to the first page that was not asked for. */
static int64_t run_left(const ReadaheadStream *s, uint64_t page)
{
    return (int64_t)(s->next - page) / s->stride;
}

/* Is @page one that the run comes to, soon? */
static bool run_fits(const ReadaheadStream *s, uint64_t page)
{
    int64_t far = (int64_t)(page - s->last);

    return s->stride && far % s->stride == 0 && far / s->stride >= 0 &&
           far / s->stride <= run_left(s, s->last) + s->size;
}

static void run_begin(ReadaheadStream *s, uint64_t page, int32_t stride)
{
    s->stride = stride;
    s->next = page + stride;
    s->size = READAHEAD_LEAST;
}

static void run_end(ReadaheadStream *s)
{
    s->stride = 0;
    s->nr_steps = 0;
}

/* ---------------------------------------------------------------- streams */

/* A run if it comes to @page, else the nearest that is none. */
static ReadaheadStream *stream_find(Readahead *ra, uint64_t page)
{
    ReadaheadStream *found = NULL;
    uint64_t least = READAHEAD_NEAR + 1;

    for (unsigned i = 0; i < ra->nr; i++) {
        ReadaheadStream *s = &ra->stream[i];

        if (run_fits(s, page)) {
            return s;
        }
        if (!s->stride && distance(s->last, page) < least) {
            least = distance(s->last, page);
            found = s;
        }
    }
    return found;
}

/* Runs stay, since they are heard of once a window only; but not all. */
static ReadaheadStream *stream_replace(Readahead *ra, uint64_t now)
{
    ReadaheadStream *oldest = NULL, *oldest_run = NULL;
    unsigned runs = 0;

    if (ra->nr < READAHEAD_STREAMS) {
        return &ra->stream[ra->nr++];
    }
    for (unsigned i = 0; i < ra->nr; i++) {
        ReadaheadStream *s = &ra->stream[i];
        bool run = s->stride && now - s->seen < RUN_NS;
        ReadaheadStream **which = run ? &oldest_run : &oldest;

        runs += run;
        if (!*which || s->seen < (*which)->seen) {
            *which = s;
        }
    }
    return runs > RUNS_MOST || !oldest ? oldest_run : oldest;
}

/* The step that more than half of the last @n are; 0: none is. */
static int32_t majority(const ReadaheadStream *s, unsigned n)
{
    unsigned have = MIN(s->nr_steps, n), count = 0;
    int32_t most = 0;

    for (unsigned i = 1; i <= have; i++) {
        int32_t step = s->step[(s->nr_steps - i) % READAHEAD_STEPS];

        if (!count) {
            most = step;
        }
        count += step == most ? 1 : -1;
    }
    count = 0;
    for (unsigned i = 1; i <= have; i++) {
        count += s->step[(s->nr_steps - i) % READAHEAD_STEPS] == most;
    }
    return count > n / 2 ? most : 0;
}

static int32_t stream_trend(const ReadaheadStream *s)
{
    int32_t trend = 0;

    for (unsigned n = READAHEAD_STEPS / 2;
         n <= READAHEAD_STEPS && !trend && s->nr_steps >= STEPS_LEAST;
         n *= 2) {
        trend = majority(s, n);
    }
    return trend;
}

static void stream_step(ReadaheadStream *s, uint64_t page)
{
    int64_t step = page - s->last;

    s->step[s->nr_steps++ % READAHEAD_STEPS] =
        ABS(step) <= READAHEAD_FAR ? step : 0;
}

/* Whoever goes by a trend that nobody acts on shows that it could be. */
static void ghost(Readahead *ra, const ReadaheadStream *s)
{
    int32_t trend = stream_trend(s);

    if (trend &&
        s->step[(s->nr_steps - 1) % READAHEAD_STEPS] == trend) {
        readahead_used(ra, 1);
    }
}

static bool run_window(const Readahead *ra, ReadaheadStream *s, uint64_t page,
                       ReadaheadWindow *window)
{
    unsigned size = MIN(s->size, ra->most);

    if (run_left(s, page) < 1) {
        s->next = page + s->stride;     /* it was passed by */
    }
    if (run_left(s, page) > (int64_t)size) {
        return false;           /* there is a whole window before the guest */
    }
    *window = (ReadaheadWindow) {
        .stream = s - ra->stream, .first = s->next, .stride = s->stride,
        .n = size,
    };
    return true;
}

/* A new stream, near no other; but those that are far apart may be a run. */
static ReadaheadStream *stream_begin(Readahead *ra, uint64_t page,
                                     uint64_t now)
{
    ReadaheadStream *s = stream_replace(ra, now);

    *s = (ReadaheadStream) { .last = page, .seen = now };
    stream_step(&ra->far, page);
    ra->far.last = page;
    return s;
}

bool readahead_fault(Readahead *ra, uint64_t page, uint64_t now,
                     ReadaheadWindow *window)
{
    ReadaheadStream *s = stream_find(ra, page), *by = s;
    int32_t trend;

    if (s && page == s->last) {
        s->seen = now;
        return false;           /* told twice, or by two of its CPUs */
    }
    if (!s) {
        s = stream_begin(ra, page, now);
        by = &ra->far;
    } else {
        if (!ra->most && s->stride) {
            run_end(s);
        }
        stream_step(s, page);
        s->last = page;
        s->seen = now;
    }
    if (!ra->most) {
        ghost(ra, by);
        return false;
    }
    trend = s->stride ? 0 : stream_trend(by);
    if (trend) {
        run_begin(s, page, trend);
    }
    return s->stride && run_window(ra, s, page, window);
}

void readahead_asked(Readahead *ra, const ReadaheadWindow *window, unsigned n)
{
    ReadaheadStream *s = &ra->stream[window->stream];

    s->next = window->first + (int64_t)n * window->stride;
    s->size = n < window->n ? MAX(n, READAHEAD_LEAST)
                            : MIN(2 * s->size, READAHEAD_MOST);
}

/* ------------------------------------------------------------- of what use */

static void judge(Readahead *ra)
{
    if (ra->used + ra->wasted < JUDGED_PAGES) {
        return;
    }
    if (ra->used < ra->wasted) {
        ra->most /= 4;
        ra->most = ra->most < READAHEAD_LEAST ? 0 : ra->most;
    } else {
        ra->most = CLAMP(2 * ra->most, READAHEAD_LEAST, READAHEAD_MOST);
    }
    ra->used = ra->wasted = 0;
}

void readahead_used(Readahead *ra, unsigned n)
{
    ra->used += n;
    judge(ra);
}

void readahead_wasted(Readahead *ra, unsigned n)
{
    ra->wasted += n;
    judge(ra);
}
