/*
 * judge_body.c - see judge_body.h.
 */
#include "server/judge/judge_body.h"

#include <math.h>

#include "engine/base/clock.h"
#include "engine/base/json.h"
#include "engine/span/cell.h"

#define MEMBER_COUNT 12
#define COST_USD_MAX 1e6
#define SECONDS_MAX  86400

static const char *const member_names[MEMBER_COUNT] = {
#define BODY_MEMBER(bit, symbol, name) [bit] = #name,
    BODY_MEMBERS(BODY_MEMBER)
#undef BODY_MEMBER
};

static enum status unknown_member(struct slice name, unsigned allowed, struct error *reterr)
{
    const char *known[MEMBER_COUNT];
    uint32_t count = 0;
    for (unsigned i = 0; i < MEMBER_COUNT; i++) {
        if ((allowed & 1u << i) != 0)
            known[count++] = member_names[i];
    }
    const char *nearest = nearest_name(name, known, count);
    return error_set(reterr, STATUS_INVALID, "unknown member '%.*s'%s%s%s",
                     (int)(name.size < 100 ? name.size : 100), (const char *)name.data,
                     nearest != NULL ? "; did you mean '" : "", nearest != NULL ? nearest : "",
                     nearest != NULL ? "'?" : "");
}

static enum status member_find(struct slice name, unsigned allowed, unsigned *ret,
                               struct error *reterr)
{
    for (unsigned i = 0; i < MEMBER_COUNT; i++) {
        if ((allowed & 1u << i) != 0 && slice_is(name, member_names[i])) {
            *ret = i;
            return STATUS_OK;
        }
    }
    return unknown_member(name, allowed, reterr);
}

static enum status expected(unsigned member, const char *what, struct error *reterr)
{
    return error_set(reterr, STATUS_INVALID, "%s: %s expected", member_names[member], what);
}

static enum status text_read(const struct json *j, enum json_token t, unsigned member,
                             struct arena *arena, struct slice *ret, struct error *reterr)
{
    if (t != JSON_STRING)
        return expected(member, "a string", reterr);
    *ret = json_string(j, arena);
    return STATUS_OK;
}

static enum status int_read(const struct json *j, enum json_token t, unsigned member, int64_t *ret,
                            struct error *reterr)
{
    return t == JSON_NUMBER && json_int(j, ret) ? STATUS_OK
                                                : expected(member, "an integer", reterr);
}

static enum status value_read(const struct json *j, enum json_token t, unsigned member,
                              struct arena *arena, struct judge_body *to, struct error *reterr)
{
    if (t == JSON_TRUE || t == JSON_FALSE) {
        to->verdict.value = t == JSON_TRUE;
    } else if (t == JSON_NUMBER) {
        to->verdict.value = json_double(j);
        if (isinf(to->verdict.value))
            return expected(member, "a finite number", reterr);
    } else if (t == JSON_STRING && (to->has & BODY_LABEL) == 0) {
        to->verdict.label = json_string(j, arena);
        to->has |= BODY_LABEL;
    } else {
        return expected(member, "a number, true, false or a label", reterr);
    }
    return STATUS_OK;
}

/* "90s", or a number of seconds. */
static enum status lease_read(const struct json *j, enum json_token t, unsigned member,
                              struct arena *arena, int64_t *ret, struct error *reterr)
{
    int64_t seconds = 0;
    if (t == JSON_STRING && duration_from_text(json_string(j, arena), ret) && *ret > 0)
        return STATUS_OK;
    if (t != JSON_NUMBER || !json_int(j, &seconds) || seconds <= 0 || seconds > SECONDS_MAX)
        return expected(member, "a duration like \"90s\", or seconds up to a day,", reterr);
    *ret = seconds * NS_PER_S;
    return STATUS_OK;
}

static enum status cost_read(const struct json *j, enum json_token t, unsigned member, int64_t *ret,
                             struct error *reterr)
{
    double usd = t == JSON_NUMBER ? json_double(j) : -1;
    if (!(usd >= 0 && usd <= COST_USD_MAX))
        return expected(member, "a number of USD from 0 to a million", reterr);
    *ret = llround(usd * 1e9);
    return STATUS_OK;
}

