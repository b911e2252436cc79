/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * svg-history: the chart of one figure of the last hour.
 *
 * As in svg-lending.h, colours and fonts are the style sheet's, and there is a
 * sentence for who cannot see it.
 *
 * Pure.
 */
#ifndef EXPORTER_SVG_HISTORY_H
#define EXPORTER_SVG_HISTORY_H

#include <stdint.h>

#include "arbiter/exporter/history.h"

/**
 * svg_history() - the last hour of one figure, as a line with holes
 * @title: what it is, for who cannot see it
 * @format: a value of it as text, new
 *
 * Return: the text, new; NULL: there are no two samples yet
 */
char *svg_history(const History *history, HistoryKind kind, int64_t now,
                  const char *title, char *(*format)(double value));

#endif
