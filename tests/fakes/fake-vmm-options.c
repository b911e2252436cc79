/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fake-vmm-options: the command line of the fake VMM.  See its header. */
#include "tests/fakes/fake-vmm-options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    unsigned bit;
} rules[] = {
    { "no-pin-check", VMM_BREAK_PINS },
    { "discard-without-cas", VMM_BREAK_DISCARD },
    { "fallback-ignores-table", VMM_BREAK_FALLBACK },
    { "uffd-not-kept", VMM_BREAK_UFFD },
}, bads[] = {
    { "version", VMM_BAD_VERSION },
    { "layout", VMM_BAD_LAYOUT },
    { "unsealed", VMM_BAD_UNSEALED },
    { "truncated", VMM_BAD_TRUNCATED },
    { "oversized", VMM_BAD_OVERSIZED },
    { "copies", VMM_BAD_COPIES },
    { "limits", VMM_BAD_LIMITS },
    { "hugetlb", VMM_BAD_HUGETLB },
    { "words", VMM_BAD_WORDS },
    { "moved", VMM_BAD_MOVED },
    { "keyless", VMM_BAD_KEYLESS },
    { "key", VMM_BAD_KEY },
};

static unsigned bits_of(const char *text, const void *table, size_t n,
                        bool *bad)
{
    const struct {
        const char *name;
        unsigned bit;
    } *t = table;
    g_auto(GStrv) words = g_strsplit(text ? text : "", ",", -1);
    unsigned bits = 0;

    for (char **w = words; *w; w++) {
        bool known = false;

        for (size_t i = 0; i < n; i++) {
            if (!strcmp(*w, t[i].name)) {
                bits |= t[i].bit;
                known = true;
            }
        }
        *bad |= !known;
    }
    return bits;
}

bool command_line_parse(CommandLine *c, int argc, char **argv)
{
    const GOptionEntry entries[] = {
        { "socket", 0, 0, G_OPTION_ARG_STRING, &c->socket, "vmm.sock", "PATH" },
        { "name", 0, 0, G_OPTION_ARG_STRING, &c->name, "the VM's", "NAME" },
        { "vm", 0, 0, G_OPTION_ARG_INT, &c->vm, "number in its uuid", "N" },
        { "mem", 0, 0, G_OPTION_ARG_INT, &c->mem, "guest memory", "MIB" },
        { "maxmem", 0, 0, G_OPTION_ARG_INT, &c->maxmem,
          "what the state memfd has room for", "MIB" },
        { "blocks", 0, 0, G_OPTION_ARG_INT, &c->blocks, "1 to 8", "N" },
        { "plug-later", 0, 0, G_OPTION_ARG_NONE, &c->plug_later,
          "the last block comes with the command plug", NULL },
        { "local-max", 0, 0, G_OPTION_ARG_STRING, &c->local,
          "auto is not below an eighth", "MIB|auto" },
        { "size", 0, 0, G_OPTION_ARG_INT, &c->size, "(mem - local)", "MIB" },
        { "copies", 0, 0, G_OPTION_ARG_INT, &c->copies, "(1)", "N" },
        { "threads", 0, 0, G_OPTION_ARG_INT, &c->threads, "", "N" },
        { "seconds", 0, 0, G_OPTION_ARG_INT, &c->seconds, "", "N" },
        { "most-seconds", 0, 0, G_OPTION_ARG_INT, &c->most_seconds, "", "N" },
        { "figures", 0, 0, G_OPTION_ARG_FILENAME, &c->figures,
          "have what stats prints in it, ten times a second", "FILE" },
        { "until-evicted", 0, 0, G_OPTION_ARG_INT, &c->until, "", "N" },
        { "pattern", 0, 0, G_OPTION_ARG_STRING, &c->pattern,
          "uniform, sweep, or scan: in order, each thread a part", "P" },
        { "stride", 0, 0, G_OPTION_ARG_INT, &c->stride, "of scan (1)", "N" },
        { "hot", 0, 0, G_OPTION_ARG_INT, &c->hot, "hot set", "MIB" },
        { "pace", 0, 0, G_OPTION_ARG_INT, &c->pace, "visits a second", "N" },
        { "write-percent", 0, 0, G_OPTION_ARG_INT, &c->write_percent, "",
          "N" },
        { "zero-percent", 0, 0, G_OPTION_ARG_INT, &c->zero_percent, "", "N" },
        { "discard-permille", 0, 0, G_OPTION_ARG_INT, &c->discard_permille,
          "", "N" },
        { "zap-delay-us", 0, 0, G_OPTION_ARG_INT, &c->zap_delay_us, "", "N" },
        { "linger", 0, 0, G_OPTION_ARG_INT, &c->linger_ms,
          "live on when the connection has been closed, in the end", "MS" },
        { "dma", 0, 0, G_OPTION_ARG_NONE, &c->dma, "", NULL },
        { "intruder", 0, 0, G_OPTION_ARG_NONE, &c->intruder, "", NULL },
        { "no-seal", 0, 0, G_OPTION_ARG_NONE, &c->no_seal,
          "pages are not encrypted", NULL },
        { "old", 0, 0, G_OPTION_ARG_NONE, &c->old,
          "it does not say whose faults are, nor how many vCPUs it has", NULL },
        { "at-once", 0, 0, G_OPTION_ARG_NONE, &c->at_once,
          "no page is answered here between two pagers", NULL },
        { "break", 0, 0, G_OPTION_ARG_STRING, &c->breaks,
          "rules to take out", "LIST" },
        { "bad", 0, 0, G_OPTION_ARG_STRING, &c->bads,
          "ways to misbehave", "LIST" },
        { 0 }
    };
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_autoptr(GError) error = NULL;

    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error)) {
        fprintf(stderr, "fake-vmm: %s\n", error->message);
        return false;
    }
    if (c->local) {
        c->local_max = strcmp(c->local, "auto") ? atoi(c->local) : c->mem / 8;
    }
    return c->socket && c->mem > 0 && c->local_max > 0 && c->threads >= 0 &&
           c->threads <= THREADS_MAX;
}

