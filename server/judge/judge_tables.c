/*
 * judge_tables.c - the tables judge_queue, judge_agreement and judge_confusion for SQL.
 *
 * Place:     control file; rows of scores and tags through the query door -> [here] -> query
 * Cost:      agreement reads all human scores and tags of the project, and the judges' of the same traces only: it grows with
 *            what people have labelled, not with what judges have.
 */
#include <assert.h>
#include <math.h>

#include "engine/base/intern.h"
#include "server/judge/agreement.h"
#include "server/judge/judge_internal.h"

#define QUEUE_ROWS_MAX  "100000"
#define TRACES_AT_ONCE  500u
#define COUNT_OF(array) ((uint32_t)(sizeof(array) / sizeof *(array)))

static struct query_value text_value(struct slice text)
{
    return (struct query_value){.type = SQL_TEXT, .text = text};
}

static struct query_value int_value(uint64_t v)
{
    return (struct query_value){.type = SQL_INT, .i64 = (int64_t)v};
}

static struct query_value null_value(void)
{
    return (struct query_value){.type = SQL_NULL};
}

static struct query_value float_value(double v)
{
    return isnan(v) ? null_value() : (struct query_value){.type = SQL_FLOAT, .f64 = v};
}

/* ---- judge_queue: a column is a name, a type and what SQLite calls it ---- */

#define QUEUE_COLUMNS(COLUMN)                                                                      \
    COLUMN("id", SQL_INT, "id")                                                                    \
    COLUMN("rule", SQL_TEXT, "rule")                                                               \
    COLUMN("state", SQL_TEXT, "state")                                                             \
    COLUMN("trace_id", SQL_TEXT, "trace_id")                                                       \
    COLUMN("span_id", SQL_TEXT, "span_id")                                                         \
    COLUMN("flagged", SQL_BOOL, "flagged")                                                         \
    COLUMN("attempts", SQL_INT, "attempts")                                                        \
    COLUMN("leased_by", SQL_TEXT, "case when state in ('leased','writing') then worker end")       \
    COLUMN("lease_until", SQL_TIMESTAMP,                                                           \
           "case when state in ('leased','writing') then lease_until end")                         \
    COLUMN("queued", SQL_TIMESTAMP, "queued")                                                      \
    COLUMN("next_attempt", SQL_TIMESTAMP, "case state when 'queued' then next end")                \
    COLUMN("finished", SQL_TIMESTAMP, "case when state in ('done','poison') then finished end")    \
    COLUMN("worker", SQL_TEXT, "nullif(worker, '')")                                               \
    COLUMN("scorer", SQL_TEXT, "nullif(scorer, '')")                                               \
    COLUMN("scorer_version", SQL_TEXT, "nullif(scorer_version, '')")                               \
    COLUMN("judge_model", SQL_TEXT, "nullif(judge_model, '')")                                     \
    COLUMN("value", SQL_FLOAT, "value")                                                            \
    COLUMN("label", SQL_TEXT, "label")                                                             \
    COLUMN("cost_usd", SQL_FLOAT, "cost_nusd / 1e9")                                               \
    COLUMN("reason", SQL_TEXT, "nullif(reason, '')")

#define AS_QUERY_COLUMN(name, type, expression) {name, type},
#define AS_SELECT(name, type, expression)       expression ","

static const struct query_column queue_columns[] = {QUEUE_COLUMNS(AS_QUERY_COLUMN)};

static struct query_value cell(const struct control_statement *st, int at, enum sql_type type)
{
    struct query_value v = {.type = type};
    if (control_is_null(st, at))
        v.type = SQL_NULL;
    else if (type == SQL_FLOAT)
        v.f64 = control_f64(st, at);
    else if (type == SQL_TEXT)
        v.text = control_text(st, at);
    else
        v.i64 = control_i64(st, at);
    return v;
}

static enum status fill_queue(void *context, uint32_t project, struct query_table_rows *to,
                              struct error *reterr)
{
    struct control_statement *st = NULL;
    struct query_value cells[COUNT_OF(queue_columns)];
    enum status s = control_prepare(
        context,
        "select " QUEUE_COLUMNS(AS_SELECT) "0 from judge_item where project = ?1"
                                           " order by id desc limit " QUEUE_ROWS_MAX,
        &st, reterr);
    if (s < 0)
        return s;
    control_bind_i64(st, 1, project);
    while ((s = control_step(st, reterr)) == STATUS_OK) {
        for (uint32_t i = 0; i < COUNT_OF(queue_columns); i++)
            cells[i] = cell(st, (int)i, queue_columns[i].type);
        query_table_row(to, cells);
    }
    control_finish(st);
    return s < 0 ? s : STATUS_OK;
}

