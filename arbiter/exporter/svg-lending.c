/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * svg-lending: the picture of who lends to whom.  See svg-lending.h.
 *
 * Each side has its hosts from top to bottom, what stores most first, and each
 * pair an arrow whose width is what is stored.  A host that lends and borrows
 * is on both sides.  Hosts beyond SVG_SIDE_MAX of a side are one box there.
 */
#include "arbiter/exporter/svg-lending.h"

#include <math.h>
#include <string.h>

#include "arbiter/exporter/lending.h"
#include "arbiter/exporter/page-value.h"

#define WIDTH           720.0
#define BOX             196.0   /* wide */
#define TALL            38.0
#define STEP            50.0    /* from box to box */
#define TOP             26.0    /* for the heads */
#define ARROW           9.0     /* room for a head between line and box */
#define LABEL_MAX       22u     /* characters of a name that fit */
#define THICK_MIN       1.5
#define THICK_MAX       14.0

typedef struct Box {
    const char *name;           /* NULL: those that are summed */
    double bytes;
    unsigned hosts;
} Box;

typedef struct Side {
    GHashTable *at;             /* name -> index of its box + 1 */
    GArray *boxes;
} Side;

/* Of the picture: pairs of boxes. */
typedef struct Arrow {
    guint from, to;
    double bytes;
    bool stale, trouble;
} Arrow;

static bool is_drawn(const Lending *lending)
{
    return lending->stored > 0 &&
           strcmp(lending->provider, lending->requester) != 0;
}

static void side_init(Side *side)
{
    side->at = g_hash_table_new(g_str_hash, g_str_equal);
    side->boxes = g_array_new(FALSE, TRUE, sizeof(Box));
}

static void side_deinit(Side *side)
{
    g_hash_table_unref(side->at);
    g_array_unref(side->boxes);
}

static void side_add(Side *side, const char *name, double bytes)
{
    guint at = GPOINTER_TO_UINT(g_hash_table_lookup(side->at, name));
    Box *box;

    if (!at) {
        Box new = { .name = name, .hosts = 1 };

        g_array_append_val(side->boxes, new);
        at = side->boxes->len;
        g_hash_table_insert(side->at, (char *)name, GUINT_TO_POINTER(at));
    }
    box = &g_array_index(side->boxes, Box, at - 1);
    box->bytes += bytes;
}

static int compare_boxes(gconstpointer a, gconstpointer b)
{
    const Box *left = a, *right = b;

    if (left->bytes != right->bytes) {
        return left->bytes > right->bytes ? -1 : 1;
    }
    return strcmp(left->name, right->name);
}

/* Sort, and sum what is too much. */
static void side_settle(Side *side)
{
    Box others = { .hosts = 0 };

    g_array_sort(side->boxes, compare_boxes);
    for (guint i = 0; i < side->boxes->len; i++) {
        Box *box = &g_array_index(side->boxes, Box, i);
        guint at = i;

        if (side->boxes->len > SVG_SIDE_MAX && i >= SVG_SIDE_MAX - 1) {
            others.bytes += box->bytes;
            others.hosts++;
            at = SVG_SIDE_MAX - 1;
        }
        g_hash_table_insert(side->at, (char *)box->name,
                            GUINT_TO_POINTER(at + 1));
    }
    if (others.hosts) {
        g_array_set_size(side->boxes, SVG_SIDE_MAX - 1);
        g_array_append_val(side->boxes, others);
    }
}

static guint side_find(const Side *side, const char *name)
{
    return GPOINTER_TO_UINT(g_hash_table_lookup(side->at, name)) - 1;
}

/* --------------------------------------------------------------- drawing */

/* Always with a point, whatever the locale. */
static void number(GString *out, const char *name, double value)
{
    char text[G_ASCII_DTOSTR_BUF_SIZE];

    g_string_append_printf(out, " %s=\"%s\"", name,
                           g_ascii_formatd(text, sizeof(text), "%.1f",
                                           value));
}

static double middle(guint box)
{
    return TOP + box * STEP + TALL / 2;
}

static void draw_box(GString *out, const Box *box, guint at, bool left)
{
    double x = left ? 0.5 : WIDTH - BOX - 0.5;
    g_autofree char *name = box->name
        ? page_escape(box->name, LABEL_MAX)
        : g_strdup_printf("%u others", box->hosts);
    g_autofree char *whole = box->name
        ? page_escape(box->name, PAGE_NAME_MAX)
        : g_strdup_printf("%u others", box->hosts);
    g_autofree char *bytes = page_bytes(box->bytes);

    g_string_append_printf(out, "<g class=\"node\"><title>%s %s %s</title>"
                           "<rect", whole, left ? "lends" : "borrows", bytes);
    number(out, "x", x);
    number(out, "y", TOP + at * STEP);
    number(out, "width", BOX);
    number(out, "height", TALL);
    g_string_append(out, " rx=\"6\"/><text class=\"name\"");
    number(out, "x", x + 10);
    number(out, "y", TOP + at * STEP + 16);
    g_string_append_printf(out, ">%s</text><text class=\"size\"", name);
    number(out, "x", x + 10);
    number(out, "y", TOP + at * STEP + 31);
    g_string_append_printf(out, ">%s</text></g>", bytes);
}

static void draw_head(GString *out, const char *text, bool left)
{
    g_string_append(out, "<text class=\"side\"");
    number(out, "x", left ? 0.5 : WIDTH - BOX - 0.5);
    number(out, "y", 14);
    g_string_append_printf(out, ">%s</text>", text);
}

