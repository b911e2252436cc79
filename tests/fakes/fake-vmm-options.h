/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fake-vmm-options: the command line of the fake VMM. */
#ifndef TESTS_FAKE_VMM_OPTIONS_H
#define TESTS_FAKE_VMM_OPTIONS_H

#include "tests/fakes/vmm.h"

#define MIB             (1ull << 20)
#define THREADS_MAX     1024

typedef struct CommandLine {
    char *socket, *name, *breaks, *bads, *pattern, *local, *figures;
    int mem, maxmem, blocks, local_max, size, hot, threads, copies;
    int seconds, most_seconds, until, write_percent, zero_percent;
    int discard_permille, zap_delay_us, linger_ms, vm, stride, pace;
    gboolean dma, intruder, plug_later, at_once, no_seal, old;
} CommandLine;

/** command_line_parse() - false: it is wrong, and stderr may say why */
bool command_line_parse(CommandLine *c, int argc, char **argv);

/** command_line_clear() - free what it holds */
void command_line_clear(CommandLine *c);

/** config_fill() - the VM that it asks for; false: a word that is unknown */
bool config_fill(VmmConfig *v, const CommandLine *c);

#endif
