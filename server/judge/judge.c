/*
 * judge.c - opens the queue: its tables, its rules.
 */
#include "engine/base/limits.h"
#include "server/judge/judge_internal.h"

#define JUDGE_RULES_MAX 256u

static const char ddl[] =
    "create table if not exists judge_item ("
    " id integer primary key autoincrement, rule text not null, project integer not null,"
    " project_name text not null, trace_id text not null, span_id text not null,"
    " state text not null check (state in ('queued','leased','writing','done','poison')),"
    " flagged integer not null, attempts integer not null default 0, token integer not null default 0,"
    " worker text not null default '', queued integer not null, next integer not null,"
    " lease_until integer, finished integer, scorer text not null default '',"
    " scorer_version text not null default '', judge_model text not null default '',"
    " value real, label text, cost_nusd integer, reason text not null default '',"
    " unique (rule, project, trace_id, span_id));"
    "create index if not exists judge_item_waiting on judge_item (rule, project, flagged desc, id)"
    " where state = 'queued';"
    "create index if not exists judge_item_leased on judge_item (lease_until)"
    " where state in ('leased','writing');"
    "create index if not exists judge_item_finished on judge_item (finished) where state = 'done';"
    "create index if not exists judge_item_state on judge_item (rule, project, state);"
    /* How far a rule has looked; project 0 is where it began. */
    "create table if not exists judge_watermark (rule text not null, project integer not null, seq integer not null,"
    " primary key (rule, project)) without rowid;"
    "create table if not exists judge_cost (rule text not null, day integer not null, cost_nusd integer not null,"
    " verdicts integer not null, primary key (rule, day)) without rowid;";

enum status judge_schema(struct control *control, struct error *reterr)
{
    return control_schema(control, ddl, reterr);
}

/* ---- rules ---- */

static bool name_is_valid(const char *name)
{
    return name[0] != 0 && strlen(name) <= NAME_BYTES_MAX;
}

/*
 * The condition must stand for one boolean by itself: what reads well both with and without parentheses around it
 * can't reach beyond them.
 */
static enum status condition_check(struct judge *j, const struct judge_rule *rule,
                                   struct error *reterr)
{
    static const char *const forms[][2] = {{"select 1 from spans where (\n", "\n)"},
                                           {"select 1 from spans where\n", "\nlimit 1"}};
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        struct buffer text = {0};
        struct query_shape *shape = NULL;
        struct query_options options = {.project = 1};
        buffer_add_text(&text, forms[i][0]);
        buffer_add_text(&text, rule->where);
        buffer_add_text(&text, forms[i][1]);
        enum status s = query_describe(j->db, buffer_slice(&text), &options, &shape, reterr);
        buffer_deinit(&text);
        if (s < 0) {
            error_prefix(reterr, "judge %s: where", rule->name);
            if (reterr != NULL)
                reterr->position = -1;
            return s;
        }
        bool takes_parameters = shape->parameter_count != 0;
        query_shape_destroy(shape);
        if (takes_parameters)
            return error_set(reterr, STATUS_INVALID,
                             "judge %s: where: there are no parameters like $1 here", rule->name);
    }
    return STATUS_OK;
}

static enum status rule_check(struct judge *j, uint32_t at, struct error *reterr)
{
    const struct judge_rule *r = &j->rules[at];
    struct buffer column = {0};
    if (!name_is_valid(r->name))
        return error_set(reterr, STATUS_INVALID, "judge rule %u: a name has 1 to %u characters",
                         at + 1, NAME_BYTES_MAX);
    for (uint32_t i = 0; i < at; i++) {
        if (strcmp(j->rules[i].name, r->name) == 0)
            return error_set(reterr, STATUS_INVALID, "judge %s: there are two rules of this name",
                             r->name);
    }
    buffer_add_text(&column, SCORE_PREFIX);
    buffer_add_text(&column, r->scorer);
    bool scorer_is_valid = score_name_is_valid(buffer_slice(&column));
    buffer_deinit(&column);
    if (!scorer_is_valid)
        return error_set(
            reterr, STATUS_INVALID,
            "judge %s: scorer: '%.200s' is no score name: 1 to %u of A-Z a-z 0-9 _ . -", r->name,
            r->scorer, NAME_BYTES_MAX);
    if (strlen(r->scorer_version) > NAME_BYTES_MAX || strlen(r->judge_model) > NAME_BYTES_MAX)
        return error_set(reterr, STATUS_INVALID,
                         "judge %s: scorer_version, judge_model: at most %u characters", r->name,
                         NAME_BYTES_MAX);
    if (!(r->sample >= 0 && r->sample <= 1))
        return error_set(reterr, STATUS_INVALID, "judge %s: sample: %g is not a share from 0 to 1",
                         r->name, r->sample);
    if (r->lease_ns < 0 || r->lease_ns > JUDGE_LEASE_MAX_NS || r->attempts_max < 0 ||
        r->cost_cap_nusd_per_day < 0)
        return error_set(reterr, STATUS_INVALID,
                         "judge %s: lease (at most a day), attempts and cost cap are not negative",
                         r->name);
    return condition_check(j, r, reterr);
}

