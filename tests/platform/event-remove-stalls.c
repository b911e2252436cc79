/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * With UFFD_FEATURE_EVENT_REMOVE every zap would wait for the pager to read
 * an event, and until then COPY fails with EAGAIN anywhere in that process.
 * The feature stays off (rule 6), and EAGAIN is to be retried.
 */
#include "platform.h"

static void *zap(void *arg)
{
    NEED(madvise(arg, PAGE, MADV_DONTNEED) == 0);
    return NULL;
}

int main(void)
{
    struct uffd_msg msg;
    struct pollfd pfd;
    pthread_t thread;
    Ram ram;

    platform_start();
    ram_init_bare(&ram, 4);
    ram.uffd = uffd_open(UFFD_BASE | UFFD_FEATURE_EVENT_REMOVE);
    NEED(uffd_register(ram.uffd, ram.guest, 4, UFFD_MODES) == 0);
    NEED(uffd_copy(ram.uffd, ram.guest, page_of('e')) == 0);

    NEED(pthread_create(&thread, NULL, zap, ram.guest) == 0);
    pfd = (struct pollfd) { .fd = ram.uffd, .events = POLLIN };
    EXPECT_EQ(poll(&pfd, 1, PATIENCE_MS), 1, "the zap raises an event");
    EXPECT_EQ(uffd_copy(ram.uffd, ram.guest + 2 * PAGE, page_of('x')),
              -EAGAIN, "COPY to another page meanwhile");
    EXPECT(fault_next(ram.uffd, &msg, PATIENCE_MS), "the event can be read");
    EXPECT_EQ(msg.event, UFFD_EVENT_REMOVE, "it is EVENT_REMOVE");
    NEED(pthread_join(thread, NULL) == 0);
    EXPECT_EQ(uffd_copy(ram.uffd, ram.guest + 2 * PAGE, page_of('x')), 0,
              "COPY after it was read");
    return 0;
}
