/*
 * race_alert.c - the scheduler under ThreadSanitizer: wakes, reloads and questions while it looks and delivers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/io_sim.h"
#include "engine/base/thread.h"
#include "server/alert/alert.h"

#define ROUNDS 40

struct race {
    struct engine *engine;
    struct query_db *db;
    struct control *control;
    struct alerts *alerts;
    uint32_t project;
};

static void must(enum status s, const struct error *error)
{
    if (s >= 0)
        return;
    (void)fprintf(stderr, "race_alert: %s\n", error->text);
    exit(1);
}

static void wake(void *context)
{
    struct race *r = context;
    for (int i = 0; i < ROUNDS * 500; i++)
        alerts_wake(r->alerts);
}

static void reload(void *context)
{
    struct race *r = context;
    struct error error = {0};
    for (int i = 0; i < ROUNDS; i++) {
        must(alerts_reload(r->alerts, &error), &error);
        (void)usleep(5000);
    }
}

static void ask(void *context)
{
    static const char *const tables[] = {"alert_rules", "incidents", "notifications"};
    struct race *r = context;
    struct error error = {0};
    for (int i = 0; i < ROUNDS * 3; i++) {
        char text[64];
        struct query_result *result = NULL;
        const struct query_options options = {.project = r->project, .threads = 1};
        (void)snprintf(text, sizeof text, "select count(*) from %s", tables[i % 3]);
        must(query_run(r->db, slice_text(text), &options, &result, &error), &error);
        query_result_destroy(result);
    }
}

static void rules_write(const char *path)
{
    FILE *file = fopen(path, "we");
    ASSERT(file != NULL);
    /* Port 1 refuses: deliveries fail and wait, so that the notifier thread is busy, too. */
    ASSERT(
        fputs(
            "defaults: {every: 100ms, notify: ops}\n"
            "notifiers: [{name: ops, type: webhook, url: 'http://127.0.0.1:1/', allow_private: true}]\n"
            "rules:\n"
            "- {name: always, query: select 1 as value, condition: value > 0}\n"
            "- {name: flaps, query: select extract('second' from now()) as value, condition: value between 0 and 0.5}\n"
            "- {name: spans, query: select count(*) as value from spans, condition: value > 0}\n",
            file) >= 0);
    ASSERT(fclose(file) == 0);
}

int main(void)
{
    const struct engine_options engine_options = {.maintenance_threads = UINT32_MAX,
                                                  .wal_file_bytes = 256 << 10,
                                                  .reserve_bytes = UINT64_MAX};
    char root[] = "/tmp/driftline-race-XXXXXX";
    char path[64];
    char rules[64];
    char command[80];
    struct race r = {0};
    struct error error = {0};
    struct thread threads[3];
    ASSERT(mkdtemp(root) != NULL);
    (void)snprintf(path, sizeof path, "%s/control.db", root);
    (void)snprintf(rules, sizeof rules, "%s/rules.yaml", root);
    (void)snprintf(command, sizeof command, "rm -rf %s", root);
    rules_write(rules);
    struct io *io = io_sim_create(1);
    must(engine_open(io, &engine_options, &r.engine, &error), &error);
    must(engine_project(r.engine, slice_text("default"), true, &r.project, &error), &error);
    must(control_open(path, &r.control, &error), &error);
    r.db = query_db_create(r.engine);
    must(alert_tables_add(r.db, r.control, &error), &error);
    const struct alert_options options = {
        .engine = r.engine, .db = r.db, .control = r.control, .rules_path = rules};
    must(alerts_start(&options, &r.alerts, &error), &error);
    thread_start(&threads[0], "wake", wake, &r);
    thread_start(&threads[1], "reload", reload, &r);
    thread_start(&threads[2], "ask", ask, &r);
    for (int i = 0; i < 3; i++)
        thread_join(&threads[i]);
    alerts_stop(r.alerts);
    query_db_destroy(r.db);
    control_close(r.control);
    engine_close(r.engine);
    io_destroy(io);
    ASSERT(system(command) == 0);
    (void)printf("ok\n");
    return 0;
}
