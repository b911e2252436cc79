/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * svg-lending: the picture of who lends to whom.
 *
 * Colours and fonts are the style sheet's, by class, so that a picture fits the
 * theme: there is no style in it, which the page's policy would not allow.
 * Whatever a name has in it, it is text there.  A picture is no more than what
 * a table says as well, and has one sentence for who cannot see it.
 *
 * Pure.
 */
#ifndef EXPORTER_SVG_LENDING_H
#define EXPORTER_SVG_LENDING_H

#include <glib.h>

#define SVG_SIDE_MAX    14u     /* hosts of a side; the others are summed */

/**
 * svg_lending() - who lends to whom: lenders left, borrowers right
 * @list: of Lending, as lending_list() makes it
 *
 * What hosts have on their own disks is left out.
 *
 * Return: the text, new; NULL: nobody lends anything to another
 */
char *svg_lending(const GArray *list);

#endif
