/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-settle: whatever has happened, a pager comes to rest, and pages are
 * where they can be.  See settle.h.
 *
 * test-settle [--seeds N] [--first S]     so many histories
 * test-settle --seed S [--verbose]        that one, with all that happens
 *
 * One seed is one history, always the same.  Of one that fails all is printed.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/fuzz/vmm-played.h"
#include "settle.h"

#define SEEDS   120u

World world;

/* splitmix64 */
unsigned chance(unsigned n)
{
    uint64_t z = world.random += 0x9e3779b97f4a7c15ull;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return (z ^ z >> 31) % n;
}

static void line(const char *text)
{
    double at = (pager_now() - world.began) / 1e9;

    g_string_append_printf(world.story, "%7.2f s  %s\n", at, text);
    if (world.tell) {
        printf("%7.2f s  %s\n", at, text);
    }
}

void tell(const char *fmt, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    line(text);
}

void fail(const char *fmt, ...)
{
    va_list ap;

    if (*world.why) {
        return;
    }
    va_start(ap, fmt);
    g_vsnprintf(world.why, sizeof(world.why), fmt, ap);
    va_end(ap);
    line(world.why);
}

/* Never both copies at one provider. */
static void check_pairs(const Pager *p)
{
    for (uint32_t i = 0; i < p->slots.nr; i++) {
        const SlotSlab *s = &p->slots.slabs[i];
        const Lease *a = leases_of(&p->leases, s, 0);
        const Lease *b = leases_of(&p->leases, s, 1);

        if (s->used && a && b && a->remote == b->remote) {
            fail("both copies of slab %u are at %s", i, a->remote->host);
        }
    }
}

void run(uint64_t ns)
{
    uint64_t until = pager_now() + ns, tick = 0;

    while (pager_now() < until && !played.p->done) {
        played_turns(1, true);
        guest_look();
        if (pager_now() >= tick) {
            tick = pager_now() + 100 * NS_PER_MS;
            hosts_tick();
            daemon_tick();
            guest_tick();
            check_pairs(played.p);
        }
    }
}

/* What the pager says is part of the story. */
static GLogWriterOutput log_line(GLogLevelFlags level, const GLogField *fields,
                                 gsize n, void *opaque)
{
    for (gsize i = 0; i < n && world.story; i++) {
        if (!g_strcmp0(fields[i].key, "MESSAGE")) {
            tell("    pager: %s", (const char *)fields[i].value);
        }
    }
    return level & G_LOG_LEVEL_ERROR
               ? g_log_writer_default(level, fields, n, opaque)
               : G_LOG_WRITER_HANDLED;
}

static bool seed_runs(uint64_t seed, bool verbose, bool story)
{
    bool well;

    world = (World) { .seed = seed, .random = seed, .tell = verbose,
                      .story = g_string_new(NULL) };
    g_random_set_seed(seed);    /* where a pager's clock starts */
    ring_played_begin();
    world.began = pager_now();
    story_begin();
    story_go();
    if (!*world.why) {
        story_heal();
        end_settle();
    }
    well = !*world.why;
    if (!well && !verbose && story) {
        printf("%s", world.story->str);
    }
    if (!well) {
        printf("seed %" G_GUINT64_FORMAT ":F: %s\n", seed, world.why);
        fflush(stdout);
    }
    played_end();
    hosts_end();
    g_string_free(world.story, TRUE);
    world.story = NULL;
    return well;
}

int main(int argc, char **argv)
{
    gint64 seed = -1, seeds = SEEDS, first = 1;
    gboolean verbose = FALSE;
    const GOptionEntry options[] = {
        { "seed", 0, 0, G_OPTION_ARG_INT64, &seed, "this one only", "S" },
        { "seeds", 0, 0, G_OPTION_ARG_INT64, &seeds, "so many", "N" },
        { "first", 0, 0, G_OPTION_ARG_INT64, &first, "from this one on", "S" },
        { "verbose", 0, 0, G_OPTION_ARG_NONE, &verbose,
          "say what happens as it does", NULL },
        { 0 }
    };
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    unsigned failed = 0;

    g_option_context_add_main_entries(context, options, NULL);
    if (!g_option_context_parse(context, &argc, &argv, NULL)) {
        return 2;
    }
    g_setenv("FUZZ_LOG", "1", TRUE);    /* it comes here */
    g_log_set_writer_func(log_line, NULL, NULL);
    if (seed >= 0) {
        return !seed_runs(seed, verbose, true);
    }
    for (gint64 i = first; i < first + seeds; i++) {
        failed += !seed_runs(i, verbose, !failed);
    }
    printf("%u of %u histories have failed\n", failed, (unsigned)seeds);
    return failed != 0;
}
