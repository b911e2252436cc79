/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * provider: what it takes over from an earlier daemon: the table of leases,
 * the slabs, and the spill file with its key.
 */
#include "rcached/provider/provider-adopt.h"

#include <errno.h>
#include <gio/gio.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "common/boot.h"
#include "common/crash-point.h"
#include "rcached/provider/kept-name.h"
#include "rcached/provider/provider-internal.h"
#include "rcached/provider/provider-keep.h"
#include "rcached/provider/store-adopt.h"
#include "rcached/provider/store-look.h"

#define KEPT_TABLE      "leases"
#define KEPT_SPILL_KEY  "spill-key"
#define KEPT_SPILL_FILE "spill-file"

/*
 * What is in use is left with whoever keeps it, and not given to them again: in
 * between nobody would have it, should this daemon be killed there.  A table
 * that was kept is always in use.  @spill: the previous daemon's spill file is
 * this one's.
 */
static bool kept_is_in_use(const Provider *provider, const char *name,
                           bool spill)
{
    uint32_t number;
    bool old;

    if (!strcmp(name, KEPT_TABLE)) {
        return true;
    }
    if (!strcmp(name, KEPT_SPILL_KEY) || !strcmp(name, KEPT_SPILL_FILE)) {
        return spill;
    }
    return kept_name_parse(name, &number, &old) &&
           store_has_slab(provider->store, number);
}

/* The first descriptor kept under that name, or -1. */
static int kept_find(const ProviderConfig *config, const char *name)
{
    for (unsigned i = 0; i < config->nr_kept; i++) {
        if (!strcmp(config->kept[i].name, name)) {
            return config->kept[i].fd;
        }
    }
    return -1;
}

/* Slabs are of one size: while any is kept, that of those. */
uint32_t kept_slab_pages(const ProviderConfig *config)
{
    uint32_t want = config->slab_size / WIRE_PAGE_SIZE;
    int table = kept_find(config, KEPT_TABLE);
    uint32_t pages = table < 0 ? 0 : store_table_slab_pages(table);

    if (!pages || pages == want) {
        return want;
    }
    g_warning("provider: slab-size stays %" G_GUINT64_FORMAT ": the previous "
              "daemon left slabs of that size",
              (uint64_t)pages * WIRE_PAGE_SIZE);
    return pages;
}

/* What could not be taken over is not given up: another daemon may do it. */
static bool provider_adopt_failed(int error, GError **errp)
{
    g_set_error(errp, G_IO_ERROR, g_io_error_from_errno(-error),
                "cannot take over the leases that the previous daemon left: "
                "%s.  Nothing has been given up: %s",
                error == -EINVAL ? "they were made by another release"
                                 : g_strerror(-error),
                error == -EINVAL
                    ? "start the release that made them, or stop the service "
                      "to lose what others have stored here"
                    : "make sure that this host has the memory and may lock "
                      "it, and start again");
    return false;
}

/* ----------------------------------------------------------- spill file */

static uint64_t area_bytes(const Provider *provider)
{
    return (uint64_t)provider->slab_pages * WIRE_PAGE_SIZE;
}

/*
 * Try @file out; it and @key are taken over in any case.  A disk that takes
 * nothing now is no reason not to start: it may take something later.
 */
static bool spill_begin(Provider *provider, const ProviderConfig *config,
                        SpillFile *file, SpillKey *key, GError **errp)
{
    const char *why = NULL;
    uint64_t rate = 0;

    if (!file || !key ||
        !spill_file_check(file, key, provider->guard, &rate, &why, errp)) {
        spill_file_free(file);
        spill_key_free(key);
        return false;
    }
    provider->spill = spill_new(file, key, provider->guard, rate,
                                config->spill_pause_ms);
    if (why) {
        spill_says(provider->spill, why);
        g_warning("provider: %s", provider->spill->problem);
    }
    return true;
}

/* That of the previous daemon, if it left one. */
static bool spill_adopt(Provider *provider, const ProviderConfig *config,
                        GError **errp)
{
    int key_fd = kept_find(config, KEPT_SPILL_KEY);
    int file_fd = kept_find(config, KEPT_SPILL_FILE);
    SpillFile *file;
    SpillKey *key;

    if (key_fd < 0 || file_fd < 0) {
        return true;
    }
    file = spill_file_adopt(file_fd, area_bytes(provider), errp);
    key = file ? spill_key_adopt(key_fd, provider->guard, errp) : NULL;
    if (!key) {
        spill_file_free(file);
        return false;
    }
    /* What it holds is not known yet: nothing is written to try it out. */
    provider->spill = spill_new(file, key, provider->guard, 0,
                                config->spill_pause_ms);
    return true;
}

static bool spill_make(Provider *provider, const ProviderConfig *config,
                       GError **errp)
{
    SpillFile *file;

    if (!config->spill_dir || !*config->spill_dir) {
        return true;
    }
    file = spill_file_new(config->spill_dir, config->spill_size,
                          area_bytes(provider), errp);
    return file && spill_begin(provider, config, file,
                               spill_key_new(provider->guard, errp), errp);
}

