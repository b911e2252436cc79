/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A memfd_secret can be handed to another process, which maps it and finds what
 * its maker has left there, though the maker has it mapped no more.  It cannot
 * be read or written in any other way, nor become shorter.  It has no seals:
 * whoever gets one knows it by its file system.
 */
#include <linux/magic.h>
#include <sys/vfs.h>

#include "platform.h"

#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447
#endif
#ifndef SECRETMEM_MAGIC
#define SECRETMEM_MAGIC 0x5345434d
#endif

static char *map_it(int fd)
{
    char *map = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    EXPECT(map != MAP_FAILED, "mapping it");
    return map;
}

/* In a child, which has the descriptor and no mapping: as after SCM_RIGHTS. */
static void look(int fd)
{
    char buf[16];
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        char *map = map_it(fd);

        EXPECT_EQ(map[0], 'k', "what the maker has left");
        EXPECT(pread(fd, buf, sizeof(buf), 0) < 0, "read(2) is refused");
        EXPECT(pwrite(fd, buf, sizeof(buf), 0) < 0, "write(2) is refused");
        exit(0);
    }
    EXPECT_EQ(waitpid(pid, &status, 0), pid, "the child");
    EXPECT_EQ(status, 0, "the child's end");
}

int main(void)
{
    struct statfs fs;
    struct stat st;
    char *map;
    int fd;

    platform_start();
    fd = syscall(SYS_memfd_secret, O_CLOEXEC);
    if (fd < 0) {
        printf("skipped: no memfd_secret here (%s)\n", strerror(errno));
        return 77;
    }
    EXPECT_EQ(ftruncate(fd, PAGE), 0, "its size");
    map = map_it(fd);
    map[0] = 'k';
    EXPECT_EQ(munmap(map, PAGE), 0, "taking the mapping away");
    look(fd);
    look(fd);
    EXPECT(ftruncate(fd, 0) < 0, "shrinking is refused");
    EXPECT_EQ(fstat(fd, &st), 0, "fstat");
    EXPECT_EQ(st.st_size, (long)PAGE, "its size");
    EXPECT(fcntl(fd, F_GET_SEALS) < 0, "it has no seals");
    EXPECT_EQ(fstatfs(fd, &fs), 0, "fstatfs");
    EXPECT_EQ(fs.f_type, SECRETMEM_MAGIC, "its file system");
    return 0;
}
