/* SPDX-License-Identifier: GPL-2.0-or-later */
/* frame-pace: see frame-pace.h. */
#include "common/frame-pace.h"

#include <stdbool.h>

static int64_t most(const FramePace *p)
{
    return (int64_t)p->pace * 1000;
}

void frame_pace_init(FramePace *p, unsigned pace, int64_t now_us)
{
    *p = (FramePace) { pace, (int64_t)pace * 1000, now_us };
}

void frame_pace_take(FramePace *p)
{
    p->level = MAX(p->level - 1000, -most(p) * FRAME_PACE_DEBT_S);
}

/* From the deepest debt it is full again long before. */
static void come_to(FramePace *p, int64_t now_us)
{
    int64_t passed = CLAMP(now_us - p->at_us, 0,
                           (FRAME_PACE_DEBT_S + 1) * G_USEC_PER_SEC);

    p->level = MIN(p->level + passed * p->pace / 1000, most(p));
    p->at_us = now_us;
}

unsigned frame_pace_wait(FramePace *p, int64_t now_us)
{
    if (!p->pace) {
        return 0;
    }
    come_to(p, now_us);
    return p->level >= 0 ? 0 : -p->level / p->pace + 1;
}

static bool is_full(FramePace *p, int64_t now_us)
{
    come_to(p, now_us);
    return p->level == most(p);
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
    FramePace kept = *p;

    if (is_full(&kept, now_us)) {
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
                        g_memdup2(&kept, sizeof(kept)));
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
