/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * floor-pages: see floor-pages.h.
 *
 * A page that comes: a fault, or a marker's, has it asked for; answers come in
 * the order of requests.  One that goes: if the pattern writes it is zapped,
 * and then sent if it has been written; its hole is punched when that is
 * answered, unless it was touched meanwhile.  If the pattern only reads its
 * hole is punched at once: whoever looks at it just then asks for it again.
 */
#include "tests/bench/floor-pages.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/measure.h"

#define FAULTS          64u
#define LEAVE           64u     /* pages that go at a time */
#define SPARE           128u    /* pages of room that zipf's best do not take */
#define LOOK_MS         20

static void send_all(int fd, const char *from, size_t len)
{
    while (len) {
        ssize_t n = send(fd, from, len, MSG_NOSIGNAL);

        if (n <= 0) {
            measure_die("send");
        }
        from += n;
        len -= n;
    }
}

static uint64_t address_of(const Floor *f, uint32_t page)
{
    return (uintptr_t)f->memory.ram + page * MEASURE_PAGE;
}

bool floor_is_away(void *opaque, uint64_t page)
{
    const Floor *f = opaque;
    uint8_t state = f->page[page].state;

    return state == FLOOR_AWAY || state == FLOOR_COMING;
}

/* --------------------------------------------------------------- leaving */

static void fifo_push(Floor *f, uint32_t page)
{
    size_t at = f->fifo_from + f->fifo_len++;

    f->fifo[at % (f->plan.pages + 1)] = page;
}

static uint32_t fifo_pop(Floor *f)
{
    uint32_t page = f->fifo[f->fifo_from];

    f->fifo_from = (f->fifo_from + 1) % (f->plan.pages + 1);
    f->fifo_len--;
    return page;
}

/* Pages side by side as one. */
static void punch(Floor *f, const uint32_t *page, uint32_t n)
{
    for (uint32_t i = 0, run; i < n; i += run) {
        for (run = 1; i + run < n && page[i + run] == page[i] + run;) {
            run++;
        }
        if (fallocate(f->memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                      page[i] * MEASURE_PAGE, run * MEASURE_PAGE) < 0) {
            measure_die("punching a hole");
        }
    }
    f->here -= n;
}

static void zap(Floor *f, const uint32_t *page, uint32_t n)
{
    for (uint32_t i = 0, run; i < n; i += run) {
        for (run = 1; i + run < n && page[i + run] == page[i] + run;) {
            run++;
        }
        if (madvise((void *)address_of(f, page[i]), run * MEASURE_PAGE,
                    MADV_DONTNEED) < 0) {
            measure_die("zap");
        }
    }
}

/* Of zapped pages: sends those that were written; others have a hole now. */
static void send_written(Floor *f, const uint32_t *page, uint32_t n)
{
    uint32_t *sent = f->batch[f->batches].page, nr = 0, clean[LEAVE], nc = 0;
    char *bytes;

    for (uint32_t i = 0; i < n; i++) {
        if (f->memory.dirty[page[i]]) {
            f->memory.dirty[page[i]] = 0;
            f->page[page[i]].state = FLOOR_LEAVING;
            f->page[page[i]].puts++;
            sent[nr++] = page[i];
        } else {
            f->page[page[i]].state = FLOOR_AWAY;
            clean[nc++] = page[i];
        }
    }
    punch(f, clean, nc);
    if (!nr) {
        return;
    }
    f->batch[f->batches++].n = nr;
    memcpy(f->out, &nr, sizeof(nr));
    memcpy(f->out + sizeof(nr), sent, nr * sizeof(*sent));
    bytes = f->out + (nr + 1) * sizeof(nr);
    for (uint32_t i = 0; i < nr; i++) {
        memcpy(bytes + i * MEASURE_PAGE, f->other + sent[i] * MEASURE_PAGE,
               MEASURE_PAGE);
    }
    send_all(f->puts, f->out, bytes - f->out + nr * MEASURE_PAGE);
}

static void leave_batch(Floor *f)
{
    uint32_t page[LEAVE], n = 0;

    for (size_t left = f->fifo_len; left && n < LEAVE; left--) {
        uint32_t next = fifo_pop(f);

        if (f->page[next].state == FLOOR_HERE ||
            f->page[next].state == FLOOR_MARKER) {
            page[n++] = next;
        }
    }
    if (f->plan.write_percent) {
        zap(f, page, n);
        send_written(f, page, n);
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        f->page[page[i]].state = FLOOR_AWAY;
    }
    punch(f, page, n);
}

