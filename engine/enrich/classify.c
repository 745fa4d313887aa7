/*
 * classify.c - facts to classes by the table of class_rule.def.
 *
 * Text is folded before it is compared: lower case, letters and digits only. Long messages are looked at from both
 * ends, since SDKs put the reason first and stack traces put it last.
 */
#include "engine/enrich/classify.h"

#include <stdio.h>
#include <string.h>

#include "engine/base/hash.h"

#define MESSAGE_END_BYTES 2048u

enum class_field {
    FIELD_http_status,
    FIELD_finish_reason,
    FIELD_error_type,
    FIELD_error_message
};
enum class_how {
    HOW_IS,
    HOW_HAS,
    HOW_CODE
};

struct class_rule {
    enum class_field field;
    enum class_how how;
    const char *pattern;
    uint32_t pattern_bytes;
    const char *class_name;
};
static const struct class_rule rules[] = {
#define CLASS_RULE(field, how, pattern, class)                                                     \
    {FIELD_##field, HOW_##how, pattern, sizeof pattern - 1, #class},
#include "engine/enrich/class_rule.def"
#undef CLASS_RULE
};
#define RULE_COUNT (sizeof rules / sizeof *rules)

/* A field as rules see it. */
struct field_text {
    struct slice raw;
    uint32_t folded_bytes;
    char folded[2 * MESSAGE_END_BYTES + 1];
};

static uint32_t fold(struct slice text, char *to)
{
    uint32_t count = 0;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t b = text.data[i];
        if (b >= 'A' && b <= 'Z')
            b |= 0x20;
        if ((b >= 'a' && b <= 'z') || (b >= '0' && b <= '9'))
            to[count++] = (char)b;
    }
    return count;
}

static void field_read(struct slice raw, struct field_text *ret)
{
    struct slice last = SLICE_EMPTY;
    ret->raw = raw;
    if (raw.size > 2 * MESSAGE_END_BYTES) {
        last = slice_of(raw.data + raw.size - MESSAGE_END_BYTES, MESSAGE_END_BYTES);
        raw.size = MESSAGE_END_BYTES;
    }
    ret->folded_bytes = fold(raw, ret->folded);
    if (last.size > 0) {
        ret->folded[ret->folded_bytes++] = ' '; /* nothing matches across the gap */
        ret->folded_bytes += fold(last, ret->folded + ret->folded_bytes);
    }
}

static bool is_word_byte(uint8_t b)
{
    return (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z') || (b >= '0' && b <= '9') || b == '_' ||
           b >= 0x80;
}

#define CODE_LOOK_BACK_BYTES 16u

/* Does what stands before the number say that it is a status? Brackets and quotes at the start are nothing. */
static bool announces_code(struct slice before)
{
    static const char *const words[] = {"http", "status", "code", "error"};
    char folded[CODE_LOOK_BACK_BYTES];
    bool all = before.size <= CODE_LOOK_BACK_BYTES;
    if (!all)
        before = slice_of(before.data + before.size - CODE_LOOK_BACK_BYTES, CODE_LOOK_BACK_BYTES);
    uint32_t bytes = fold(before, folded);
    if (all && bytes == 0)
        return true;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (memmem(folded, bytes, words[i], strlen(words[i])) != NULL)
            return true;
    }
    return false;
}

/* "429" in "HTTP 429: slow" and "[429 Too Many Requests]", not in "id 14290", "0.429" or "after 504 ms". */
static bool has_code(struct slice text, const struct class_rule *rule)
{
    const uint8_t *at = text.data;
    const uint8_t *end =
        text.data + (text.size < MESSAGE_END_BYTES ? text.size : MESSAGE_END_BYTES);
    while ((at = memmem(at, (size_t)(end - at), rule->pattern, rule->pattern_bytes)) != NULL) {
        const uint8_t *after = at + rule->pattern_bytes;
        bool starts = at == text.data || !(is_word_byte(at[-1]) || at[-1] == '.' || at[-1] == '-');
        bool ends = after == end || !is_word_byte(*after);
        if (ends && after + 1 < end && *after == '.' && after[1] >= '0' && after[1] <= '9')
            ends = false;
        if (starts && ends && announces_code(slice_of(text.data, (size_t)(at - text.data))))
            return true;
        at = after;
    }
    return false;
}

static bool rule_fits(const struct class_rule *rule, const struct field_text *field)
{
    switch (rule->how) {
    case HOW_IS:
        return field->folded_bytes == rule->pattern_bytes &&
               memcmp(field->folded, rule->pattern, rule->pattern_bytes) == 0;
    case HOW_HAS:
        return memmem(field->folded, field->folded_bytes, rule->pattern, rule->pattern_bytes) !=
               NULL;
    case HOW_CODE:
        return has_code(field->raw, rule);
    }
    return false;
}

static void candidate(struct class_candidates *to, const char *name)
{
    for (uint32_t i = 0; i < to->count; i++) {
        if (strcmp(to->names[i], name) == 0)
            return;
    }
    if (to->count < CLASSIFY_CLASSES_MAX)
        to->names[to->count++] = name;
}

static void field_classify(enum class_field which, struct slice text, struct class_candidates *to)
{
    struct field_text field;
    if (text.size == 0)
        return;
    field_read(text, &field);
    for (size_t i = 0; i < RULE_COUNT; i++) {
        if (rules[i].field == which && rule_fits(&rules[i], &field))
            candidate(to, rules[i].class_name);
    }
}

bool class_facts_failed(const struct class_facts *f)
{
    return slice_is(f->status, "error") || f->http_status >= 400 || f->error_type.size > 0 ||
           slice_is(f->finish_reason, "error") ||
           (f->error_message.size > 0 && !slice_is(f->status, "ok"));
}

void classify(const struct class_facts *f, struct class_candidates *ret)
{
    ret->count = 0;
    /* The usual case, decided without a look at the table. */
    bool failed = class_facts_failed(f);
    if (!failed && (f->finish_reason.size == 0 || slice_is(f->finish_reason, "stop") ||
                    slice_is(f->finish_reason, "tool_calls")))
        return;
    field_classify(FIELD_finish_reason, f->finish_reason, ret);
    if (!failed)
        return;
    char code[24];
    if (f->http_status > 0) {
        int bytes = snprintf(code, sizeof code, "%lld", (long long)f->http_status);
        field_classify(FIELD_http_status, slice_of(code, (size_t)bytes), ret);
    }
    field_classify(FIELD_error_type, f->error_type, ret);
    field_classify(FIELD_error_message, f->error_message, ret);
    candidate(ret, slice_is(f->kind, "tool") ? "tool_error" : "other");
}

uint64_t class_rules_hash(void)
{
    uint64_t hash = RULE_COUNT;
    for (size_t i = 0; i < RULE_COUNT; i++) {
        hash = hash_mix(hash ^ hash64(slice_text(rules[i].pattern)));
        hash = hash_mix(hash ^ hash64(slice_text(rules[i].class_name)));
        hash = hash_mix(hash ^ (uint64_t)(rules[i].field * 4 + rules[i].how));
    }
    return hash;
}