static const char *text_copy(struct judge *j, const char *text, const char *otherwise)
{
    return arena_strdup(&j->arena, text == NULL || text[0] == 0 ? otherwise : text);
}

static void rules_copy(struct judge *j, const struct judge_rule *rules, uint32_t count)
{
    j->rules = ARENA_ARRAY(&j->arena, struct judge_rule, count + 1);
    j->rule_count = count;
    for (uint32_t i = 0; i < count; i++) {
        struct judge_rule *r = &j->rules[i];
        *r = rules[i];
        r->name = text_copy(j, r->name, "");
        r->project = text_copy(j, r->project, "");
        r->where = text_copy(j, r->where, "kind = 'llm'");
        r->scorer = text_copy(j, r->scorer, r->name);
        r->judge_model = text_copy(j, r->judge_model, "");
        r->scorer_version = text_copy(j, r->scorer_version, "");
        r->lease_ns = r->lease_ns == 0 ? JUDGE_LEASE_DEFAULT_NS : r->lease_ns;
        r->attempts_max = r->attempts_max == 0 ? JUDGE_ATTEMPTS_DEFAULT : r->attempts_max;
    }
}

const struct judge_rule *judge_rule_find(const struct judge *j, struct slice name)
{
    for (uint32_t i = 0; i < j->rule_count; i++) {
        if (slice_is(name, j->rules[i].name))
            return &j->rules[i];
    }
    return NULL;
}

uint32_t judge_rule_count(const struct judge *j)
{
    return j->rule_count;
}

/* ---- opening ---- */

/* A new rule begins here; an old one goes on where it was. */
static enum status watermark_begin(struct judge *j, const struct judge_rule *rule,
                                   struct error *reterr)
{
    struct control_statement *st = NULL;
    enum status s = control_prepare(
        j->control, "insert or ignore into judge_watermark (rule, project, seq) values (?1, 0, ?2)",
        &st, reterr);
    if (s < 0)
        return s;
    control_bind_text(st, 1, slice_text(rule->name));
    control_bind_i64(st, 2, (int64_t)engine_last_seq(j->engine));
    return control_run(st, NULL, reterr);
}

enum status judge_open(struct engine *engine, struct query_db *db, struct control *control,
                       const struct judge_rule *rules, uint32_t count, struct judge **ret,
                       struct error *reterr)
{
    if (count > JUDGE_RULES_MAX)
        return error_set(reterr, STATUS_LIMIT, "%u judge rules are more than %u", count,
                         JUDGE_RULES_MAX);
    struct judge *j = MEM_NEW(struct judge);
    j->engine = engine;
    j->db = db;
    j->control = control;
    mutex_init(&j->fill_lock);
    mutex_init(&j->lock);
    condition_init(&j->written);
    rules_copy(j, rules, count);
    enum status s = judge_schema(control, reterr);
    for (uint32_t i = 0; i < count && s >= 0; i++)
        s = rule_check(j, i, reterr);
    for (uint32_t i = 0; i < count && s >= 0; i++)
        s = watermark_begin(j, &j->rules[i], reterr);
    if (s < 0) {
        judge_close(j);
        return s;
    }
    *ret = j;
    return STATUS_OK;
}

void judge_close(struct judge *j)
{
    if (j == NULL)
        return;
    condition_deinit(&j->written);
    mutex_deinit(&j->lock);
    mutex_deinit(&j->fill_lock);
    mem_free(j->writing);
    arena_deinit(&j->arena);
    mem_free(j);
}
