/*
 * mapper_value.c - one value of any type becomes what a target holds.
 *
 * Failure:  a value that does not fit is no value: the attribute stays in `attributes` and the next source is asked.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "engine/base/decimal.h"
#include "engine/base/hash.h"
#include "engine/base/stringify.h"
#include "server/dialect/mapper_internal.h"

#define TEXT_BYTES_SEARCHED 512u /* of an error message for a status code */

bool mapper_value_text(struct mapper *m, const struct value *v, struct slice *ret)
{
    switch (v->type) {
    case VALUE_STRING:
    case VALUE_JSON:
        *ret = v->bytes;
        break;
    case VALUE_INT: {
        const char *text = arena_printf(&m->arena, "%" PRId64, v->integer);
        *ret = slice_text(text);
        break;
    }
    case VALUE_DOUBLE: {
        struct buffer text = {0};
        stringify_number(v->number, &text);
        *ret = arena_copy(&m->arena, buffer_slice(&text));
        buffer_deinit(&text);
        break;
    }
    case VALUE_BOOL:
        *ret = slice_text(v->boolean ? "true" : "false");
        break;
    case VALUE_BYTES:
    case VALUE_NONE:
        return false;
    }
    return ret->size != 0;
}

bool mapper_value_number(const struct value *v, double *ret)
{
    switch (v->type) {
    case VALUE_INT:
        *ret = (double)v->integer;
        return true;
    case VALUE_DOUBLE:
        *ret = v->number;
        return isfinite(v->number);
    case VALUE_STRING:
        return decimal_to_double(v->bytes, ret);
    case VALUE_BOOL:
    case VALUE_JSON:
    case VALUE_BYTES:
    case VALUE_NONE:
        return false;
    }
    return false;
}

/* value * scale as a whole number of at least `least`, rounded to nearest. */
static bool value_scaled(const struct value *v, int64_t scale, int64_t least, struct found *ret)
{
    int64_t whole = 0;
    bool exact = true;
    if (v->type == VALUE_INT) {
        if (__builtin_mul_overflow(v->integer, scale, &whole))
            return false;
    } else if (v->type == VALUE_DOUBLE) {
        double scaled = v->number * (double)scale;
        if (!(scaled > -9e18 && scaled < 9e18))
            return false;
        whole = llround(scaled);
        /* Seconds measured in a double are a few units of its last place off a whole nanosecond. */
        double off = fabs((double)whole / (double)scale - v->number);
        exact = scale == 1 ? off == 0 : off <= 1e-12 * fabs(v->number);
    } else if (v->type == VALUE_STRING) {
        enum decimal_result result = decimal_to_int(v->bytes, scale, 1, &whole);
        if (result != DECIMAL_EXACT && result != DECIMAL_ROUNDED)
            return false;
        exact = result == DECIMAL_EXACT;
    } else {
        return false;
    }
    *ret = (struct found){.integer = whole, .exact = exact};
    return whole >= least;
}

/* A count must be whole as it comes. */
static bool value_count(const struct value *v, struct found *ret)
{
    return value_scaled(v, 1, 0, ret) && ret->exact;
}

/* A duration whose unit is not said: no part of a span takes longer than the span. */
static bool value_duration(const struct mapper *m, const struct value *v, struct found *ret)
{
    static const int64_t units_ns[] = {NS_PER_S, NS_PER_MS, NS_PER_US, 1};
    int64_t duration_ns = span_duration_ns(m->span);
    for (size_t i = 0; i < sizeof units_ns / sizeof *units_ns; i++) {
        if (!value_scaled(v, units_ns[i], 0, ret))
            continue;
        if (duration_ns == 0 || ret->integer <= duration_ns)
            return true;
    }
    return false;
}

/* Seconds, ms, us and ns since 1970 lie three orders of magnitude apart. */
static bool time_from_number(double number, int64_t *ret_ns)
{
    double scale = number < 1e11 ? 1e9 : number < 1e14 ? 1e6 : number < 1e17 ? 1e3 : 1;
    if (!(number > 0) || !(number * scale < 9e18))
        return false;
    *ret_ns = (int64_t)(number * scale);
    return true;
}

static bool since_start(const struct mapper *m, int64_t time_ns, struct found *ret)
{
    /* Clients that know milliseconds only may put the first token before the start. */
    int64_t slack_ns = 2 * NS_PER_MS;
    int64_t start_ns = m->span->start_ns;
    if (start_ns <= 0 || time_ns < start_ns - slack_ns || time_ns - start_ns > NS_PER_DAY)
        return false;
    bool is_before = time_ns < start_ns;
    *ret = (struct found){.integer = is_before ? 0 : time_ns - start_ns, .exact = !is_before};
    return true;
}

static bool value_since_start(const struct mapper *m, const struct value *v, struct found *ret)
{
    int64_t time_ns = 0;
    double number = 0;
    if (v->type == VALUE_STRING && time_from_text(text_unquoted(v->bytes), &time_ns))
        return since_start(m, time_ns, ret);
    if (v->type == VALUE_INT && v->integer >= 100000000000000000)
        return since_start(m, v->integer, ret);
    return mapper_value_number(v, &number) && time_from_number(number, &time_ns) &&
           since_start(m, time_ns, ret);
}

