/*
 * cell.c - text to cells.
 *
 * Place:   csv, ndjson, tags, query constants -> [here] -> batch builder
 * Failure: INVALID names the column, what was expected and what stood there; LIMIT the size.
 */
#include "engine/span/cell.h"

#include "engine/base/clock.h"
#include "engine/base/decimal.h"
#include "engine/base/limits.h"

/* ---- names ---- */

struct unit {
    const char *suffix;
    const char *column_suffix; /* of the SQL name it stands for; "" for timestamps too */
    int64_t numerator;         /* stored units in one of it */
};

static const struct unit units[] = {
    {"_ns", "_ms", 1},       {"_us", "_ms", NS_PER_US}, {"_ms", "_ms", NS_PER_MS},
    {"_s", "_ms", NS_PER_S}, {"_nusd", "_usd", 1},      {"_usd", "_usd", 1000000000},
};

static bool slice_ends_with(struct slice name, const char *suffix)
{
    size_t size = strlen(suffix);
    return name.size > size && memcmp(name.data + name.size - size, suffix, size) == 0;
}

/* "latency" and "_ms" make the name of a column? */
static bool name_is_joined(const char *name, struct slice base, const char *suffix)
{
    return strlen(name) == base.size + strlen(suffix) && memcmp(name, base.data, base.size) == 0 &&
           strcmp(name + base.size, suffix) == 0;
}

static const struct column *column_with_unit(enum table table, struct slice name,
                                             const struct unit *unit)
{
    if (!slice_ends_with(name, unit->suffix))
        return NULL;
    struct slice base = slice_of(name.data, name.size - strlen(unit->suffix));
    bool is_time = strcmp(unit->column_suffix, "_ms") == 0;
    uint32_t count = 0;
    const struct column *columns = table_columns(table, &count);
    for (uint32_t i = 0; i < count; i++) {
        if (columns[i].divisor != 1 && name_is_joined(columns[i].name, base, unit->column_suffix))
            return &columns[i];
        if (is_time && columns[i].sql == SQL_TIMESTAMP && slice_is(base, columns[i].name))
            return &columns[i];
    }
    return NULL;
}

/* Bytes of `text` fit to stand in a message: short, nothing that moves a terminal. */
#define EXCERPT_BYTES 64
static const char *excerpt(struct slice text, char to[EXCERPT_BYTES])
{
    size_t size = text.size < EXCERPT_BYTES - 4 ? text.size : EXCERPT_BYTES - 4;
    for (size_t i = 0; i < size; i++)
        to[i] = (char)(text.data[i] < 0x20 || text.data[i] == 0x7f ? '?' : text.data[i]);
    memcpy(to + size, size < text.size ? "..." : "", size < text.size ? 4 : 1);
    return to;
}

static enum status name_unknown(enum table table, struct slice name, struct error *reterr)
{
    const char *names[UINT8_MAX];
    uint32_t count = 0;
    char shown[EXCERPT_BYTES];
    const struct column *columns = table_columns(table, &count);
    for (uint32_t i = 0; i < count; i++)
        names[i] = columns[i].name;
    const char *nearest = nearest_name(name, names, count);
    if (nearest == NULL)
        return error_set(reterr, STATUS_NOT_FOUND, "table %s has no column \"%s\"",
                         table_name(table), excerpt(name, shown));
    return error_set(reterr, STATUS_NOT_FOUND,
                     "table %s has no column \"%s\"; did you mean \"%s\"?", table_name(table),
                     excerpt(name, shown), nearest);
}

enum status cell_target_find(struct schema *schema, enum table table, struct slice name,
                             struct cell_target *ret, struct error *reterr)
{
    const struct column *column = table_column_by_name(table, name);
    if (column != NULL) {
        *ret = (struct cell_target){column, .numerator = column->divisor, .denominator = 1};
        return STATUS_OK;
    }
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        column = column_with_unit(table, name, &units[i]);
        if (column != NULL) {
            *ret = (struct cell_target){column, units[i].numerator, .denominator = 1};
            return STATUS_OK;
        }
    }
    bool is_score = name.size >= strlen(SCORE_PREFIX) &&
                    memcmp(name.data, SCORE_PREFIX, strlen(SCORE_PREFIX)) == 0;
    if (table != TABLE_SPANS || !is_score)
        return name_unknown(table, name, reterr);
    enum status s = schema_add_score(schema, name, &column, reterr);
    if (s < 0)
        return s;
    *ret = (struct cell_target){column, .numerator = 1, .denominator = 1};
    return STATUS_OK;
}

/* ---- values ---- */

static enum status cell_expected(const struct column *column, const char *expected,
                                 struct slice text, struct error *reterr)
{
    char shown[EXCERPT_BYTES];
    return error_set(reterr, STATUS_INVALID, "%s: expected %s, got \"%s\"", column->name, expected,
                     excerpt(text, shown));
}

static enum status cell_out_of_range(const struct column *column, struct slice text,
                                     struct error *reterr)
{
    char shown[EXCERPT_BYTES];
    return error_set(reterr, STATUS_INVALID, "%s: %s is too large", column->name,
                     excerpt(text, shown));
}

