/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The key that a VMM hands over: what is taken, and what is refused. */
#include <check.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "rcached/pager/seal-key.h"

#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447
#endif

static struct RcacheKey head;
static uint8_t key[RCACHE_KEY_SIZE];

static void set_up(void)
{
    head = (struct RcacheKey) { .magic = RCACHE_KEY_MAGIC,
                                .version = RCACHE_KEY_VERSION };
    memset(head.key, 0x77, sizeof(head.key));
    memset(key, 0, sizeof(key));
}

static void fill(int fd, size_t size)
{
    void *map;

    ck_assert_int_eq(ftruncate(fd, size), 0);
    map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ck_assert_ptr_ne(map, MAP_FAILED);
    memcpy(map, &head, MIN(size, sizeof(head)));
    munmap(map, size);
}

static int memfd(size_t size, int seals)
{
    int fd = memfd_create("key", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    ck_assert_int_ge(fd, 0);
    fill(fd, size);
    ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, seals), 0);
    return fd;
}

static void expect(int fd, const char *refused)
{
    g_autoptr(GError) error = NULL;
    bool ok = seal_key_read(fd, key, &error);

    close(fd);
    if (refused) {
        ck_assert(!ok);
        ck_assert_msg(strstr(error->message, refused), "%s", error->message);
        ck_assert_uint_eq(key[0], 0);
    } else {
        ck_assert_msg(ok, "%s", error ? error->message : "?");
        ck_assert_int_eq(memcmp(key, head.key, sizeof(key)), 0);
    }
}

START_TEST(a_memfd_that_stays)
{
    expect(memfd(RCACHE_PAGE_SIZE, F_SEAL_SHRINK), NULL);
}
END_TEST

START_TEST(a_secret_memfd)
{
    int fd = syscall(SYS_memfd_secret, O_CLOEXEC);

    if (fd < 0) {
        return;                 /* this kernel has none */
    }
    fill(fd, RCACHE_PAGE_SIZE);
    expect(fd, NULL);
}
END_TEST

START_TEST(one_that_can_shrink)
{
    expect(memfd(RCACHE_PAGE_SIZE, F_SEAL_GROW), "memory that stays");
}
END_TEST

START_TEST(one_that_is_too_short)
{
    expect(memfd(sizeof(head), F_SEAL_SHRINK), "memory that stays");
}
END_TEST

START_TEST(what_is_no_memory)
{
    expect(open("/dev/null", O_RDWR | O_CLOEXEC), "memory that stays");
}
END_TEST

START_TEST(another_releases_key)
{
    head.version++;
    expect(memfd(RCACHE_PAGE_SIZE, F_SEAL_SHRINK), "another release");
    head.version--;
    head.magic++;
    expect(memfd(RCACHE_PAGE_SIZE, F_SEAL_SHRINK), "another release");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("seal-key");
    TCase *t = tcase_create("core");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(t, set_up, NULL);
    tcase_add_test(t, a_memfd_that_stays);
    tcase_add_test(t, a_secret_memfd);
    tcase_add_test(t, one_that_can_shrink);
    tcase_add_test(t, one_that_is_too_short);
    tcase_add_test(t, what_is_no_memory);
    tcase_add_test(t, another_releases_key);
    suite_add_tcase(s, t);
    runner = srunner_create(s);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
