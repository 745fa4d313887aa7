/*
 * test_cell.c - names with units and values from text.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "engine/base/clock.h"
#include "engine/base/limits.h"
#include "engine/span/cell.h"

struct fixture {
    struct schema schema;
    struct builder builder;
    struct error error;
};

static void fixture_init(struct fixture *f, enum table table)
{
    *f = (struct fixture){0};
    schema_init(&f->schema);
    builder_init(&f->builder, table, &f->schema);
    builder_row(&f->builder);
}

static void fixture_deinit(struct fixture *f)
{
    builder_deinit(&f->builder);
    schema_deinit(&f->schema);
}

/* One cell of one row; the vector of the column, or NULL when it stayed NULL. */
static enum status put(struct fixture *f, const char *name, struct slice text,
                       const struct vector **ret)
{
    struct cell_target target;
    enum status s =
        cell_target_find(&f->schema, f->builder.table, slice_text(name), &target, &f->error);
    if (s < 0)
        return s;
    s = cell_parse(&target, text, &f->builder, &f->error);
    if (s < 0)
        return s;
    struct batch batch = builder_batch(&f->builder);
    *ret = batch_vector(&batch, target.column->id);
    return STATUS_OK;
}

struct integer_case {
    const char *name;
    const char *text;
    int64_t stored;
};

static const struct integer_case integers[] = {
    {"latency_ms", "12.5", 12500000},
    {"latency_us", "12.5", 12500},
    {"latency_ns", "12", 12},
    {"latency_s", "1.25", 1250000000},
    {"latency_ms", "0.0000001", 0},
    {"latency_ms", "0.0000005", 1},
    {"latency_ms", "1e3", 1000000000},
    {"ttft_us", "7", 7000},
    {"cost_usd", "0.000125", 125000},
    {"cost_usd", "0.1", 100000000},
    {"cost_nusd", "125000", 125000},
    {"cost_usd", "-1", -1000000000},
    {"time", "2026-11-01T14:05:00.5Z", 1793541900 * NS_PER_S + 500000000},
    {"time", "1793541900000000001", 1793541900000000001},
    {"time_ns", "1793541900000000001", 1793541900000000001},
    {"time_us", "1793541900000001", 1793541900000001000},
    {"time_ms", "1793541900001.5", 1793541900001500000},
    {"time_s", "1793541900.25", 1793541900250000000},
    {"time_s", "2026-11-01", 1793491200 * NS_PER_S},
    {"tokens_in", "42", 42},
    {"tokens_in", "42.0", 42},
    {"http_status", "503", 503},
    {"cost_estimated", "true", 1},
    {"cost_estimated", "T", 1},
    {"cost_estimated", "1", 1},
    {"cost_estimated", "False", 0},
    {"cost_estimated", "f", 0},
    {"cost_estimated", "0", 0},
};

Test(cell, integers_are_stored_exactly)
{
    for (size_t i = 0; i < sizeof integers / sizeof integers[0]; i++) {
        struct fixture f;
        const struct vector *v = NULL;
        fixture_init(&f, TABLE_SPANS);
        cr_assert(eq(int, put(&f, integers[i].name, slice_text(integers[i].text), &v), STATUS_OK),
                  "%s", f.error.text);
        cr_assert(ne(ptr, (void *)v, NULL));
        cr_assert(vector_has(v, 0));
        cr_assert(eq(i64, v->i64[0], integers[i].stored), "%s %s", integers[i].name,
                  integers[i].text);
        fixture_deinit(&f);
    }
}

struct error_case {
    const char *name;
    const char *text;
    enum status status;
    const char *part;
};

