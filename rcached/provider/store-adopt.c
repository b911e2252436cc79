/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * store: the lease table's memfd, and taking over what an earlier daemon
 * left in the service manager's hands.
 *
 * The table is trusted no further than its own head and ids: it comes back
 * through the service manager, from a daemon that may have been killed in
 * the middle of a store to it.
 */
#include "rcached/provider/store-adopt.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "rcached/provider/store-internal.h"

#define TABLE_MAGIC     0x6573656cu     /* "lese" */
#define TABLE_VERSION   1u

StoreTable *store_table_map(int fd, const StoreConfig *config, bool fresh)
{
    StoreTable *table = mmap(NULL, sizeof(*table), PROT_READ | PROT_WRITE,
                             MAP_SHARED, fd, 0);

    if (table == MAP_FAILED) {
        return NULL;
    }
    /* Tokens are secrets too. */
    if (madvise(table, sizeof(*table), MADV_DONTDUMP) ||
        madvise(table, sizeof(*table), MADV_DONTFORK)) {
        munmap(table, sizeof(*table));
        return NULL;
    }
    if (fresh) {
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
        table->magic = TABLE_MAGIC;
        table->version = TABLE_VERSION;
        table->slab_pages = config->slab_pages;
        table->record_size = sizeof(StoreRecord);
    }
    return table;
}

uint32_t store_table_slab_pages(int table_fd)
{
    struct {
        uint32_t magic, version, slab_pages;
    } head;

    G_STATIC_ASSERT(offsetof(StoreTable, slab_pages) == 8);
    if (pread(table_fd, &head, sizeof(head), 0) != sizeof(head) ||
        head.magic != TABLE_MAGIC || head.version != TABLE_VERSION) {
        return 0;
    }
    return head.slab_pages;
}

static bool table_is_ours(const StoreTable *table, const StoreConfig *config)
{
    return table->magic == TABLE_MAGIC && table->version == TABLE_VERSION &&
           table->slab_pages == config->slab_pages &&
           table->record_size == sizeof(StoreRecord);
}

static bool record_is_sound(const StoreRecord *rec)
{
    return rec->id && rec->id <= INT64_MAX && rec->nr_slabs &&
           rec->nr_slabs <= STORE_SLABS_MAX &&
           rec->state >= RCACHE_LEASE_GRANTED &&
           rec->state <= RCACHE_LEASE_EXPIRED &&
           !rec->name[sizeof(rec->name) - 1] &&
           !rec->host[sizeof(rec->host) - 1];
}

/* Make leases of the sound records; clear the others. */
static void adopt_records(Store *store)
{
    unsigned i;

    for (i = 0; i < STORE_LEASES_MAX; i++) {
        StoreRecord *rec = &store->table->records[i];

        if (rec->id && record_is_sound(rec) &&
            !store_find_lease(store, rec->id)) {
            store_lease_new(store, rec);
        } else {
            memset(rec, 0, sizeof(*rec));
        }
    }
}

static bool slab_is_whole(const Store *store, const Slab *slab)
{
    return !slab->away ||
           (store->config.slab_away &&
            store->config.slab_away(slab, store->config.opaque));
}

/* A slab to the lease it names, if that has a place for it. */
static void adopt_place(Store *store, Slab *slab, uint64_t id)
{
    StoreLease *lease = store_find_lease(store, id);

    if (!lease || slab->number >= STORE_LEASES_MAX * 256u ||
        lease->slabs->len == lease->rec->nr_slabs ||
        (slab->number < store->slabs->len &&
         store->slabs->pdata[slab->number]) || !slab_is_whole(store, slab)) {
        slab_free(slab);
        return;
    }
    slab_set_leaving(slab, false);
    store_lease_add_slab(store, lease, slab);
}

typedef struct Left {
    Slab *slab;
    uint64_t lease;
} Left;

/* One that was being dropped goes to @left: whether it was is seen later. */
static int adopt_slab(Store *store, int *fd, SlabGuard guard, GArray *left)
{
    uint64_t id = 0;
    Slab *slab;
    int ret = *fd < 0 ? -EINVAL : slab_adopt(*fd, store->config.slab_pages,
                                             guard, &id, &slab);

    if (ret) {
        return ret == -EINVAL ? 0 : ret;
    }
    *fd = -1; /* the slab's now */
    if (slab_is_leaving(slab)) {
        Left one = { slab, id };

        g_array_append_val(left, one);
    } else {
        adopt_place(store, slab, id);
    }
    return 0;
}

/* End the leases that are not whole; one without a slab is just forgotten. */
static int adopt_judge(Store *store, uint64_t now)
{
    g_autoptr(GList) leases = g_hash_table_get_values(store->leases);
    GList *link;
    int whole = 0;

    for (link = leases; link; link = link->next) {
        StoreLease *lease = link->data;

        if (lease->slabs->len == lease->rec->nr_slabs) {
            /* The time the daemon was away is not the requester's fault. */
            lease->rec->until = MAX(lease->rec->until,
                                    now + store->config.ttl_ms);
            whole++;
        } else if (lease->slabs->len) {
            store_end(store, lease, NULL);
        } else {
            g_hash_table_remove(store->leases, &lease->id);
            memset(lease->rec, 0, sizeof(*lease->rec));
            g_ptr_array_unref(lease->slabs);
            g_free(lease);
        }
    }
    return whole;
}

int store_adopt(Store *store, int table_fd, int *slab_fds, unsigned nr_fds,
                SlabGuard guard, uint64_t now)
{
    g_autoptr(GArray) left = g_array_new(FALSE, FALSE, sizeof(Left));
    StoreTable *table;
    struct stat st;
    unsigned i;

    if (fstat(table_fd, &st) || st.st_size != sizeof(*table) ||
        !(fcntl(table_fd, F_GET_SEALS) & F_SEAL_SHRINK)) {
        return -EINVAL;
    }
    table = store_table_map(table_fd, &store->config, false);
    if (!table || !table_is_ours(table, &store->config)) {
        if (table) {
            munmap(table, sizeof(*table));
        }
        return -EINVAL;
    }
    munmap(store->table, sizeof(*store->table));
    close(store->table_fd);
    store->table = table;
    store->table_fd = table_fd;
    adopt_records(store);
    for (i = 0; i < nr_fds; i++) {
        int ret;

        if (store->config.adopting) {
            store->config.adopting(store->config.opaque);
        }
        ret = adopt_slab(store, &slab_fds[i], guard, left);

        if (ret) {
            return ret;
        }
    }
    /* Those the record still counts had not been dropped: see store_drop(). */
    for (i = 0; i < left->len; i++) {
        const Left *one = &g_array_index(left, Left, i);

        adopt_place(store, one->slab, one->lease);
    }
    return adopt_judge(store, now);
}