/* ---- HTTP status codes ---- */

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool http_at(struct slice text, size_t at, struct found *ret)
{
    if (at + 3 > text.size || !is_digit(text.data[at]) || !is_digit(text.data[at + 1]) ||
        !is_digit(text.data[at + 2]) || (at + 3 < text.size && is_digit(text.data[at + 3])))
        return false;
    int64_t code =
        (text.data[at] - '0') * 100 + (text.data[at + 1] - '0') * 10 + (text.data[at + 2] - '0');
    *ret = (struct found){.integer = code, .exact = text.size == 3};
    return code >= 100 && code <= 599;
}

static bool value_http(const struct value *v, struct found *ret)
{
    if (v->type == VALUE_STRING)
        return v->bytes.size == 3 && http_at(v->bytes, 0, ret);
    return value_count(v, ret) && ret->integer >= 100 && ret->integer <= 599;
}

/* The code stands first ("429 Rate limit"), or behind one of the words libraries put before it. */
static bool value_http_text(struct mapper *m, const struct value *v, struct found *ret)
{
    static const char *const before[] = {"error code: ",
                                         "status code: ",
                                         "status code ",
                                         "status_code: ",
                                         "status_code=",
                                         "statuscode: ",
                                         "status: ",
                                         "status=",
                                         "http ",
                                         "http/1.1 ",
                                         "error: ",
                                         "(",
                                         "["};
    if (v->type != VALUE_STRING || v->bytes.size == 0)
        return false;
    struct slice text = text_lower_case(text_cut(v->bytes, TEXT_BYTES_SEARCHED), &m->arena);
    if (http_at(text, 0, ret) && ret->integer >= 400) {
        ret->exact = false;
        return text.size == 3 || text.data[3] == ' ' || text.data[3] == ':' || text.data[3] == ',';
    }
    for (size_t i = 0; i < sizeof before / sizeof *before; i++) {
        const uint8_t *at = memmem(text.data, text.size, before[i], strlen(before[i]));
        size_t code_at = at == NULL ? text.size : (size_t)(at - text.data) + strlen(before[i]);
        if (at != NULL && http_at(text, code_at, ret) && ret->integer >= 400) {
            ret->exact = false;
            return true;
        }
    }
    return false;
}

/* ---- yes or no ---- */

static bool is_false(const struct value *v)
{
    return (v->type == VALUE_BOOL && !v->boolean) ||
           (v->type == VALUE_STRING &&
            (slice_is(v->bytes, "false") || slice_is(v->bytes, "False")));
}

static bool is_true(const struct value *v)
{
    return (v->type == VALUE_BOOL && v->boolean) ||
           (v->type == VALUE_STRING && (slice_is(v->bytes, "true") || slice_is(v->bytes, "True")));
}

static bool is_failure(struct mapper *m, const struct value *v)
{
    return is_true(v) ||
           (v->type == VALUE_STRING && dialect_word(&m->dialect, WORDS_failure, v->bytes) != NULL);
}

static bool is_present(const struct value *v)
{
    bool is_empty = v->type == VALUE_NONE || (v->type == VALUE_STRING && v->bytes.size == 0);
    return !is_empty && !is_false(v);
}

static bool flag_found(bool is_set, struct found *ret)
{
    *ret = (struct found){.integer = is_set};
    return is_set;
}

/* ---- text ---- */

static struct slice tool_name(struct slice text)
{
    static const char *const before[] = {"execute_tool ", "running tool: ", "Tool: "};
    static const struct slice behind = {(const uint8_t *)".tool", 5};
    for (size_t i = 0; i < sizeof before / sizeof *before; i++) {
        size_t size = strlen(before[i]);
        if (text.size > size && memcmp(text.data, before[i], size) == 0)
            text = slice_of(text.data + size, text.size - size);
    }
    if (text.size > behind.size && text_ends_with(text, behind))
        text.size -= behind.size;
    return text;
}

static bool value_hashed(struct mapper *m, const struct value *v, struct found *ret)
{
    struct slice text;
    if (!mapper_value_text(m, v, &text))
        return false;
    char *name = arena_printf(&m->arena, "template-%016" PRIx64, hash64(text));
    *ret = (struct found){.text = slice_text(name)};
    return true;
}

static bool text_found(struct slice text, bool exact, struct found *ret)
{
    *ret = (struct found){.text = text, .exact = exact};
    return text.size != 0;
}

