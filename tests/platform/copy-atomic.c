/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * UFFDIO_COPY is atomic: whoever looks at the memfd sees a hole or the whole
 * page, also when the process that copies is killed in the middle.  That is
 * why data under FILLING may be taken for complete at the next attach.
 */
#include "platform.h"

#define WANTED 10       /* copiers caught in the middle */
#define ROUNDS 2000     /* at most */
#define PAGES 256

/* Copies page by page until it is killed; a page's bytes are its number. */
static void copier(const Ram *ram)
{
    for (size_t i = 0; i < PAGES; i++) {
        uffd_copy(ram->uffd, ram->guest + i * PAGE, page_of(i % 255 + 1));
    }
    pause();
    _exit(0);
}

/* Looks at the memfd as pread(2) shows it; returns the pages present. */
static size_t check_pages(const Ram *ram)
{
    char page[PAGE];
    size_t present = 0;

    for (size_t i = 0; i < PAGES; i++) {
        NEED(pread(ram->memfd, page, PAGE, i * PAGE) == (ssize_t)PAGE);
        if (page[0] || page[PAGE - 1] || ram_present(ram, i)) {
            /* It may have come between the pread and here: read it again. */
            NEED(pread(ram->memfd, page, PAGE, i * PAGE) == (ssize_t)PAGE);
            EXPECT(page_is(page, i % 255 + 1), "page %zu is whole", i);
            present++;
        }
    }
    return present;
}

int main(void)
{
    int partly = 0;
    Ram ram;

    platform_start();
    ram_init(&ram, PAGES);
    for (int round = 0; round < ROUNDS && partly < WANTED; round++) {
        struct timespec wait = { 0, round % 100 * 20000 };
        size_t present;
        pid_t pid = fork();

        NEED(pid >= 0);
        if (pid == 0) {
            copier(&ram);
        }
        check_pages(&ram);
        nanosleep(&wait, NULL);
        child_kill(pid);
        present = check_pages(&ram);
        partly += present > 0 && present < PAGES;
        NEED(ram_punch(&ram, 0, PAGES) == 0);
    }
    EXPECT_EQ(partly, WANTED, "copiers killed in the middle of their pages");
    return 0;
}
