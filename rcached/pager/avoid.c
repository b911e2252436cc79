/* SPDX-License-Identifier: GPL-2.0-or-later */
/* avoid: providers that cannot push to one another.  See avoid.h. */
#include "rcached/pager/avoid.h"

GArray *avoid_new(void)
{
    return g_array_new(FALSE, FALSE, sizeof(Avoid));
}

static guint avoid_find(const GArray *avoid, const void *from, const void *to)
{
    guint i = 0;

    while (i < avoid->len && (g_array_index(avoid, Avoid, i).from != from ||
                              g_array_index(avoid, Avoid, i).to != to)) {
        i++;
    }
    return i;
}

uint64_t avoid_failed(GArray *avoid, const void *from, const void *to,
                      uint64_t now)
{
    guint i = avoid_find(avoid, from, to);
    Avoid *a;

    if (i == avoid->len) {
        Avoid new = { .from = from, .to = to };

        g_array_append_val(avoid, new);
    }
    a = &g_array_index(avoid, Avoid, i);
    a->failures++;
    a->until = now;
    if (a->failures > 1) {
        a->until += MIN(AVOID_FIRST_NS << MIN(a->failures - 2, 16u),
                        AVOID_MOST_NS);
    }
    return a->until;
}

void avoid_worked(GArray *avoid, const void *from, const void *to)
{
    guint i = avoid_find(avoid, from, to);

    if (i < avoid->len) {
        g_array_remove_index_fast(avoid, i);
    }
}

bool avoid_is(const GArray *avoid, const void *from, const void *to,
              uint64_t now)
{
    guint i = avoid_find(avoid, from, to);

    return i < avoid->len && now < g_array_index(avoid, Avoid, i).until;
}

void avoid_forget(GArray *avoid, const void *remote)
{
    for (guint i = avoid->len; i-- > 0;) {
        const Avoid *a = &g_array_index(avoid, Avoid, i);

        if (a->from == remote || a->to == remote) {
            g_array_remove_index_fast(avoid, i);
        }
    }
}