bool mapper_value_convert(struct mapper *m, enum how how, const struct source *source,
                          const struct origin *origin, const struct value *v, struct found *ret)
{
    struct slice text;
    switch (how) {
    case HOW_CONSTANT:
        return is_present(v) && text_found(slice_text(source->text), false, ret);
    case HOW_TEXT:
        return mapper_value_text(m, v, &text) && text_found(text, true, ret);
    case HOW_QUOTED:
        return mapper_value_text(m, v, &text) && text_found(text_unquoted(text), true, ret);
    case HOW_HASHED:
        return value_hashed(m, v, ret);
    case HOW_KIND:
        return v->type == VALUE_STRING && kind_convert(m, v->bytes, ret);
    case HOW_KIND_ENDING:
        return v->type == VALUE_STRING && kind_by_ending(m, v->bytes, ret);
    case HOW_PROVIDER:
        return v->type == VALUE_STRING && provider_convert(m, v->bytes, ret);
    case HOW_FINISH:
        return finish_of_value(m, v, ret);
    case HOW_NUMBER:
        *ret = (struct found){.exact = true};
        return mapper_value_number(v, &ret->number);
    case HOW_COUNT:
    case HOW_COUNT_AS_BILLED:
    case HOW_COUNT_WITHOUT_DETAILS:
        return value_count(v, ret);
    case HOW_USD:
        return value_scaled(v, 1000000000, 0, ret);
    case HOW_SECONDS:
        return value_scaled(v, NS_PER_S, 0, ret);
    case HOW_MILLISECONDS:
        return value_scaled(v, NS_PER_MS, 0, ret);
    case HOW_DURATION:
        return value_duration(m, v, ret);
    case HOW_SINCE_START:
        return value_since_start(m, v, ret);
    case HOW_EVENT_TIME:
        return since_start(m, origin->time_ns, ret);
    case HOW_HTTP:
        return value_http(v, ret);
    case HOW_HTTP_TEXT:
        return value_http_text(m, v, ret);
    case HOW_PRESENT:
        return flag_found(is_present(v), ret);
    case HOW_FAILURE:
        return flag_found(is_failure(m, v), ret);
    case HOW_FAILURE_UNLESS:
        return flag_found(is_false(v), ret);
    case HOW_SEVERITY:
        return flag_found(value_count(v, ret) && ret->integer >= 17, ret);
    case HOW_FLAG:
        return flag_found(is_true(v), ret);
    case HOW_ERROR_TEXT:
        return v->type == VALUE_STRING && !is_true(v) && !is_false(v) &&
               text_found(v->bytes, true, ret);
    case HOW_TOOL_NAME:
        return v->type == VALUE_STRING && text_found(tool_name(v->bytes), false, ret);
    case HOW_SCORES:
    case HOW_SCORE_OBJECT:
    case HOW_SCORE_NAME:
    case HOW_SCORE_VALUE:
    case HOW_SCORE_LABEL:
    case HOW_SCORE_EXPLANATION:
        return false;
    }
    return false;
}

bool found_equal(enum holds holds, const struct found *a, const struct found *b)
{
    switch (holds) {
    case HOLDS_TEXT:
        return slice_equal(a->text, b->text);
    case HOLDS_INT:
        return a->integer == b->integer;
    case HOLDS_NUMBER:
        return a->number == b->number;
    case HOLDS_SCORE:
        return false;
    }
    return false;
}

/* ---- JSON values ---- */

/* Up to 18 digits and nothing else: what counts look like. */
static bool short_int(struct slice raw, int64_t *ret)
{
    int64_t number = 0;
    if (raw.size == 0 || raw.size > 18)
        return false;
    for (size_t i = 0; i < raw.size; i++) {
        if (!is_digit(raw.data[i]))
            return false;
        number = number * 10 + (raw.data[i] - '0');
    }
    *ret = number;
    return true;
}

struct value mapper_value_of_token(struct json *j, enum json_token token, struct arena *arena)
{
    struct value v = {.type = VALUE_NONE};
    switch (token) {
    case JSON_STRING:
        v.type = VALUE_STRING;
        v.bytes = json_string(j, arena);
        break;
    case JSON_NUMBER:
        v.type = VALUE_INT;
        if (!short_int(j->raw, &v.integer) && !json_int(j, &v.integer)) {
            v.type = VALUE_DOUBLE;
            v.number = json_double(j);
        }
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        v.type = VALUE_BOOL;
        v.boolean = token == JSON_TRUE;
        break;
    case JSON_OBJECT_BEGIN:
    case JSON_ARRAY_BEGIN:
        v.type = VALUE_JSON;
        v.bytes = json_skip(j, token);
        break;
    case JSON_NULL:
    case JSON_ERROR:
    case JSON_END:
    case JSON_OBJECT_END:
    case JSON_ARRAY_END:
    case JSON_KEY:
        break;
    }
    return v;
}

struct slice mapper_value_json(const struct value *v)
{
    if (v->type != VALUE_JSON && v->type != VALUE_STRING)
        return SLICE_EMPTY;
    struct slice text = v->bytes;
    while (text.size != 0 && (text.data[0] == ' ' || text.data[0] == '\n' || text.data[0] == '\t' ||
                              text.data[0] == '\r'))
        text = slice_of(text.data + 1, text.size - 1);
    bool is_json = text.size != 0 && (text.data[0] == '{' || text.data[0] == '[');
    return is_json ? text : SLICE_EMPTY;
}
