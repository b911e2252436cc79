/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * crash-point: named places in which a test lets a daemon die.
 *
 * Between two acts of which neither can be taken back (a word is stored, a
 * page is punched, a request goes out) a daemon may be killed, and whoever
 * comes next has to find out how far it was.  Each such place has a name;
 * tests/integration/crash_*.py have a test for each, which dies exactly
 * there, and HACKING.md says what has to be done about it afterwards.
 *
 * The daemons that are installed have none of it: only those that are compiled
 * with RCACHED_CRASH_POINTS do, in tests/integration, where crash-point.c is.
 * There a point is armed through the file that the environment variable
 * RCACHED_CRASH_FILE names.
 */
#ifndef COMMON_CRASH_POINT_H
#define COMMON_CRASH_POINT_H

#ifdef RCACHED_CRASH_POINTS

/** crash_point() - die here, if that is wanted */
void crash_point(const char *name);

/** crash_point_sent() - die when what was just queued has gone out */
void crash_point_sent(const char *name);

/**
 * crash_point_turn() - what was queued has been given to the kernel, and no
 * answer to it has been looked at
 */
void crash_point_turn(void);

#else

static inline void crash_point(const char *name)
{
}

static inline void crash_point_sent(const char *name)
{
}

static inline void crash_point_turn(void)
{
}

#endif

#endif
