/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * top-screen: the only file that knows ncurses.
 *
 * It looks, draws what top-layout.h makes of it, and waits for a key until it
 * is time to look again.  A daemon that does not answer is told on the
 * screen, over the last figures, and is asked again.  ncurses itself puts the
 * terminal back at SIGINT and SIGTERM.
 */
#include "arbiter/rcachectl/top-screen.h"

#include <curses.h>
#include <glib.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "arbiter/rcachectl/rcachectl.h"
#include "arbiter/rcachectl/top-layout.h"
#include "arbiter/rcachectl/top-look.h"

#define EARLY_US        100000
#define ERRORS_MAX      20u
#define STYLES          (TOP_FAINT + 1)

/* ----------------------------------------------------------------- drawing */

typedef struct Screen {
    TopModel model;
    TopView view;
    chtype styles[STYLES];
} Screen;

static void styles_init(chtype *styles)
{
    styles[TOP_PLAIN] = A_NORMAL;
    styles[TOP_HEAD] = A_REVERSE;
    styles[TOP_HEAD_FOCUS] = A_REVERSE | A_BOLD;
    styles[TOP_GOOD] = A_NORMAL;
    styles[TOP_WARN] = A_BOLD;
    styles[TOP_BAD] = A_BOLD;
    styles[TOP_FAINT] = A_DIM;
    if (has_colors() && start_color() == OK) {
        use_default_colors();
        init_pair(1, COLOR_GREEN, -1);
        init_pair(2, COLOR_YELLOW, -1);
        init_pair(3, COLOR_RED, -1);
        styles[TOP_GOOD] |= COLOR_PAIR(1);
        styles[TOP_WARN] |= COLOR_PAIR(2);
        styles[TOP_BAD] |= COLOR_PAIR(3);
    }
}

static void draw(Screen *screen)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_local();
    g_autofree char *clock = g_date_time_format(now, "%H:%M:%S");
    g_autoptr(GArray) lines = NULL;

    screen->view.clock = clock;
    lines = top_layout(&screen->model, &screen->view, COLS, LINES);
    screen->view.clock = NULL;
    erase();
    for (guint i = 0; i < lines->len; i++) {
        const TopLine *line = &g_array_index(lines, TopLine, i);

        attrset(screen->styles[line->style]);
        mvaddstr(i, 0, line->text);
    }
    attrset(A_NORMAL);
    refresh();
}

/* -------------------------------------------------------------------- keys */

static void scroll_by(TopView *view, int rows)
{
    unsigned *first = &view->first[view->focus];

    /* top_layout() keeps it from going beyond the end. */
    *first = rows < 0 && *first < (unsigned)-rows ? 0 : *first + rows;
}

/* Return: false to end. */
static bool key(TopView *view, int c)
{
    switch (c) {
    case 'q':
    case 'Q':
        return false;
    case '\t':
        view->focus = (view->focus + 1) % TOP_TABLES;
        break;
    case 's':
        view->sort[view->focus]++;
        break;
    case 'w':
        view->phases = !view->phases;
        break;
    case KEY_UP:
        scroll_by(view, -1);
        break;
    case KEY_DOWN:
        scroll_by(view, 1);
        break;
    case KEY_PPAGE:
        scroll_by(view, -(int)view->page);
        break;
    case KEY_NPAGE:
        scroll_by(view, view->page);
        break;
    case KEY_HOME:
        view->first[view->focus] = 0;
        break;
    default:
        break;                  /* KEY_RESIZE, and what means nothing */
    }
    return true;
}

/* Until it is time to look again; false: the user has had enough. */
static bool wait_keys(Screen *screen, int64_t until)
{
    unsigned errors = 0;

    for (;;) {
        int64_t left = until - g_get_monotonic_time();
        int c;

        if (left <= 0) {
            return true;
        }
        timeout(left / 1000 + 1);
        c = getch();
        if (c == ERR) {
            /* At once, again and again: the terminal has gone. */
            if (left > EARLY_US && ++errors > ERRORS_MAX) {
                return false;
            }
            continue;
        }
        if (!key(&screen->view, c)) {
            return false;
        }
        draw(screen);
    }
}

static void loop(Screen *screen, unsigned interval_ms)
{
    int64_t next;

    do {
        g_autoptr(GError) error = NULL;

        next = g_get_monotonic_time() + interval_ms * INT64_C(1000);
        if (!top_look(&screen->model, screen->view.socket, &error)) {
            top_model_fail(&screen->model, error->message);
        }
        draw(screen);
    } while (wait_keys(screen, MAX(next, g_get_monotonic_time() + 50000)));
}

static int show(Screen *screen, unsigned interval_ms)
{
    const char *term = getenv("TERM");
    SCREEN *terminal;

    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
        g_printerr("rcachectl: top needs a terminal; \"rcachectl --json top\" "
                   "prints what it shows, once\n");
        return EXIT_FAILED;
    }
    terminal = newterm(NULL, stdout, stdin);
    if (!terminal) {
        g_printerr("rcachectl: top does not know this terminal, TERM is "
                   "'%s'; set it to what it is, or to vt100\n",
                   term ? term : "");
        return EXIT_FAILED;
    }
    cbreak();
    noecho();
    keypad(stdscr, TRUE);
    curs_set(0);
    styles_init(screen->styles);
    loop(screen, interval_ms);
    endwin();
    delscreen(terminal);
    return EXIT_DONE;
}

int top_run(const char *path, unsigned interval_ms)
{
    Screen screen = { .view = { .socket = path, .focus = TOP_VMS } };
    g_autoptr(GError) error = NULL;
    int status;

    top_model_init(&screen.model);
    /* What cannot be asked at all is better said before the screen goes. */
    status = top_look(&screen.model, path, &error)
                 ? show(&screen, interval_ms) : rcachectl_fail(error);
    top_model_deinit(&screen.model);
    return status;
}