/* ---- agreement: reading ---- */

/* The same columns from both tables; a class is the label of the name error_class. */
#define SCORE_OPINIONS                                                                             \
    "select trace_id, span_id, time, name, value, label, scorer, scorer_version, judge_model"      \
    " from scores where span_id is not null and source = "
#define TAG_OPINIONS                                                                               \
    "select trace_id, span_id, time, 'error_class', null, class, by, null, null from tags where source = "

struct reading {
    struct query_db *db;
    uint32_t project;
    struct agreement *agreement;
    struct intern *traces; /* hex, of what people labelled */
};

static struct slice text_of(const struct query_value *v)
{
    return v->type == SQL_NULL ? SLICE_EMPTY : v->text;
}

static void opinion_read(const struct query_value *cells,
                         char key[ID128_HEX_BYTES + ID64_HEX_BYTES], struct opinion *ret)
{
    memcpy(key, cells[0].text.data, ID128_HEX_BYTES);
    memcpy(key + ID128_HEX_BYTES, cells[1].text.data, ID64_HEX_BYTES);
    *ret = (struct opinion){.span = slice_of(key, ID128_HEX_BYTES + ID64_HEX_BYTES),
                            .time_ns = cells[2].i64,
                            .name = text_of(&cells[3]),
                            .value = cells[4].type == SQL_FLOAT ? cells[4].f64 : (double)NAN,
                            .label = text_of(&cells[5])};
}

/* Oldest first, so that of equal times the later commit counts. */
static enum status opinions_read(struct reading *r, struct slice statement,
                                 void (*each)(struct reading *r, const struct query_value *cells),
                                 struct error *reterr)
{
    struct query_result *rows = NULL;
    struct query_options options = {.project = r->project};
    enum status s = query_run(r->db, statement, &options, &rows, reterr);
    if (s < 0)
        return s;
    for (uint64_t row = 0; row < rows->row_count; row++)
        each(r, &rows->cells[row * rows->column_count]);
    query_result_destroy(rows);
    return STATUS_OK;
}

static void human_add(struct reading *r, const struct query_value *cells)
{
    char key[ID128_HEX_BYTES + ID64_HEX_BYTES];
    struct opinion o;
    opinion_read(cells, key, &o);
    agreement_human(r->agreement, &o);
    (void)intern_add(r->traces, cells[0].text);
}

static void judge_add(struct reading *r, const struct query_value *cells)
{
    char key[ID128_HEX_BYTES + ID64_HEX_BYTES];
    struct opinion o;
    opinion_read(cells, key, &o);
    const struct judge_version version = {.name = o.name,
                                          .scorer = text_of(&cells[6]),
                                          .scorer_version = text_of(&cells[7]),
                                          .judge_model = text_of(&cells[8])};
    agreement_judge(r->agreement, &version, &o);
}

static enum status judges_read(struct reading *r, const char *select, struct error *reterr)
{
    enum status s = STATUS_OK;
    struct buffer text = {0};
    for (uint32_t at = 1; at < r->traces->count && s >= 0; at += TRACES_AT_ONCE) {
        uint32_t end =
            r->traces->count - at < TRACES_AT_ONCE ? r->traces->count : at + TRACES_AT_ONCE;
        buffer_reset(&text);
        buffer_printf(&text, "%s'judge' and trace_id in (", select);
        for (uint32_t i = at; i < end; i++)
            buffer_printf(&text, "%s'%.*s'", i == at ? "" : ",", SLICE_ARG(r->traces->values[i]));
        buffer_add_text(&text, ") order by seq");
        s = opinions_read(r, buffer_slice(&text), judge_add, reterr);
    }
    buffer_deinit(&text);
    return s;
}