static enum status member_read(const struct json *j, enum json_token t, unsigned member,
                               struct arena *arena, struct judge_body *to, struct error *reterr)
{
    switch ((enum body_member)(1u << member)) {
    case BODY_WORKER:
        return text_read(j, t, member, arena, &to->worker, reterr);
    case BODY_REASON:
        return text_read(j, t, member, arena, &to->reason, reterr);
    case BODY_LABEL:
        if ((to->has & BODY_LABEL) != 0)
            return error_set(reterr, STATUS_INVALID, "label: the value is a label already");
        return text_read(j, t, member, arena, &to->verdict.label, reterr);
    case BODY_EXPLANATION:
        return text_read(j, t, member, arena, &to->verdict.explanation, reterr);
    case BODY_JUDGE_MODEL:
        return text_read(j, t, member, arena, &to->verdict.judge_model, reterr);
    case BODY_MAX:
        return int_read(j, t, member, &to->max, reterr);
    case BODY_ID:
        return int_read(j, t, member, &to->id, reterr);
    case BODY_TOKEN:
        return int_read(j, t, member, &to->token, reterr);
    case BODY_LEASE:
        return lease_read(j, t, member, arena, &to->lease_ns, reterr);
    case BODY_VALUE:
    case BODY_SCORE:
        return value_read(j, t, member, arena, to, reterr);
    case BODY_COST:
        return cost_read(j, t, member, &to->verdict.cost_nusd, reterr);
    }
    return STATUS_OK;
}

static enum status required_check(const struct judge_body *b, unsigned required,
                                  struct error *reterr)
{
    for (unsigned i = 0; i < MEMBER_COUNT; i++) {
        if ((required & 1u << i) != 0 && (b->has & 1u << i) == 0)
            return error_set(reterr, STATUS_INVALID, "%s: missing", member_names[i]);
    }
    if ((b->has & BODY_VALUE) != 0 && (b->has & BODY_SCORE) != 0)
        return error_set(reterr, STATUS_INVALID,
                         "value and score are two words for one thing: send one of them");
    return STATUS_OK;
}

static enum status object_read(struct json *j, unsigned allowed, struct arena *arena,
                               struct judge_body *to, struct error *reterr)
{
    enum json_token t;
    unsigned seen = 0;
    while ((t = json_next(j)) == JSON_KEY) {
        unsigned member = 0;
        enum status s = member_find(json_string(j, arena), allowed, &member, reterr);
        if (s < 0)
            return s;
        if ((seen & 1u << member) != 0)
            return error_set(reterr, STATUS_INVALID, "%s: given twice", member_names[member]);
        seen |= 1u << member;
        if ((t = json_next(j)) == JSON_NULL)
            continue;
        if (t == JSON_ERROR)
            return json_error(j, "the JSON", reterr);
        if ((s = member_read(j, t, member, arena, to, reterr)) < 0)
            return s;
        to->has |= 1u << member;
    }
    return t == JSON_OBJECT_END && json_next(j) == JSON_END ? STATUS_OK
                                                            : json_error(j, "the JSON", reterr);
}

enum status judge_body_read(struct slice body, unsigned allowed, unsigned required,
                            struct arena *arena, struct judge_body *ret, struct error *reterr)
{
    struct json j = json_over(body);
    struct judge_body b = {.worker = SLICE_EMPTY,
                           .reason = SLICE_EMPTY,
                           .verdict = {.value = (double)NAN,
                                       .label = SLICE_EMPTY,
                                       .explanation = SLICE_EMPTY,
                                       .judge_model = SLICE_EMPTY}};
    enum status s;
    enum json_token t = json_next(&j);
    if (t == JSON_ERROR)
        return json_error(&j, "the JSON", reterr);
    if (t != JSON_OBJECT_BEGIN)
        return error_set(reterr, STATUS_INVALID, "a JSON object expected");
    if ((s = object_read(&j, allowed, arena, &b, reterr)) < 0 ||
        (s = required_check(&b, required, reterr)) < 0)
        return s;
    *ret = b;
    return STATUS_OK;
}
