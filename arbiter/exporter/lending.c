/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lending: see lending.h. */
#include "arbiter/exporter/lending.h"

#include <string.h>

#include "arbiter/exporter/page-value.h"
#include "arbiter/rcachectl/cell.h"

typedef struct Sums {
    GHashTable *at;             /* "provider\nrequester" -> index + 1 */
    GHashTable *stale;          /* names of hosts */
    GArray *list;
} Sums;

static void lending_clear(void *opaque)
{
    Lending *lending = opaque;

    g_free(lending->provider);
    g_free(lending->requester);
    g_free(lending->trouble);
}

static Lending *sums_find(Sums *sums, const char *provider,
                          const char *requester)
{
    /* The length, since a name may have any character. */
    g_autofree char *key = g_strdup_printf("%zu %s %s", strlen(provider),
                                           provider, requester);
    guint at = GPOINTER_TO_UINT(g_hash_table_lookup(sums->at, key));

    if (!at) {
        Lending lending = { g_strdup(provider), g_strdup(requester) };

        g_array_append_val(sums->list, lending);
        at = sums->list->len;
        g_hash_table_insert(sums->at, g_steal_pointer(&key),
                            GUINT_TO_POINTER(at));
    }
    return &g_array_index(sums->list, Lending, at - 1);
}

static void sums_add(Sums *sums, JsonObject *vm, JsonObject *provider)
{
    const char *host = page_text_of(provider, "host");
    const char *requester = page_text_of(vm, "host");
    Lending *lending = sums_find(sums, host, requester);
    const char *trouble = page_text_of(provider, "trouble");

    lending->stored += page_amount(provider, "stored_bytes");
    lending->leased += page_amount(provider, "bytes");
    lending->vms++;
    lending->stale |= page_vm_is_stale(vm) ||
                      g_hash_table_contains(sums->stale, host);
    if (*trouble && !lending->trouble) {
        lending->trouble = g_strdup(trouble);
    }
}

static void sums_vm(Sums *sums, JsonObject *vm)
{
    JsonArray *providers = cell_array(vm, "providers");

    if (*page_text_of(vm, "elsewhere")) {
        return;
    }
    for (guint i = 0; providers && i < json_array_get_length(providers);
         i++) {
        JsonObject *provider = page_object_at(providers, i);

        if (provider) {
            sums_add(sums, vm, provider);
        }
    }
}

static int compare(gconstpointer a, gconstpointer b)
{
    const Lending *left = a, *right = b;
    int names;

    if (left->stored != right->stored) {
        return left->stored > right->stored ? -1 : 1;
    }
    names = strcmp(left->provider, right->provider);
    return names ? names : strcmp(left->requester, right->requester);
}

GArray *lending_list(JsonArray *hosts, JsonArray *vms)
{
    g_autoptr(GHashTable) at = g_hash_table_new_full(g_str_hash, g_str_equal,
                                                     g_free, NULL);
    g_autoptr(GHashTable) stale = g_hash_table_new(g_str_hash, g_str_equal);
    Sums sums = { at, stale, g_array_new(FALSE, FALSE, sizeof(Lending)) };

    g_array_set_clear_func(sums.list, lending_clear);
    for (guint i = 0; hosts && i < json_array_get_length(hosts); i++) {
        JsonObject *host = page_object_at(hosts, i);

        if (host && page_host_is_stale(host)) {
            g_hash_table_add(stale, (char *)page_text_of(host, "name"));
        }
    }
    for (guint i = 0; vms && i < json_array_get_length(vms); i++) {
        JsonObject *vm = page_object_at(vms, i);

        if (vm) {
            sums_vm(&sums, vm);
        }
    }
    g_array_sort(sums.list, compare);
    return sums.list;
}
