/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * UFFDIO_COPY charges the page to the memory cgroup of the process it fills,
 * and at the limit the kernel kills in that cgroup before COPY returns ENOMEM:
 * the guest dies although the pager could have evicted.  Hence the warning
 * when QEMU's limit is below local-max plus slack; ENOMEM alone is no
 * protection.
 */
#include <sys/prctl.h>

#include "platform.h"

#define LIMIT_PAGES 1024ul
#define V1 "/sys/fs/cgroup/memory"
#define V2 "/sys/fs/cgroup"

static char group[128];
static const char *root;

static bool put(const char *dir, const char *name, unsigned long value)
{
    char path[256];
    char text[32];
    int len = snprintf(text, sizeof(text), "%lu", value);
    bool ok;
    int fd;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    ok = write(fd, text, len) == len;
    close(fd);
    return ok;
}

/* Makes the group with its limit; skips where this cannot be done. */
static void make_group(void)
{
    const char *limit = "memory.max";

    root = V2;
    if (access(V1 "/cgroup.procs", W_OK) == 0) {
        root = V1;
        limit = "memory.limit_in_bytes";
    }
    snprintf(group, sizeof(group), "%s/rcached-platform-%d", root, getpid());
    if (mkdir(group, 0755) < 0) {
        SKIP("no memory cgroup to be had: %s", strerror(errno));
    }
    if (!put(group, limit, LIMIT_PAGES * PAGE)) {
        rmdir(group);
        SKIP("the memory controller is not on in %s", root);
    }
    put(group, "memory.swap.max", 0);
}

/* Fills the guest's memory from outside its group until COPY fails. */
static void pager(const Ram *ram)
{
    size_t page = 0;
    int ret = 0;

    NEED(put(root, "cgroup.procs", getpid()));
    while (page < ram->pages && ret == 0) {
        ret = uffd_copy(ram->uffd, ram->guest + page * PAGE, page_of('x'));
        page++;
    }
    /* ESRCH: the address space is already being torn down. */
    EXPECT(ret == -ENOMEM || ret == -ESRCH, "COPY at the limit: %s",
           strerror(-ret));
    EXPECT(page <= LIMIT_PAGES + 1, "page %zu came in within the limit", page);
    _exit(0);
}

/* In the group: memory that its pager fills. */
static void guest(void)
{
    pid_t pid;
    Ram ram;

    NEED(put(group, "cgroup.procs", getpid()));
    ram_init(&ram, 4 * LIMIT_PAGES);
    pid = fork();
    NEED(pid >= 0);
    if (pid == 0) {
        pager(&ram);
    }
    child_ok(pid);
    _exit(0);
}

int main(void)
{
    int uffd, status;
    pid_t pid;

    platform_start();
    if (geteuid() != 0) {
        SKIP("only root can make a memory cgroup");
    }
    uffd = uffd_open(UFFD_BASE);
    close(uffd);
    make_group();
    NEED(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
    pid = fork();
    NEED(pid >= 0);
    if (pid == 0) {
        guest();
    }
    NEED(waitpid(pid, &status, 0) == pid);
    if (WIFSIGNALED(status)) {
        int pager_status;

        NEED(wait(&pager_status) > 0);
        EXPECT_EQ(pager_status, 0, "the pager's wait status");
    }
    for (int i = 0; rmdir(group) < 0 && i < 50; i++) {
        sleep_ms(20);
    }
    EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
           "the guest is killed, not spared (wait status 0x%x)", status);
    return 0;
}