void command_line_clear(CommandLine *c)
{
    g_free(c->socket);
    g_free(c->name);
    g_free(c->breaks);
    g_free(c->bads);
    g_free(c->pattern);
    g_free(c->local);
    g_free(c->figures);
}

bool config_fill(VmmConfig *v, const CommandLine *c)
{
    bool bad = false;

    *v = (VmmConfig) {
        .socket = c->socket, .name = c->name ? c->name : "fake",
        .uuid = { 0xfa, 0x4e, c->vm },
        .pages = c->mem * MIB / RCACHE_PAGE_SIZE,
        .words = c->maxmem * MIB / RCACHE_PAGE_SIZE, .blocks = c->blocks,
        .plug_later = c->plug_later && c->blocks > 1,
        .local_max = c->local_max * MIB / RCACHE_PAGE_SIZE,
        .automatic = !g_strcmp0(c->local, "auto"),
        .size = (c->size ? c->size : MAX(c->mem - c->local_max, 0)) * MIB /
                RCACHE_PAGE_SIZE,
        .copies = c->copies ? c->copies : 1,
        .threads = c->threads, .write_percent = c->write_percent,
        .zero_percent = c->zero_percent,
        .discard_permille = c->discard_permille, .dma = c->dma,
        .intruder = c->intruder, .hot = c->hot * MIB / RCACHE_PAGE_SIZE,
        .pace = MAX(c->pace, 0),
        .zap_delay_us = c->zap_delay_us,
        .until_evicted = c->until, .at_once = c->at_once,
        .seal = !c->no_seal, .old = c->old,
        .sweep = c->pattern && !strcmp(c->pattern, "sweep"),
        .scan = c->pattern && !strcmp(c->pattern, "scan")
                    ? MAX(c->stride, 1) : 0,
        .rules_off = bits_of(c->breaks, rules, G_N_ELEMENTS(rules), &bad),
        .bad = bits_of(c->bads, bads, G_N_ELEMENTS(bads), &bad),
    };
    return !bad;
}