/* Numbers kept as integers. is_whole: a fraction is a mistake, not something to round. */
static enum status cell_integer(const struct cell_target *target, struct slice text, bool is_whole,
                                const char *expected, struct builder *to, struct error *reterr)
{
    int64_t value = 0;
    switch (decimal_to_int(text, target->numerator, target->denominator, &value)) {
    case DECIMAL_SYNTAX:
        return cell_expected(target->column, expected, text, reterr);
    case DECIMAL_RANGE:
        return cell_out_of_range(target->column, text, reterr);
    case DECIMAL_ROUNDED:
        if (is_whole)
            return cell_expected(target->column, expected, text, reterr);
        break;
    case DECIMAL_EXACT:
        break;
    }
    builder_i64(to, target->column->id, value);
    return STATUS_OK;
}

static enum status cell_timestamp(const struct cell_target *target, struct slice text,
                                  struct builder *to, struct error *reterr)
{
    int64_t time_ns = 0;
    if (time_from_text(text, &time_ns)) {
        builder_i64(to, target->column->id, time_ns);
        return STATUS_OK;
    }
    bool is_ns = target->numerator == 1;
    return cell_integer(target, text, is_ns,
                        is_ns ? "RFC 3339 or whole nanoseconds since 1970"
                              : "RFC 3339 or a number since 1970 in the unit of the name",
                        to, reterr);
}

static enum status cell_float(const struct cell_target *target, struct slice text,
                              struct builder *to, struct error *reterr)
{
    if (target->column->storage == STORAGE_I64)
        return cell_integer(target, text, false, "a number", to, reterr);
    double value = 0;
    int64_t ignored = 0;
    if (!decimal_to_double(text, &value)) {
        if (decimal_to_int(text, 1, 1, &ignored) == DECIMAL_SYNTAX)
            return cell_expected(target->column, "a number", text, reterr);
        return cell_out_of_range(target->column, text, reterr);
    }
    builder_f64(to, target->column->id, value);
    return STATUS_OK;
}

static bool text_is_either(struct slice text, const char *lower_a, const char *lower_b,
                           const char *lower_c)
{
    char lower[8] = {0};
    if (text.size >= sizeof lower)
        return false;
    for (size_t i = 0; i < text.size; i++)
        lower[i] =
            (char)(text.data[i] >= 'A' && text.data[i] <= 'Z' ? text.data[i] | 0x20 : text.data[i]);
    return strcmp(lower, lower_a) == 0 || strcmp(lower, lower_b) == 0 ||
           strcmp(lower, lower_c) == 0;
}

static enum status cell_bool(const struct cell_target *target, struct slice text,
                             struct builder *to, struct error *reterr)
{
    bool is_true = text_is_either(text, "true", "t", "1");
    if (!is_true && !text_is_either(text, "false", "f", "0"))
        return cell_expected(target->column, "true, false, t, f, 1 or 0", text, reterr);
    builder_i64(to, target->column->id, is_true);
    return STATUS_OK;
}

static enum status cell_hex(const struct cell_target *target, struct slice text, struct builder *to,
                            struct error *reterr)
{
    struct id128 trace = {0};
    uint64_t span = 0;
    if (target->column->storage == STORAGE_ID128) {
        if (!id128_from_hex(text, &trace))
            return cell_expected(target->column, "32 hex digits", text, reterr);
        builder_id128(to, target->column->id, trace);
        return STATUS_OK;
    }
    if (!id64_from_hex(text, &span))
        return cell_expected(target->column, "16 hex digits", text, reterr);
    builder_id64(to, target->column->id, span);
    return STATUS_OK;
}

static enum status cell_text(const struct cell_target *target, struct slice text,
                             struct builder *to, struct error *reterr)
{
    size_t limit = target->column->storage == STORAGE_STR ? STR_BYTES_MAX : TEXT_BYTES_MAX;
    if (text.size > limit)
        return error_set(reterr, STATUS_LIMIT, "%s: %zu bytes, at most %zu are allowed",
                         target->column->name, text.size, limit);
    builder_str(to, target->column->id, text);
    return STATUS_OK;
}

enum status cell_parse(const struct cell_target *target, struct slice text, struct builder *to,
                       struct error *reterr)
{
    const struct column *column = target->column;
    if (column->storage == STORAGE_REFS)
        return error_set(reterr, STATUS_INVALID,
                         "%s: messages come by --format chat or the protocol, not as a cell",
                         column->name);
    if (text.size == 0)
        return STATUS_OK; /* NULL, which the row is already */
    switch (column->sql) {
    case SQL_TIMESTAMP:
        return cell_timestamp(target, text, to, reterr);
    case SQL_INT:
    case SQL_INTERVAL:
        return cell_integer(target, text, true, "a whole number", to, reterr);
    case SQL_FLOAT:
        return cell_float(target, text, to, reterr);
    case SQL_BOOL:
        return cell_bool(target, text, to, reterr);
    case SQL_HEX:
        return cell_hex(target, text, to, reterr);
    case SQL_TEXT:
        return cell_text(target, text, to, reterr);
    case SQL_MESSAGES:
    case SQL_NULL:
        break;
    }
    return cell_expected(column, "nothing", text, reterr);
}
