/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "spill-fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEPT_FDS 600            /* from here on: what is kept */

Client c;
GHashTable *kept;
pthread_mutex_t kept_lock = PTHREAD_MUTEX_INITIALIZER;

static void keep(const char *name, int fd, void *opaque)
{
    pthread_mutex_lock(&kept_lock);
    if (fd < 0) {
        g_hash_table_remove(kept, name);
    } else {
        g_hash_table_replace(
            kept, g_strdup(name),
            GINT_TO_POINTER(fcntl(fd, F_DUPFD_CLOEXEC, KEPT_FDS)));
    }
    pthread_mutex_unlock(&kept_lock);
}

void spill_set_up(void)
{
    fixture_set_up();
    provider_free(provider);
    config.stall_ms = 60 * 1000;        /* a request may wait for the disk */
    kept = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    config.keep = keep;
    config.spill_dir = ".";
    config.spill_size = AREAS * SLAB;
    config.spill_pause_ms = 300;
    fixture_start();
    c = leased(1, SLABS);
}

void spill_tear_down(void)
{
    client_close(&c);
    fixture_tear_down();
    g_hash_table_unref(kept);
}

void spill_restart(void)
{
    static uint64_t session = 1;
    static ProviderKept list[32];
    GHashTableIter iter;
    gpointer name, fd;

    client_close(&c);
    provider_free(provider);
    config.nr_kept = 0;
    g_hash_table_iter_init(&iter, kept);
    while (g_hash_table_iter_next(&iter, &name, &fd)) {
        list[config.nr_kept++] = (ProviderKept) {
            name, dup(GPOINTER_TO_INT(fd))
        };
    }
    config.kept = list;
    fixture_start();
    c = client_session(provider_address(provider), VM_A, ++session);
}

/* This process's descriptor of the spill file, or of a slab: @kind. */
static int find_fd(const char *kind, unsigned nth)
{
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *entry;
    int found = -1;

    ck_assert_ptr_nonnull(dir);
    while (found < 0 && (entry = readdir(dir))) {
        char path[300], link[600] = "";

        g_snprintf(path, sizeof(path), "/proc/self/fd/%s", entry->d_name);
        if (readlink(path, link, sizeof(link) - 1) > 0 &&
            atoi(entry->d_name) < KEPT_FDS && strstr(link, kind) && !nth--) {
            found = atoi(entry->d_name);
        }
    }
    closedir(dir);
    return found;
}

/* Without a name, and of its size: libcheck has such files too. */
int spill_fd(void)
{
    struct stat st;

    for (unsigned i = 0;; i++) {
        int fd = find_fd("(deleted)", i);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(fstat(fd, &st), 0);
        if (st.st_size == AREAS * SLAB) {
            return fd;
        }
    }
}

/* A second descriptor of it, that takes bytes of any address. */
int spill_open(void)
{
    char path[64];
    int fd;

    g_snprintf(path, sizeof(path), "/proc/self/fd/%d", spill_fd());
    fd = open(path, O_RDWR | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    return fd;
}

/* 512-byte blocks of memory that all slabs have. */
uint64_t spill_slab_blocks(void)
{
    uint64_t blocks = 0;
    struct stat st;
    int fd;

    for (unsigned i = 0; (fd = find_fd("memfd:rcached-slab", i)) >= 0; i++) {
        ck_assert_int_eq(fstat(fd, &st), 0);
        blocks += st.st_blocks;
    }
    return blocks;
}

void spill_put(uint32_t first, uint32_t n, uint64_t value)
{
    while (n) {
        RcacheSlot slots[64];
        uint32_t some = MIN(n, 64);

        for (uint32_t i = 0; i < some; i++) {
            slots[i] = client_slot(&c, first + i);
        }
        ck_assert_uint_eq(client_put(&c, slots, some, value), RCACHE_OK);
        first += some;
        n -= some;
    }
}

void spill_check(uint32_t first, uint32_t n, uint64_t value)
{
    for (uint32_t i = first; i < first + n; i++) {
        ck_assert_msg(client_has(&c, client_slot(&c, i), value),
                      "page %u", i);
    }
}

/* Nothing is stored there. */
bool spill_empty(uint32_t page)
{
    uint8_t bytes[WIRE_PAGE_SIZE];
    RcacheSlot slot = client_slot(&c, page);

    return client_get(&c, &slot, 1, bytes) == RCACHE_E_SLOT;
}

void spill_go_out(void)
{
    provider_revoke(provider, 0, 0, NOW);
    WAIT_FOR(snapshot().spilled == SLABS * SLAB);
}

void spill_come_back(void)
{
    provider_revoke(provider, ALL, 64 * SLAB, NOW);
    WAIT_FOR(snapshot().spilled == 0 && snapshot().in_file == 0);
}
