/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pager_main: the pager's side of the rcached program.  See link.h. */
#ifndef PAGER_PAGER_MAIN_H
#define PAGER_PAGER_MAIN_H

/**
 * pager_main() - be a pager until the VMM's connection has ended, and then for
 * as long as farewell.h says
 * @argv: --pager --vmm-fd=N --link=PATH --host=NAME [--words-fd=N]
 *        [--poll-us=N] [--keep-unused-ms=N] [--slow-window-ms=N]
 *        [--moves-per-minute=N] [--keep-clean]
 *
 * Return: the exit status: 0 done, 1 failed, 2 usage
 */
int pager_main(int argc, char **argv);

#endif
