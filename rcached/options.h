/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * options: what rcached is told, by its configuration and its command line.
 */
#ifndef RCACHED_OPTIONS_H
#define RCACHED_OPTIONS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/command-line.h"
#include "common/config.h"
#include "common/tls-config.h"
#include "rcached/pager-config.h"
#include "rcached/provider/provider-limits.h"

typedef struct Options {
    CommandLineAction action;
    Config *config;
    bool debug_commands;

    /* Views of the configuration, checked. */
    char *host;                 /* this host's name */
    const char *label;
    const char *run_dir;
    TlsSettings tls;
    const char *listen;
    uint64_t slab_size;         /* bytes */
    uint64_t ttl_ms;
    uint64_t orphan_ms;
    uint64_t stop_ms;           /* 0: for ever */
    bool lock_memory;
    const char *spill_dir;      /* or "" */
    unsigned provider_poll_us;
    PagerConfig pager;
    unsigned stall_warn;        /* percent; 0: never */
    const char *memory_source;
    uint64_t deadline_ms;
    uint64_t history_ms;
    const char *qmp_directory;  /* or "" */
    unsigned qmp_period_ms;
    uint64_t growth_rate;       /* bytes in a second */
    const char *const *arbiters;
    const char *vmm_owner, *vmm_group, *vmm_mode;
    bool vmm_group_wished;      /* it is not written, only the default */
    unsigned pagers_max, pagers_per_user_max;
    ProviderLimits limits;
    const char *admin_group;
    const char *admin_read_group;
} Options;

/* The command line, for command_line_answer(). */
extern const CommandLine options_line;

/**
 * options_new() - read configuration and command line
 * @argv: changed as GOptionContext does
 *
 * Return: the options, or NULL with @errp set; an error of the domain
 * G_OPTION_ERROR is one of usage
 */
Options *options_new(int argc, char **argv, GError **errp);
void options_free(Options *options);

/** options_lend() - the most to lend; @total: the host's memory in bytes, and
 * no more than that */
uint64_t options_lend(const Options *options, uint64_t total);

/** options_spill_size() - bytes to set aside for the spill file */
uint64_t options_spill_size(const Options *options, uint64_t total);

/** options_reserve() - what is never lent; @total at most */
uint64_t options_reserve(const Options *options, uint64_t total);

/** options_say_capped() - warn of sizes above @total, and say what follows */
void options_say_capped(const Options *options, uint64_t total);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Options, options_free)

#endif
