/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bench-swap: a process in a memory cgroup with a guest's memory that the
 * kernel swaps: plain anonymous pages, of 4 KiB as everywhere in rcached.
 * Visits are access.h's.  All else of the process is locked, so that only
 * this memory is swapped.
 *
 *     bench-swap CGROUP.PROCS [--mem=MIB]
 *
 * Commands are lines on stdin, each answered with a line of JSON:
 *   fill            write every page
 *   access ...      access_parse()'s
 * A visit that had to wait for a page is what the kernel calls a major fault.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/bench/access.h"
#include "tests/bench/measure.h"

#define MIB             (1ul << 20)

static void join(const char *path)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    /* "0" is whoever writes it. */
    if (fd < 0 || write(fd, "0", 1) != 1) {
        measure_die(path);
    }
    close(fd);
}

static uint64_t waits(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_majflt;
}

static void waits_note(void *opaque)
{
    *(uint64_t *)opaque = waits();
}

static void run_access(const AccessPlan *plan, AccessMemory *memory)
{
    uint64_t before = 0;
    AccessResult result;

    memory->counts = waits_note;
    memory->opaque = &before;
    access_run(plan, memory, NULL, &result);
    result.away = waits() - before;
    access_report(&result, "");
}

int main(int argc, char **argv)
{
    AccessPlan plan = {
        .pages = measure_option(argc, argv, "mem", 512) * MIB / MEASURE_PAGE,
    };
    size_t bytes = plan.pages * MEASURE_PAGE;
    AccessMemory memory = { 0 };
    char line[128];

    if (argc < 2 || argv[1][0] == '-') {
        fprintf(stderr, "usage: bench-swap CGROUP.PROCS [--mem=MIB]\n");
        return 2;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    join(argv[1]);
    memory.version = calloc(plan.pages, sizeof(*memory.version));
    if (mlockall(MCL_CURRENT) < 0) {
        measure_die("mlockall");
    }
    memory.ram = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory.ram == MAP_FAILED) {
        measure_die("mmap");
    }
    madvise(memory.ram, bytes, MADV_NOHUGEPAGE);
    printf("{\"pid\": %d}\n", getpid());
    fflush(stdout);
    while (fgets(line, sizeof(line), stdin)) {
        if (!strcmp(line, "fill\n")) {
            access_fill(&memory, plan.pages);
            printf("{\"pages\": %lu}\n", plan.pages);
            fflush(stdout);
        } else if (access_parse(&plan, line)) {
            run_access(&plan, &memory);
        } else {
            break;
        }
    }
    return 0;
}