static enum status agreement_read(struct query_db *db, uint32_t project, struct agreement *to,
                                  struct error *reterr)
{
    struct intern traces;
    struct reading r = {.db = db, .project = project, .agreement = to, .traces = &traces};
    enum status s;
    intern_init(&traces);
    if ((s = opinions_read(&r, slice_text(SCORE_OPINIONS "'human' order by seq"), human_add,
                           reterr)) < 0)
        goto out;
    if ((s = opinions_read(&r, slice_text(TAG_OPINIONS "'human' order by seq"), human_add,
                           reterr)) < 0)
        goto out;
    if ((s = judges_read(&r, SCORE_OPINIONS, reterr)) < 0)
        goto out;
    s = judges_read(&r, TAG_OPINIONS, reterr);
out:
    intern_deinit(&traces);
    return s;
}

/* ---- agreement: the tables ---- */

static const struct query_column agreement_columns[] = {
    {"name", SQL_TEXT},        {"scorer", SQL_TEXT}, {"scorer_version", SQL_TEXT},
    {"judge_model", SQL_TEXT}, {"pairs", SQL_INT},   {"agreed", SQL_INT},
    {"accuracy", SQL_FLOAT},   {"kappa", SQL_FLOAT}, {"tp", SQL_INT},
    {"fp", SQL_INT},           {"tn", SQL_INT},      {"fn", SQL_INT},
};
static const struct query_column confusion_columns[] = {
    {"name", SQL_TEXT},        {"scorer", SQL_TEXT},      {"scorer_version", SQL_TEXT},
    {"judge_model", SQL_TEXT}, {"judge_label", SQL_TEXT}, {"human_label", SQL_TEXT},
    {"count", SQL_INT},
};

static struct query_value text_or_null(struct slice text)
{
    return text.size == 0 ? null_value() : text_value(text);
}

static void agreement_row(void *context, const struct agreement_line *l)
{
    const struct judge_version *v = l->version;
    const struct query_value cells[] = {
        text_value(v->name),
        text_or_null(v->scorer),
        text_or_null(v->scorer_version),
        text_or_null(v->judge_model),
        int_value(l->pairs),
        int_value(l->agreed),
        float_value(l->accuracy),
        float_value(l->kappa),
        l->is_binary ? int_value(l->tp) : null_value(),
        l->is_binary ? int_value(l->fp) : null_value(),
        l->is_binary ? int_value(l->tn) : null_value(),
        l->is_binary ? int_value(l->fn) : null_value(),
    };
    static_assert(sizeof cells / sizeof *cells ==
                      sizeof agreement_columns / sizeof *agreement_columns,
                  "one value a column");
    query_table_row(context, cells);
}

static void confusion_row(void *context, const struct agreement_cell *c)
{
    const struct judge_version *v = c->version;
    const struct query_value cells[] = {
        text_value(v->name),          text_or_null(v->scorer),    text_or_null(v->scorer_version),
        text_or_null(v->judge_model), text_value(c->judge_label), text_value(c->human_label),
        int_value(c->count),
    };
    static_assert(sizeof cells / sizeof *cells ==
                      sizeof confusion_columns / sizeof *confusion_columns,
                  "one value a column");
    query_table_row(context, cells);
}

static enum status fill_agreement(void *context, uint32_t project, struct query_table_rows *to,
                                  struct error *reterr)
{
    struct agreement *a = agreement_create();
    enum status s = agreement_read(context, project, a, reterr);
    if (s >= 0)
        agreement_lines(a, agreement_row, to);
    agreement_destroy(a);
    return s;
}

static enum status fill_confusion(void *context, uint32_t project, struct query_table_rows *to,
                                  struct error *reterr)
{
    struct agreement *a = agreement_create();
    enum status s = agreement_read(context, project, a, reterr);
    if (s >= 0)
        agreement_cells(a, confusion_row, to);
    agreement_destroy(a);
    return s;
}

enum status judge_tables_add(struct query_db *db, struct control *control, struct error *reterr)
{
    enum status s = judge_schema(control, reterr);
    if (s < 0)
        return s;
    const struct query_table tables[] = {
        {"judge_queue", queue_columns, COUNT_OF(queue_columns), fill_queue, control},
        {"judge_agreement", agreement_columns, COUNT_OF(agreement_columns), fill_agreement, db},
        {"judge_confusion", confusion_columns, COUNT_OF(confusion_columns), fill_confusion, db},
    };
    for (size_t i = 0; i < COUNT_OF(tables); i++)
        query_db_add_table(db, &tables[i]);
    return STATUS_OK;
}
