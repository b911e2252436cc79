/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * readahead: which pages a guest will want next, by those it has waited for.
 *
 * Pure: it sees pages and times, and says which pages to ask for.
 *
 * Several runs may go on at a time, of different threads of the guest, and who
 * has touched a page is not known: a fault belongs to the run that comes to it,
 * else to the stream in whose neighbourhood it is.  A stream has a trend if
 * most of the last steps from fault to fault are the same (Boyer and Moore's
 * majority, of the last four, and if these have none of the last eight):
 * forwards or backwards, page by page or with a stride.  Faults in between that
 * are another's do no harm.  Those that are in no stream's neighbourhood are a
 * stream as well, so that a large stride is found as long as there are not
 * several.
 *
 *   the guest's pages   . . . . F m . . . . . . . m . . . . . . . . . . . .
 *                               | |-- window --| |-- window -------------|
 *
 * From the fault F that shows a trend on a window of pages is asked for.  One
 * page of each, its first, is the marker: it does not get into the guest until
 * that touches it.  So the touch is seen (F again, in effect), and the next
 * window, twice as large, is asked for while the guest is still in this one.
 * A fault on any other page that is asked for and has not come says the same.
 *
 * Whether it was of use is known from the markers: a window whose marker the
 * guest has touched counts as used, one whose marker it has not touched for
 * long as wasted.  As long as half of all pages was wasted windows get smaller,
 * in the end to nothing; then the trends that show, although nobody acts on
 * them, count as use.
 */
#ifndef PAGER_READAHEAD_H
#define PAGER_READAHEAD_H

#include <stdbool.h>
#include <stdint.h>

#define READAHEAD_STREAMS   16u
#define READAHEAD_STEPS     8u
#define READAHEAD_NEAR      64      /* pages: a neighbourhood, each way */
#define READAHEAD_FAR       (1 << 13)   /* pages of a stride */
#define READAHEAD_LEAST     8u      /* pages of the first window */
#define READAHEAD_MOST      64u     /* pages of a window */

/**
 * struct ReadaheadStream - faults that are near each other
 * @last: the page of the last of them
 * @seen: ns, of that
 * @step: ring of the last steps
 * @nr_steps: how many there have been
 * @stride: pages from one to the next of a run, negative if it goes down; 0: it
 *          is none
 * @next: of a run, the first page that has not been asked for
 * @size: of a run, pages that the next window is to have
 */
typedef struct ReadaheadStream {
    uint64_t last;
    uint64_t seen;
    int32_t step[READAHEAD_STEPS];
    unsigned nr_steps;
    int32_t stride;
    uint64_t next;
    unsigned size;
} ReadaheadStream;

/**
 * struct Readahead - of one guest; all zero, and then readahead_init()
 * @far: faults that were near no other
 * @most: pages of a window, at this time; 0: nothing is asked for
 * @used: pages of windows, since @most was last thought over, or trends seen
 * @wasted: the same
 */
typedef struct Readahead {
    ReadaheadStream stream[READAHEAD_STREAMS];
    ReadaheadStream far;
    unsigned nr;
    unsigned most;
    unsigned used, wasted;
} Readahead;

/**
 * struct ReadaheadWindow - pages to ask for: @first, @first + @stride, ...
 * @stream: whose, for readahead_asked()
 */
typedef struct ReadaheadWindow {
    unsigned stream;
    uint64_t first;
    int32_t stride;
    unsigned n;
} ReadaheadWindow;

void readahead_init(Readahead *ra);

/**
 * readahead_fault() - a guest waits for a page that is away, or has touched a
 * marker
 * @now: ns
 * @window: set if there is one to ask for
 *
 * Return: true: there is.  readahead_asked() has to follow.
 */
bool readahead_fault(Readahead *ra, uint64_t page, uint64_t now,
                     ReadaheadWindow *window);

/** readahead_asked() - the first @n pages of the window have been dealt with */
void readahead_asked(Readahead *ra, const ReadaheadWindow *window, unsigned n);

/** readahead_used() - the guest came to @n pages that were asked for */
void readahead_used(Readahead *ra, unsigned n);

/** readahead_wasted() - it did not come to @n of them */
void readahead_wasted(Readahead *ra, unsigned n);

#endif
