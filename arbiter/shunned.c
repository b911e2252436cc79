/* SPDX-License-Identifier: GPL-2.0-or-later */
/* shunned: see shunned.h. */
#include "arbiter/shunned.h"

#include <string.h>

#include "common/wire-beat.h"

#define NAMES_MAX       3u

/* What one requester says of a provider. */
typedef struct Word {
    char requester[RCACHE_NAME_MAX];
    uint32_t cause;             /* enum RcacheCause */
    uint64_t since_ms;
    uint64_t told_ms;           /* last */
    uint64_t wrong_ms;          /* wrong bytes were last told of; 0: never */
} Word;

static void array_free(void *array)
{
    g_array_unref(array);
}

void shunned_init(Shunned *shunned)
{
    shunned->providers = g_hash_table_new_full(g_str_hash, g_str_equal,
                                               g_free, array_free);
    shunned->beats = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                           g_free);
}

void shunned_deinit(Shunned *shunned)
{
    g_clear_pointer(&shunned->providers, g_hash_table_unref);
    g_clear_pointer(&shunned->beats, g_hash_table_unref);
}

/* Slow ones a pager avoids itself; one that lost pages can be had again. */
static bool cause_counts(uint32_t cause)
{
    return cause != RCACHE_CAUSE_NONE && cause != RCACHE_CAUSE_SLOW &&
           cause != RCACHE_CAUSE_LOST;
}

static bool word_holds(const Word *word, uint64_t now)
{
    return now - MIN(word->told_ms, now) <= SHUNNED_MS;
}

/* It was in its requester's last heartbeat, which came a moment ago. */
static bool word_is_said(const Shunned *shunned, const Word *word,
                         uint64_t now)
{
    const uint64_t *beat = g_hash_table_lookup(shunned->beats,
                                               word->requester);

    return beat && word->told_ms == *beat &&
           now - MIN(word->told_ms, now) <= SHUNNED_FRESH_MS;
}

static bool word_is_of_wrong(const Word *word, uint64_t now)
{
    return word->wrong_ms && now - MIN(word->wrong_ms, now) <= SHUNNED_MS;
}

static bool word_counts(const Shunned *shunned, const Word *word,
                        ShunnedWhat what, uint64_t now)
{
    if (!word_holds(word, now) || what == SHUNNED_ALL) {
        return word_holds(word, now);
    }
    if (what == SHUNNED_PRESENT && word_is_of_wrong(word, now)) {
        return true;
    }
    if (word->cause == RCACHE_CAUSE_WRONG) {
        return false;
    }
    if (word_is_said(shunned, word, now)) {
        return true;
    }
    /* As long as it was said: who comes and goes is not taken each time. */
    return now - MIN(word->told_ms, now) <
           MIN(SHUNNED_MS, word->told_ms - MIN(word->since_ms, word->told_ms));
}

static Word *word_of(GArray *words, const char *requester)
{
    Word new = { .cause = RCACHE_CAUSE_NONE };

    for (guint i = 0; i < words->len; i++) {
        Word *word = &g_array_index(words, Word, i);

        if (!strcmp(word->requester, requester)) {
            return word;
        }
    }
    wire_text_copy(new.requester, sizeof(new.requester), requester);
    g_array_append_val(words, new);
    return &g_array_index(words, Word, words->len - 1);
}

static void shunned_say(Shunned *shunned, const char *requester,
                        const WireBeatTrouble *t, uint64_t now)
{
    GArray *words = g_hash_table_lookup(shunned->providers, t->host);
    Word *word;

    if (!words) {
        words = g_array_new(FALSE, FALSE, sizeof(Word));
        g_hash_table_insert(shunned->providers, g_strdup(t->host), words);
    }
    word = word_of(words, requester);
    if (word->cause != t->cause) {
        word->cause = t->cause;
        word->since_ms = now - MIN(t->since_s * UINT64_C(1000), now);
    }
    word->told_ms = now;
    if (t->cause == RCACHE_CAUSE_WRONG) {
        word->wrong_ms = now;
    }
}

void shunned_beat(Shunned *shunned, const Hosts *hosts,
                  const Host *requester, uint64_t now)
{
    uint64_t *beat = g_new(uint64_t, 1);

    *beat = now;
    g_hash_table_replace(shunned->beats, g_strdup(requester->name), beat);
    for (guint i = 0; i < requester->troubles->len; i++) {
        const WireBeatTrouble *t = &g_array_index(requester->troubles,
                                                  WireBeatTrouble, i);

        if (cause_counts(t->cause) && hosts_find(hosts, t->host)) {
            shunned_say(shunned, requester->name, t, now);
        }
    }
}

