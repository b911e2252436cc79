/* SPDX-License-Identifier: GPL-2.0-or-later */
/* load: the parameters of the load.  See load.h. */
#include "load.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "random.h"

typedef struct Key {
    const char *group, *name;
    size_t offset;
} Key;

#define KEY(group, name, field) { group, name, offsetof(Load, field) }

static const Key keys[] = {
    KEY("hosts", "memory-gib", hosts.memory_gib),
    KEY("hosts", "rack", hosts.rack),
    KEY("hosts", "own-share", hosts.own_share),
    KEY("hosts", "noise-share", hosts.noise_share),
    KEY("guests", "allocated-share", guests.allocated_share),
    KEY("guests", "size-gib", guests.size_gib),
    KEY("guests", "use-share", guests.use_share),
    KEY("guests", "touched-share", guests.touched_share),
    KEY("guests", "reporting-share", guests.reporting_share),
    KEY("guests", "balloon-share", guests.balloon_share),
    KEY("guests", "diurnal-share", guests.diurnal_share),
    KEY("guests", "diurnal-spread-h", guests.diurnal_spread_h),
    KEY("bursts", "per-day", bursts.per_day),
    KEY("bursts", "least-share", bursts.least_share),
    KEY("bursts", "most-share", bursts.most_share),
    KEY("bursts", "shape", bursts.shape),
    KEY("bursts", "rate", bursts.rate),
    KEY("bursts", "rate-most", bursts.rate_most),
    KEY("bursts", "length", bursts.length),
    KEY("churn", "per-day", churn.per_day),
    KEY("churn", "size-gib", churn.size_gib),
    KEY("churn", "life", churn.life),
    KEY("churn", "use-share", churn.use_share),
    KEY("churn", "rate", churn.rate),
    KEY("spikes", "tenants", spikes.tenants),
    KEY("spikes", "per-tenant-day", spikes.per_tenant_day),
    KEY("spikes", "share", spikes.share),
    KEY("spikes", "apart", spikes.apart),
    KEY("spikes", "length", spikes.length),
    KEY("failures", "machine-per-year", failures.machine_per_year),
    KEY("failures", "rack-per-year", failures.rack_per_year),
    KEY("failures", "machine-hours", failures.machine_hours),
    KEY("failures", "rack-hours", failures.rack_hours),
    KEY("failures", "restart-s", failures.restart_s),
    KEY("requests", "vms-per-host", requests.vms_per_host),
    KEY("requests", "asked-share", requests.asked_share),
    KEY("requests", "asked-spread", requests.asked_spread),
    KEY("requests", "step-share", requests.step_share),
    KEY("requests", "retry", requests.retry),
    KEY("lending", "slab-mib", lending.slab_mib),
    KEY("lending", "reserve-share", lending.reserve_share),
    KEY("lending", "deadline", lending.deadline),
    KEY("copies", "lend-share", copies.lend_share),
    KEY("copies", "asked-share", copies.asked_share),
    KEY("copies", "give-up", copies.give_up),
    KEY("copies", "rate-mib", copies.rate_mib),
};

static bool number(const char *text, double *out)
{
    g_autofree char *copy = g_strstrip(g_strdup(text));
    char *end;

    *out = g_ascii_strtod(copy, &end);
    return end != copy && !*end && isfinite(*out) && *out >= 0;
}

static bool parse_weights(const char *text, Dist *out)
{
    g_auto(GStrv) words = g_strsplit_set(text, " ", -1);
    double sum = 0;

    for (unsigned i = 0; words[i]; i++) {
        g_auto(GStrv) pair = g_strsplit(words[i], ":", 2);
        double weight;

        if (!*words[i]) {
            continue;
        }
        if (out->n == DIST_VALUES || g_strv_length(pair) != 2 ||
            !number(pair[0], &out->value[out->n]) ||
            !number(pair[1], &weight)) {
            return false;
        }
        sum += weight;
        out->weight[out->n++] = sum;
    }
    return sum > 0;
}

static bool dist_parse(const char *text, Dist *out)
{
    const char *dots = strstr(text, ".."), *star = strchr(text, '*');
    const char *second = dots ? dots + 2 : star ? star + 1 : NULL;
    g_autofree char *first = g_strndup(text, dots ? dots - text :
                                             star ? star - text :
                                                    (ptrdiff_t)strlen(text));

    memset(out, 0, sizeof(*out));
    if (strchr(text, ':')) {
        out->kind = DIST_WEIGHTS;
        return parse_weights(text, out);
    }
    out->kind = dots ? DIST_EVEN : star ? DIST_LOGNORMAL : DIST_FIXED;
    return number(first, &out->a) && (!second || number(second, &out->b)) &&
           (!dots || out->a <= out->b);
}

static bool refuse_unknown(GKeyFile *file, const char *path, GError **errp)
{
    g_auto(GStrv) groups = g_key_file_get_groups(file, NULL);

    for (unsigned i = 0; groups[i]; i++) {
        g_auto(GStrv) names = g_key_file_get_keys(file, groups[i], NULL,
                                                  NULL);

        for (unsigned j = 0; names[j]; j++) {
            bool known = false;

            for (unsigned k = 0; k < G_N_ELEMENTS(keys); k++) {
                known |= !strcmp(keys[k].group, groups[i]) &&
                         !strcmp(keys[k].name, names[j]);
            }
            if (!known) {
                g_set_error(errp, G_KEY_FILE_ERROR,
                            G_KEY_FILE_ERROR_KEY_NOT_FOUND,
                            "%s: there is no key '%s' in [%s]", path,
                            names[j], groups[i]);
                return false;
            }
        }
    }
    return true;
}

Load *load_read(const char *path, GError **errp)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autofree Load *load = g_new0(Load, 1);

    if (!g_key_file_load_from_file(file, path, G_KEY_FILE_NONE, errp)) {
        g_prefix_error(errp, "%s: ", path);
        return NULL;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(keys); i++) {
        g_autofree char *text = g_key_file_get_string(file, keys[i].group,
                                                      keys[i].name, errp);

        if (!text) {
            g_prefix_error(errp, "%s: ", path);
            return NULL;
        }
        if (!dist_parse(text, (void *)((char *)load + keys[i].offset))) {
            g_set_error(errp, G_KEY_FILE_ERROR,
                        G_KEY_FILE_ERROR_INVALID_VALUE,
                        "%s: [%s] %s: '%s' is none of A, A .. B, M * S and "
                        "V:W V:W", path, keys[i].group, keys[i].name, text);
            return NULL;
        }
    }
    return refuse_unknown(file, path, errp) ? g_steal_pointer(&load) : NULL;
}

double dist_draw(const Dist *dist, uint64_t *random)
{
    unsigned i = 0;
    double at;

    switch (dist->kind) {
    case DIST_FIXED:
        break;
    case DIST_EVEN:
        return dist->a + (dist->b - dist->a) * random_unit(random);
    case DIST_LOGNORMAL:
        return dist->a * exp(dist->b * random_normal(random));
    case DIST_WEIGHTS:
        at = random_unit(random) * dist->weight[dist->n - 1];
        while (at >= dist->weight[i]) {
            i++;
        }
        return dist->value[i];
    }
    return dist->a;
}
