/* SPDX-License-Identifier: GPL-2.0-or-later */
/* answers: see answers.h. */
#include "arbiter/exporter/answers.h"

#include "arbiter/rcachectl/cell.h"
#include "arbiter/rcachectl/figures.h"
#include "common/admin.h"
#include "common/log-event.h"

void answers_init(Answers *answers, const char *daemon, const char *socket,
                  bool paged)
{
    *answers = (Answers) {
        .daemon = daemon, .socket = socket, .paged = paged
    };
    page_init(&answers->page);
}

void answers_deinit(Answers *answers)
{
    page_deinit(&answers->page);
    g_clear_pointer(&answers->all, json_node_unref);
    g_clear_pointer(&answers->error, g_free);
    g_clear_pointer(&answers->said, g_free);
}

/* What it says may be another program's: nothing that a terminal acts upon. */
static void answers_failed(Answers *answers, const GError *error)
{
    g_autofree char *why = cell_text(error->message);

    g_free(answers->error);
    answers->error = g_strdup(why);
    if (!g_strcmp0(answers->said, why)) {
        return;
    }
    log_event_daemon(
        G_LOG_LEVEL_WARNING, LOG_NO_FIGURES, answers->daemon,
        "%s gives no figures: %s%s", answers->daemon, why,
        g_error_matches(error, ADMIN_ERROR, ADMIN_ERROR_REFUSED)
            ? "; name a group of this program's user as [admin] read-group of "
              "that daemon" : "");
    g_free(answers->said);
    answers->said = g_steal_pointer(&why);
}

static void answers_came(Answers *answers, Figures *figures)
{
    g_clear_pointer(&answers->error, g_free);
    if (answers->said) {
        g_message("%s gives figures again", answers->daemon);
        g_clear_pointer(&answers->said, g_free);
    }
    if (answers->paged) {
        page_answered(&answers->page, figures->status, figures->hosts,
                      figures->vms, g_get_monotonic_time());
    }
    answers->all = figures_json(figures);
}

static int64_t keep_us(const Answers *answers)
{
    return CLAMP(ANSWERS_KEEP_TIMES * answers->took, ANSWERS_KEEP_US,
                 ANSWERS_KEEP_MAX_US);
}

unsigned answers_refresh(Answers *answers)
{
    int64_t now = g_get_monotonic_time();
    g_autoptr(GError) error = NULL;
    Figures figures;

    if (answers->times &&
        now - answers->began - answers->took < keep_us(answers)) {
        return answers->times;
    }
    g_clear_pointer(&answers->all, json_node_unref);
    if (figures_ask(&figures, answers->socket, &error)) {
        answers_came(answers, &figures);
    } else {
        answers_failed(answers, error);
    }
    answers->began = now;
    answers->took = g_get_monotonic_time() - now;
    return ++answers->times;
}

void answers_sample(Answers *answers)
{
    if (answers->paged &&
        (!answers->times ||
         g_get_monotonic_time() - answers->began >= HISTORY_STEP_US)) {
        answers_refresh(answers);
    }
}

char *answers_page(const Answers *answers)
{
    return page_text(&answers->page, answers->daemon, answers->error,
                     g_get_monotonic_time());
}