static const struct error_case errors[] = {
    {"latency_ms", "abc", STATUS_INVALID, "latency_ms: expected a number, got \"abc\""},
    {"latency_s", "9223372037", STATUS_INVALID, "latency_ms: 9223372037 is too large"},
    {"latency_ms", "1e300", STATUS_INVALID, "too large"},
    {"latency_ms", " 1", STATUS_INVALID, "expected a number"},
    {"cost_usd", "$1", STATUS_INVALID, "cost_usd: expected a number"},
    {"cost_usd", "nan", STATUS_INVALID, "expected a number"},
    {"tokens_in", "1.5", STATUS_INVALID, "tokens_in: expected a whole number, got \"1.5\""},
    {"tokens_in", "9223372036854775808", STATUS_INVALID, "too large"},
    {"time", "yesterday", STATUS_INVALID, "expected RFC 3339 or whole nanoseconds since 1970"},
    {"time", "1.5", STATUS_INVALID, "RFC 3339"},
    {"time_ms", "soon", STATUS_INVALID, "a number since 1970 in the unit of the name"},
    {"time_s", "99999999999", STATUS_INVALID, "too large"},
    {"time", "2026-02-30", STATUS_INVALID, "got \"2026-02-30\""},
    {"trace_id", "abc", STATUS_INVALID, "trace_id: expected 32 hex digits"},
    {"span_id", "4bf92f3577b34da6a", STATUS_INVALID, "span_id: expected 16 hex digits"},
    {"span_id", "4bf92f3577b34dag", STATUS_INVALID, "span_id: expected 16 hex digits"},
    {"cost_estimated", "yes", STATUS_INVALID, "expected true, false, t, f, 1 or 0, got \"yes\""},
    {"cost_estimated", "truetrue", STATUS_INVALID, "expected true"},
    {"temperature", "hot", STATUS_INVALID, "temperature: expected a number, got \"hot\""},
    {"temperature", "1e999", STATUS_INVALID, "too large"},
    {"score.x", "good", STATUS_INVALID, "score.x: expected a number"},
    {"input", "hello", STATUS_INVALID, "input: messages come by --format chat or the protocol"},
    {"output", "", STATUS_INVALID, "messages come by"},
    {"model", "a\nb", STATUS_OK, ""},
    {"latency_ms", "a\x1b[2Jb", STATUS_INVALID, "got \"a?[2Jb\""},
    {"latency", "1", STATUS_NOT_FOUND, "no column \"latency\""},
    {"latncy_ms", "1", STATUS_NOT_FOUND, "did you mean \"latency_ms\"?"},
    {"modle", "1", STATUS_NOT_FOUND, "did you mean \"model\"?"},
    {"Model", "1", STATUS_NOT_FOUND, "did you mean \"model\"?"},
    {"tokens_in_ms", "1", STATUS_NOT_FOUND, "no column"},
    {"latency_usd", "1", STATUS_NOT_FOUND, "no column"},
    {"cost_ms", "1", STATUS_NOT_FOUND, "no column"},
    {"_ms", "1", STATUS_NOT_FOUND, "no column"},
    {"time_", "1", STATUS_NOT_FOUND, "did you mean"},
    {"", "1", STATUS_NOT_FOUND, "no column \"\""},
    {"completely_different_thing", "1", STATUS_NOT_FOUND, "table spans has no column"},
    {"score.", "1", STATUS_INVALID, "score.NAME"},
    {"score.a b", "1", STATUS_INVALID, "score.NAME"},
};

Test(cell, mistakes_are_named)
{
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        struct fixture f;
        const struct vector *v = NULL;
        fixture_init(&f, TABLE_SPANS);
        enum status s = put(&f, errors[i].name, slice_text(errors[i].text), &v);
        cr_assert(eq(int, s, errors[i].status), "%s=%s: %s", errors[i].name, errors[i].text,
                  f.error.text);
        cr_assert(ne(ptr, strstr(f.error.text, errors[i].part), NULL), "\"%s\" isn't in: %s",
                  errors[i].part, f.error.text);
        fixture_deinit(&f);
    }
}

Test(cell, the_empty_text_is_null)
{
    static const char *const names[] = {"time",     "latency_ms", "model",   "cost_estimated",
                                        "trace_id", "attributes", "score.q", "temperature"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct fixture f;
        const struct vector *v = NULL;
        fixture_init(&f, TABLE_SPANS);
        cr_assert(eq(int, put(&f, names[i], SLICE_EMPTY, &v), STATUS_OK));
        cr_assert(eq(ptr, (void *)v, NULL));
        fixture_deinit(&f);
    }
}

