/* SPDX-License-Identifier: GPL-2.0-or-later */
/* frame-pace: see frame-pace.h. */
#include "common/frame-pace.h"

#include <stdbool.h>

static BucketRate rate_of(const FramePace *p)
{
    return (BucketRate) { p->pace, p->pace };
}

void frame_pace_init(FramePace *p, unsigned pace, int64_t now_us)
{
    *p = (FramePace) { pace, { .at_us = now_us } };
}

static void come_to(FramePace *p, int64_t now_us)
{
    BucketRate rate = rate_of(p);

    bucket_take(&p->bucket, &rate, 0, now_us);
}

void frame_pace_take(FramePace *p)
{
    BucketRate rate = rate_of(p);

    if (p->pace) {
        bucket_take(&p->bucket, &rate, 1, p->bucket.at_us);
        bucket_forgive(&p->bucket, &rate, p->pace * FRAME_PACE_DEBT_S);
    }
}

unsigned frame_pace_wait(FramePace *p, int64_t now_us)
{
    BucketRate rate = rate_of(p);
    int64_t us;

    if (!p->pace) {
        return 0;
    }
    come_to(p, now_us);
    us = bucket_wait(&p->bucket, &rate, now_us);
    return us ? us / 1000 + 1 : 0;
}

static bool is_full(const FramePace *p, int64_t now_us)
{
    BucketRate rate = rate_of(p);

    return !p->pace || !bucket_missing(&p->bucket, &rate, now_us);
}

static gboolean is_over(gpointer key, gpointer value, gpointer opaque)
{
    return is_full(value, *(int64_t *)opaque);
}

void frame_paces_clear(FramePaces *all)
{
    g_clear_pointer(&all->by_name, g_hash_table_destroy);
}

void frame_paces_keep(FramePaces *all, const char *name, const FramePace *p,
                      int64_t now_us)
{
    if (is_full(p, now_us)) {
        return;
    }
    if (!all->by_name) {
        all->by_name = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                             g_free);
    }
    if (now_us - all->swept_us >= G_USEC_PER_SEC) {
        all->swept_us = now_us;
        g_hash_table_foreach_remove(all->by_name, is_over, &now_us);
    }
    g_hash_table_insert(all->by_name, g_strdup(name),
                        g_memdup2(p, sizeof(*p)));
}

void frame_paces_take(FramePaces *all, const char *name, unsigned pace,
                      int64_t now_us, FramePace *p)
{
    FramePace *kept = all->by_name ? g_hash_table_lookup(all->by_name, name)
                                   : NULL;

    frame_pace_init(p, pace, now_us);
    if (kept) {
        come_to(kept, now_us);
        *p = *kept;
        g_hash_table_remove(all->by_name, name);
    }
}
