/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rates: see rates.h. */
#include "arbiter/exporter/rates.h"

#include <math.h>

typedef struct Rate {
    int64_t since;              /* of .count */
    double count;
    double rate;                /* before that */
    unsigned turn;              /* it was last in */
} Rate;

void rates_init(Rates *rates)
{
    *rates = (Rates) {
        .of = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free),
    };
}

void rates_deinit(Rates *rates)
{
    g_clear_pointer(&rates->of, g_hash_table_unref);
}

void rates_begin(Rates *rates)
{
    rates->turn++;
}

double rates_next(Rates *rates, const char *uuid, const char *host,
                  double count, int64_t now)
{
    g_autofree char *key = g_strdup_printf("%s %s", uuid, host);
    Rate *rate = g_hash_table_lookup(rates->of, key);

    if (!rate) {
        rate = g_new(Rate, 1);
        *rate = (Rate) { now, count, NAN, rates->turn };
        g_hash_table_insert(rates->of, g_steal_pointer(&key), rate);
        return NAN;
    }
    rate->turn = rates->turn;
    if (count < rate->count) {
        *rate = (Rate) { now, count, NAN, rates->turn };
    } else if (now - rate->since >= RATES_SPAN_US) {
        rate->rate = (count - rate->count) * 1e6 / (now - rate->since);
        rate->since = now;
        rate->count = count;
    }
    return rate->rate;
}

static gboolean is_gone(void *key, void *value, void *opaque)
{
    const Rates *rates = opaque;
    const Rate *rate = value;

    return rate->turn != rates->turn;
}

void rates_end(Rates *rates)
{
    g_hash_table_foreach_remove(rates->of, is_gone, rates);
}