static void make_room(Floor *f)
{
    while (f->here + LEAVE > f->local && f->fifo_len && f->batches < 2) {
        leave_batch(f);
    }
}

static void put_answered(Floor *f)
{
    uint32_t page[FLOOR_BATCH_MAX], n = 0, nr;

    if (recv(f->puts, &nr, sizeof(nr), MSG_WAITALL) != sizeof(nr)) {
        measure_die("the answer to a PUT");
    }
    for (uint32_t i = 0; i < f->batch[0].n; i++) {
        uint32_t next = f->batch[0].page[i];

        if (!--f->page[next].puts && f->page[next].state == FLOOR_LEAVING) {
            f->page[next].state = FLOOR_AWAY;
            page[n++] = next;
        }
    }
    f->batch[0] = f->batch[1];
    f->batches--;
    punch(f, page, n);
}

/* ---------------------------------------------------------------- coming */

static void ask_send(Floor *f)
{
    if (f->asking.n) {
        send_all(f->gets, (char *)&f->asking,
                 (f->asking.n + 1) * sizeof(uint32_t));
        f->asking.n = 0;
    }
}

static void ask(Floor *f, uint32_t page)
{
    size_t at = f->expected_from + f->expected_len++;

    f->expected[at % (f->plan.pages + 1)] = page;
    f->page[page].state = FLOOR_COMING;
    f->here++;
    f->here_max = f->here > f->here_max ? f->here : f->here_max;
    f->asking.page[f->asking.n++] = page;
    if (f->asking.n == FLOOR_BATCH_MAX) {
        ask_send(f);
    }
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

/*
 * The next window; the first page that is not here yet is its marker.  Sorted,
 * so that pages side by side come side by side whatever scans there are.
 */
static void ask_window(Floor *f)
{
    uint32_t page[FLOOR_BATCH_MAX], n = 0;

    for (unsigned i = 0; i < f->window; i++) {
        uint32_t next = access_at(&f->plan, f->ahead++);

        if (f->page[next].state == FLOOR_AWAY) {
            f->page[next].marker = !n;
            page[n++] = next;
        }
    }
    qsort(page, n, sizeof(page[0]), compare);
    for (uint32_t i = 0; i < n; i++) {
        ask(f, page[i]);
    }
}

static void resume(Floor *f, uint32_t page)
{
    struct uffdio_continue more = {
        .range = { .start = address_of(f, page), .len = MEASURE_PAGE },
    };

    if (ioctl(f->uffd, UFFDIO_CONTINUE, &more) == 0) {
        return;
    }
    if (errno != EEXIST || ioctl(f->uffd, UFFDIO_WAKE, &more.range) < 0) {
        measure_die("UFFDIO_CONTINUE");
    }
}

static void fault(Floor *f, uint32_t page)
{
    switch (atomic_load(&f->page[page].state)) {
    case FLOOR_AWAY:
        ask(f, page);
        if (access_is_known(&f->plan)) {
            /* The scan begins, or its window did not last. */
            f->ahead = f->position + 1;
            ask_window(f);
        }
        break;
    case FLOOR_MARKER:
    case FLOOR_LEAVING:
        if (f->page[page].state == FLOOR_LEAVING) {
            fifo_push(f, page);
        } else {
            ask_window(f);
        }
        f->page[page].state = FLOOR_HERE;
        resume(f, page);
        break;
    case FLOOR_HERE:
        resume(f, page);
        break;
    case FLOOR_COMING:
        if (f->page[page].marker) {
            /* It is waited for: it comes as all others do. */
            f->page[page].marker = false;
            ask_window(f);
        }
        break;
    }
}

static void read_faults(Floor *f)
{
    struct uffd_msg msg[FAULTS];
    ssize_t len = read(f->uffd, msg, sizeof(msg));

    for (ssize_t i = 0; len > 0 && i < len / (ssize_t)sizeof(msg[0]); i++) {
        fault(f, (msg[i].arg.pagefault.address -
                  (uintptr_t)f->memory.ram) / MEASURE_PAGE);
    }
}

/* --------------------------------------------------------------- arrival */

static void copy_in(Floor *f, uint32_t page, const char *bytes, uint32_t n)
{
    struct uffdio_copy copy;
    size_t done = 0;

    while (done < n * MEASURE_PAGE) {
        copy = (struct uffdio_copy) {
            .dst = address_of(f, page) + done,
            .src = (uintptr_t)bytes + done,
            .len = n * MEASURE_PAGE - done,
        };
        if (ioctl(f->uffd, UFFDIO_COPY, &copy) < 0 && copy.copy <= 0 &&
            errno != EAGAIN) {
            measure_die("UFFDIO_COPY");
        }
        done += copy.copy > 0 ? copy.copy : 0;
    }
}

static uint32_t expected_at(const Floor *f, size_t i)
{
    return f->expected[(f->expected_from + i) % (f->plan.pages + 1)];
}

/* As many pages, side by side, as have arrived; returns how many. */
static uint32_t arrive(Floor *f, const char *bytes, uint32_t n)
{
    uint32_t page = expected_at(f, 0), run = 1;

    if (f->page[page].marker) {
        memcpy(f->other + page * MEASURE_PAGE, bytes, MEASURE_PAGE);
        f->page[page].state = FLOOR_MARKER;
        f->page[page].marker = false;
    } else {
        while (run < n && run < f->expected_len &&
               expected_at(f, run) == page + run &&
               !f->page[page + run].marker) {
            run++;
        }
        for (uint32_t i = 0; i < run; i++) {
            f->page[page + i].state = FLOOR_HERE;
        }
        copy_in(f, page, bytes, run);
    }
    for (uint32_t i = 0; i < run; i++) {
        if (!f->page[page + i].stays) {
            fifo_push(f, page + i);
        }
    }
    f->expected_from = (f->expected_from + run) % (f->plan.pages + 1);
    f->expected_len -= run;
    return run;
}

static void read_pages(Floor *f)
{
    ssize_t len = recv(f->gets, f->in + f->in_len, FLOOR_IN - f->in_len,
                       MSG_DONTWAIT);
    size_t at = 0;

    if (len == 0 || (len < 0 && errno != EAGAIN)) {
        measure_die("the answer to a GET");
    }
    f->in_len += len > 0 ? len : 0;
    while (f->in_len - at >= MEASURE_PAGE) {
        at += MEASURE_PAGE * arrive(f, f->in + at,
                                    (f->in_len - at) / MEASURE_PAGE);
    }
    f->in_len -= at;
    memmove(f->in, f->in + at, f->in_len);
}

/* ---------------------------------------------------------------- a run */

void floor_begin(Floor *f)
{
    f->position = f->ahead = 0;
    f->here = f->here_max = 0;
    f->stop = false;
    memset(f->page, 0, f->plan.pages * sizeof(*f->page));
    /* Ahead of a scan nothing has to be here. */
    for (uint64_t i = 0; !access_is_known(&f->plan) &&
                         i + SPARE + LEAVE < f->local; i++) {
        uint32_t page = access_ranked(&f->plan, i);

        copy_in(f, page, f->store + page * MEASURE_PAGE, 1);
        f->page[page].state = FLOOR_HERE;
        f->page[page].stays = f->plan.pattern == ACCESS_ZIPF;
        if (!f->page[page].stays) {
            fifo_push(f, page);
        }
        f->here++;
    }
}

void *floor_run(void *opaque)
{
    Floor *f = opaque;
    struct pollfd fd[] = {
        { .fd = f->uffd, .events = POLLIN },
        { .fd = f->gets, .events = POLLIN },
        { .fd = f->puts, .events = POLLIN },
    };

    while (!f->stop || f->expected_len || f->batches) {
        /* Nothing comes in while there is no room. */
        fd[0].fd = f->here < f->local ? f->uffd : -1;
        if (poll(fd, 3, LOOK_MS) <= 0) {
            continue;
        }
        if (fd[0].fd >= 0 && fd[0].revents) {
            read_faults(f);
            ask_send(f);
        }
        if (fd[1].revents) {
            read_pages(f);
        }
        if (fd[2].revents) {
            put_answered(f);
        }
        make_room(f);
    }
    return NULL;
}

void floor_end(Floor *f)
{
    for (uint64_t i = 0; i < f->plan.pages; i++) {
        if (f->page[i].state != FLOOR_AWAY) {
            memcpy(f->store + i * MEASURE_PAGE, f->other + i * MEASURE_PAGE,
                   MEASURE_PAGE);
        }
        f->page[i].state = FLOOR_AWAY;
        f->memory.dirty[i] = 0;
    }
    if (fallocate(f->memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                  f->plan.pages * MEASURE_PAGE) < 0) {
        measure_die("punching a hole");
    }
    f->fifo_len = f->fifo_from = 0;
}