void shunned_forget(Shunned *shunned, const char *provider)
{
    g_hash_table_remove(shunned->providers, provider);
}

void shunned_expire(Shunned *shunned, uint64_t now)
{
    GHashTableIter iter;
    void *value;

    g_hash_table_iter_init(&iter, shunned->providers);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        GArray *words = value;

        for (guint i = words->len; i-- > 0;) {
            if (!word_holds(&g_array_index(words, Word, i), now)) {
                g_array_remove_index_fast(words, i);
            }
        }
        if (!words->len) {
            g_hash_table_iter_remove(&iter);
        }
    }
    g_hash_table_iter_init(&iter, shunned->beats);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        if (now - MIN(*(uint64_t *)value, now) > SHUNNED_MS) {
            g_hash_table_iter_remove(&iter);
        }
    }
}

/* How many hosts lease from it. */
static unsigned users_of(const Host *provider)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint i = 0; i < provider->leases->len; i++) {
        g_hash_table_add(seen, g_array_index(provider->leases, WireBeatLease,
                                             i).host);
    }
    return g_hash_table_size(seen);
}

static unsigned words_counting(const Shunned *shunned, const GArray *words,
                               ShunnedWhat what, uint64_t now)
{
    unsigned n = 0;

    for (guint i = 0; i < words->len; i++) {
        n += word_counts(shunned, &g_array_index(words, Word, i), what, now);
    }
    return n;
}

static bool shunned_by_all(const Shunned *shunned, const GArray *words,
                           const Host *provider, ShunnedWhat what,
                           uint64_t now)
{
    unsigned n = words_counting(shunned, words, what, now);

    return n >= SHUNNED_MANY && 2 * n > users_of(provider);
}

bool shunned_for_all(const Shunned *shunned, const Host *provider,
                     uint64_t now)
{
    const GArray *words = g_hash_table_lookup(shunned->providers,
                                              provider->name);

    return words && shunned_by_all(shunned, words, provider, SHUNNED_ALL, now);
}

bool shunned_from(const Shunned *shunned, const Host *provider,
                  const char *requester, ShunnedWhat what, uint64_t now)
{
    const GArray *words = g_hash_table_lookup(shunned->providers,
                                              provider->name);

    for (guint i = 0; words && i < words->len; i++) {
        const Word *word = &g_array_index(words, Word, i);

        if (!strcmp(word->requester, requester) &&
            word_counts(shunned, word, what, now)) {
            return true;
        }
    }
    return words && shunned_by_all(shunned, words, provider, what, now);
}

/* The names of those that say it, a few of them, and the worst of it. */
static void words_sum(const GArray *words, uint64_t now, GString *names,
                      uint32_t *cause, uint64_t *since_ms)
{
    unsigned n = 0;

    for (guint i = 0; i < words->len; i++) {
        const Word *word = &g_array_index(words, Word, i);

        if (!word_holds(word, now)) {
            continue;
        }
        *cause = MAX(*cause, word->cause);
        *since_ms = MIN(*since_ms, word->since_ms);
        if (n < NAMES_MAX) {
            g_string_append_printf(names, "%s%s", n ? ", " : "",
                                   word->requester);
        }
        n++;
    }
    if (n > NAMES_MAX) {
        g_string_append_printf(names, " and %u more", n - NAMES_MAX);
    }
}

char *shunned_text(const Shunned *shunned, const Host *provider,
                   uint64_t now)
{
    const GArray *words = g_hash_table_lookup(shunned->providers,
                                              provider->name);
    g_autoptr(GString) names = g_string_new(NULL);
    uint32_t cause = RCACHE_CAUSE_NONE;
    uint64_t since_ms = UINT64_MAX;

    if (words) {
        words_sum(words, now, names, &cause, &since_ms);
    }
    if (!names->len) {
        return NULL;
    }
    return g_strdup_printf("%s, as %s found %.0f s ago: nothing new is asked "
                           "of it for %s", wire_cause_text(cause),
                           names->str,
                           (now - MIN(since_ms, now)) / 1000.0,
                           shunned_for_all(shunned, provider, now)
                               ? "anybody" : "those hosts");
}