/*
 * What happens to a disk while a daemon runs does not end it, and its successor
 * must start as well: it holds what others have stored here.
 */
static void spill_go_on(Provider *provider, Spill *old, const char *why)
{
    provider->spill = old;
    if (old) {
        g_warning("provider: %s; the previous daemon's spill file stays in use",
                  why);
        return;
    }
    g_strlcpy(provider->no_spill, why, sizeof(provider->no_spill));
    g_warning("provider: %s; this daemon goes on without a spill file, since "
              "it has taken over what the previous one left", why);
}

/*
 * Slabs in the previous daemon's file stay there.  One that holds nothing gives
 * way to one as configured, unless it is just like that: its room may be all
 * that the disk has.  @is_old: it is the previous daemon's.
 */
static bool spill_choose(Provider *provider, const ProviderConfig *config,
                         bool *is_old, GError **errp)
{
    Spill *old = provider->spill;
    g_autoptr(GError) error = NULL;

    *is_old = old;
    if (old && spill_file_used(old->file)) {
        g_message("provider: using the previous daemon's spill file: there "
                  "are slabs in it");
        return true;
    }
    if (old && config->spill_dir &&
        spill_file_is_like(old->file, config->spill_dir, config->spill_size)) {
        return true;
    }
    provider->spill = NULL;
    if (spill_make(provider, config, &error)) {
        spill_free(old);
        *is_old = false;
        return true;
    }
    if (kept_find(config, KEPT_TABLE) < 0) {
        g_propagate_error(errp, g_steal_pointer(&error));
        spill_free(old);
        return false;
    }
    spill_go_on(provider, old, error->message);
    return true;
}

/* ------------------------------------------------------------- all of it */

/* Leases and slabs; descriptors of slabs that are of no use are closed. */
static bool adopt_leases(Provider *provider, const ProviderConfig *config,
                         GError **errp)
{
    g_autofree int *fds = g_new(int, config->nr_kept + 1);
    int table = kept_find(config, KEPT_TABLE), leases = 0;
    unsigned i, n = 0;

    for (i = 0; i < config->nr_kept; i++) {
        if (config->kept[i].fd != table) {
            fds[n++] = config->kept[i].fd;
        }
    }
    if (table >= 0) {
        leases = store_adopt(provider->store, table, fds, n, provider->guard,
                             boottime_ms());
        if (leases < 0) {
            return provider_adopt_failed(leases, errp);
        }
    }
    for (i = 0; i < n; i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
    if (table >= 0) {
        g_message("provider: took over %d leases that the previous daemon left",
                  leases);
    }
    return true;
}

/* An earlier daemon named it; it is to be let go of under that name. */
static void note_old_name(const Provider *provider, const char *name)
{
    uint32_t number;
    bool old;

    if (kept_name_parse(name, &number, &old) && old) {
        g_hash_table_add(provider->old_names, GUINT_TO_POINTER(number));
    }
}

/* What nobody needs any more is not to be kept. */
static void kept_let_go(const Provider *provider, const ProviderConfig *config,
                        bool spill_is_old)
{
    for (unsigned i = 0; i < config->nr_kept; i++) {
        const char *name = config->kept[i].name;

        if (kept_is_in_use(provider, name, spill_is_old)) {
            note_old_name(provider, name);
        } else {
            provider->keep(name, -1, provider->keep_opaque);
            crash_point("let-go");
        }
    }
}

/* What this daemon has made is kept from now on. */
static void keep_new(const Provider *provider, bool table_is_old,
                     bool spill_is_old)
{
    if (!table_is_old) {
        provider->keep(KEPT_TABLE, store_table_fd(provider->store),
                       provider->keep_opaque);
    }
    if (provider->spill && !spill_is_old) {
        provider->keep(KEPT_SPILL_KEY, spill_key_fd(provider->spill->key),
                       provider->keep_opaque);
        provider->keep(KEPT_SPILL_FILE, spill_file_fd(provider->spill->file),
                       provider->keep_opaque);
    }
    crash_point("adopted-kept");
}

bool provider_adopt(Provider *provider, const ProviderConfig *config,
                    GError **errp)
{
    /* Looked at first: the name of what is let go of may go with it. */
    bool table_is_old = kept_find(config, KEPT_TABLE) >= 0;
    bool spill_is_old;

    if (!spill_adopt(provider, config, errp) ||
        !adopt_leases(provider, config, errp) ||
        !spill_choose(provider, config, &spill_is_old, errp)) {
        return false;
    }
    crash_point("adopted");
    if (provider->keep) {
        kept_let_go(provider, config, spill_is_old);
        provider_bound(provider);
        keep_new(provider, table_is_old, spill_is_old);
    }
    return true;
}