/* A curve that leaves and arrives level, and a head of its own size. */
static void draw_arrow(GString *out, const Arrow *arrow, double most,
                       const char *from, const char *to)
{
    double x1 = BOX + 2, x2 = WIDTH - BOX - 2 - ARROW;
    double y1 = middle(arrow->from), y2 = middle(arrow->to);
    double thick = MAX(THICK_MIN, THICK_MAX * arrow->bytes / most);
    double half = MAX(thick / 2 + 2.5, 4), mid = (x1 + x2) / 2;
    double along[] = { x1, y1, mid, y1, mid, y2, x2, y2 };
    double head[] = { x2, y2 - half, x2 + ARROW, y2, x2, y2 + half };
    g_autofree char *bytes = page_bytes(arrow->bytes);
    char text[G_ASCII_DTOSTR_BUF_SIZE];

    g_string_append_printf(out, "<g class=\"edge%s%s\"><title>%s lends %s to "
                           "%s%s</title><path class=\"line\" d=\"",
                           arrow->stale ? " stale" : "",
                           arrow->trouble ? " trouble" : "", from, bytes, to,
                           arrow->stale ? ", as was heard last" : "");
    for (unsigned i = 0; i < G_N_ELEMENTS(along); i++) {
        g_string_append_printf(out, "%s%s", !i ? "M" : i == 2 ? " C" : " ",
                               g_ascii_formatd(text, sizeof(text), "%.1f",
                                               along[i]));
    }
    g_string_append_c(out, '"');
    number(out, "stroke-width", thick);
    g_string_append(out, "/><polygon class=\"head\" points=\"");
    for (unsigned i = 0; i < G_N_ELEMENTS(head); i++) {
        g_string_append_printf(out, "%s%s", i ? " " : "",
                               g_ascii_formatd(text, sizeof(text), "%.1f",
                                               head[i]));
    }
    g_string_append(out, "\"/></g>");
}

static char *box_name(const Side *side, guint at)
{
    const Box *box = &g_array_index(side->boxes, Box, at);

    return box->name ? page_escape(box->name, PAGE_NAME_MAX)
                     : g_strdup_printf("%u others", box->hosts);
}

/* Pairs of boxes: where some are summed, so are their arrows. */
static GArray *arrows_of(const GArray *list, const Side *lenders,
                         const Side *borrowers)
{
    GArray *arrows = g_array_new(FALSE, TRUE, sizeof(Arrow));
    guint16 at[SVG_SIDE_MAX][SVG_SIDE_MAX] = { 0 };

    for (guint i = 0; i < list->len; i++) {
        const Lending *lending = &g_array_index(list, Lending, i);
        Arrow *arrow;
        guint from, to;

        if (!is_drawn(lending)) {
            continue;
        }
        from = side_find(lenders, lending->provider);
        to = side_find(borrowers, lending->requester);
        if (!at[from][to]) {
            Arrow new = { .from = from, .to = to };

            g_array_append_val(arrows, new);
            at[from][to] = arrows->len;
        }
        arrow = &g_array_index(arrows, Arrow, at[from][to] - 1);
        arrow->bytes += lending->stored;
        arrow->stale |= lending->stale;
        arrow->trouble |= lending->trouble != NULL;
    }
    return arrows;
}

static void draw_arrows(GString *out, const GArray *list, const Side *lenders,
                        const Side *borrowers)
{
    g_autoptr(GArray) arrows = arrows_of(list, lenders, borrowers);
    double most = 0;

    for (guint i = 0; i < arrows->len; i++) {
        most = MAX(most, g_array_index(arrows, Arrow, i).bytes);
    }
    for (guint i = 0; i < arrows->len; i++) {
        const Arrow *arrow = &g_array_index(arrows, Arrow, i);
        g_autofree char *from = box_name(lenders, arrow->from);
        g_autofree char *to = box_name(borrowers, arrow->to);

        draw_arrow(out, arrow, most, from, to);
    }
}

static char *draw(const GArray *list, const Side *lenders,
                  const Side *borrowers, unsigned pairs)
{
    GString *out = g_string_new("<svg xmlns=\"http://www.w3.org/2000/svg\" "
                                "class=\"lending\" role=\"img\"");
    double tall = TOP + STEP * MAX(lenders->boxes->len,
                                   borrowers->boxes->len);

    g_string_append_printf(out, " viewBox=\"0 0 %.0f %.0f\" aria-label=\""
                           "Who lends memory to whom: %u pair%s of hosts; the "
                           "table below names them\">", WIDTH, tall, pairs,
                           pairs == 1 ? "" : "s");
    draw_head(out, "lends", true);
    draw_head(out, "borrows", false);
    draw_arrows(out, list, lenders, borrowers);
    for (guint i = 0; i < lenders->boxes->len; i++) {
        draw_box(out, &g_array_index(lenders->boxes, Box, i), i, true);
    }
    for (guint i = 0; i < borrowers->boxes->len; i++) {
        draw_box(out, &g_array_index(borrowers->boxes, Box, i), i, false);
    }
    g_string_append(out, "</svg>");
    return g_string_free(out, FALSE);
}

char *svg_lending(const GArray *list)
{
    Side lenders, borrowers;
    unsigned pairs = 0;
    char *text = NULL;

    side_init(&lenders);
    side_init(&borrowers);
    for (guint i = 0; i < list->len; i++) {
        const Lending *lending = &g_array_index(list, Lending, i);

        if (is_drawn(lending)) {
            side_add(&lenders, lending->provider, lending->stored);
            side_add(&borrowers, lending->requester, lending->stored);
            pairs++;
        }
    }
    side_settle(&lenders);
    side_settle(&borrowers);
    if (pairs) {
        text = draw(list, &lenders, &borrowers, pairs);
    }
    side_deinit(&lenders);
    side_deinit(&borrowers);
    return text;
}