Test(cell, texts_ids_and_floats)
{
    struct fixture f;
    const struct vector *v = NULL;
    fixture_init(&f, TABLE_SPANS);
    cr_assert(eq(int, put(&f, "model", slice_text("gpt-4o"), &v), STATUS_OK));
    cr_assert(slice_is(vector_bytes(v, 0), "gpt-4o"));
    cr_assert(eq(int, put(&f, "attributes", slice_text("{}"), &v), STATUS_OK));
    cr_assert(slice_is(vector_bytes(v, 0), "{}"));
    cr_assert(eq(int, put(&f, "span_id", slice_text("00f067aa0BA902b7"), &v), STATUS_OK));
    cr_assert(eq(u64, v->id64[0], 0x00f067aa0ba902b7u));
    struct slice trace = slice_text("4bf92f3577b34da6a3ce929d0e0e4736");
    cr_assert(eq(int, put(&f, "trace_id", trace, &v), STATUS_OK));
    cr_assert(eq(u8, v->id128[0].bytes[15], 0x36));
    cr_assert(eq(int, put(&f, "temperature", slice_text("0.7"), &v), STATUS_OK));
    cr_assert(eq(dbl, v->f64[0], 0.7));
    cr_assert(eq(int, put(&f, "score.groundedness", slice_text("-1e-3"), &v), STATUS_OK));
    cr_assert(eq(dbl, v->f64[0], -0.001));
    cr_assert(eq(u32, schema_score_count(&f.schema), 1));
    fixture_deinit(&f);
}

Test(cell, texts_meet_their_limits)
{
    struct fixture f;
    const struct vector *v = NULL;
    fixture_init(&f, TABLE_SPANS);
    uint8_t *large = mem_zero(TEXT_BYTES_MAX + 1, 1);
    cr_assert(eq(int, put(&f, "model", slice_of(large, STR_BYTES_MAX), &v), STATUS_OK));
    cr_assert(eq(int, put(&f, "model", slice_of(large, STR_BYTES_MAX + 1), &v), STATUS_LIMIT));
    cr_assert(ne(ptr, strstr(f.error.text, "model: 65537 bytes, at most 65536"), NULL));
    cr_assert(eq(int, put(&f, "attributes", slice_of(large, TEXT_BYTES_MAX), &v), STATUS_OK));
    cr_assert(
        eq(int, put(&f, "attributes", slice_of(large, TEXT_BYTES_MAX + 1), &v), STATUS_LIMIT));
    mem_free(large);
    fixture_deinit(&f);
}

Test(cell, other_tables_have_their_own_columns)
{
    struct fixture f;
    const struct vector *v = NULL;
    fixture_init(&f, TABLE_SCORES);
    cr_assert(eq(int, put(&f, "value", slice_text("0.5"), &v), STATUS_OK));
    cr_assert(eq(int, put(&f, "time_ms", slice_text("1"), &v), STATUS_OK));
    cr_assert(eq(i64, v->i64[0], 1000000));
    cr_assert(eq(int, put(&f, "score.x", slice_text("1"), &v), STATUS_NOT_FOUND));
    cr_assert(eq(int, put(&f, "latency_ms", slice_text("1"), &v), STATUS_NOT_FOUND));
    fixture_deinit(&f);
}

Test(nearest_name, is_near_or_nothing)
{
    static const char *const names[] = {"model", "session", "tokens_in", "tokens_out", "x"};
    struct near_case {
        const char *name;
        const char *nearest;
    };
    static const struct near_case cases[] = {
        {"model", "model"},
        {"modle", "model"},
        {"mdel", "model"},
        {"MODEL", "model"},
        {"sesion", "session"},
        {"sessions", "session"},
        {"token_in", "tokens_in"},
        {"tokens_uot", "tokens_out"},
        {"abcdefgh", NULL},
        {"y", NULL},
        {"", NULL},
        {"ss", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *found = nearest_name(slice_text(cases[i].name), names, 5);
        if (cases[i].nearest == NULL)
            cr_assert(eq(ptr, (void *)(uintptr_t)found, NULL), "%s: %s", cases[i].name, found);
        else
            cr_assert(found != NULL && strcmp(found, cases[i].nearest) == 0, "%s: %s",
                      cases[i].name, found != NULL ? found : "nothing");
    }
    char longest[65];
    memset(longest, 'm', sizeof longest);
    cr_assert(eq(ptr, (void *)(uintptr_t)nearest_name(slice_of(longest, 64), names, 5), NULL));
    cr_assert(eq(ptr, (void *)(uintptr_t)nearest_name(slice_of(longest, 65), names, 5), NULL));
    cr_assert(eq(ptr, (void *)(uintptr_t)nearest_name(slice_text("a"), names, 0), NULL));
}
