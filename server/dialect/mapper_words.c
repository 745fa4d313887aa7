/*
 * mapper_words.c - how SDKs spell kinds, providers and finish reasons (vocabulary.def).
 */
#include "server/dialect/mapper_internal.h"

struct slice text_unquoted(struct slice text)
{
    if (text.size >= 2 && text.data[0] == '"' && text.data[text.size - 1] == '"')
        return slice_of(text.data + 1, text.size - 2);
    return text;
}

static bool word_found(const char *word, struct slice spelling, struct found *ret)
{
    if (word == NULL || word[0] == 0)
        return false;
    struct slice text = slice_text(word);
    bool same = text.size == spelling.size;
    for (size_t i = 0; same && i < text.size; i++)
        same = text.data[i] == spelling.data[i] ||
               (spelling.data[i] >= 'A' && spelling.data[i] <= 'Z' &&
                text.data[i] == (spelling.data[i] | 0x20));
    *ret = (struct found){.text = text, .exact = same};
    return true;
}

struct slice text_lower_case(struct slice text, struct arena *arena)
{
    uint8_t *copy = arena_alloc(arena, text.size + 1);
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        copy[i] = c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
    }
    return slice_of(copy, text.size);
}

bool text_ends_with(struct slice text, struct slice ending)
{
    return text.size >= ending.size &&
           memcmp(text.data + text.size - ending.size, ending.data, ending.size) == 0;
}

bool kind_convert(struct mapper *m, struct slice text, struct found *ret)
{
    return word_found(dialect_word(&m->dialect, WORDS_kind, text), text, ret);
}

bool kind_by_ending(struct mapper *m, struct slice text, struct found *ret)
{
    struct slice lower = text_lower_case(text_cut(text, NAME_BYTES_MAX), &m->arena);
    for (uint32_t i = 0; i < dialect_word_count(); i++) {
        const struct word *w = &dialect_words[i];
        if (w->vocabulary == WORDS_kind_ending && text_ends_with(lower, slice_text(w->spelling)))
            return word_found(w->word, text, ret);
    }
    return false;
}

/* "google.vertex.chat": the longest start before a dot that is a provider we know. */
bool provider_convert(struct mapper *m, struct slice text, struct found *ret)
{
    text = text_unquoted(text);
    if (text.size == 0 || text.size > NAME_BYTES_MAX)
        return false;
    for (struct slice start = text; start.size != 0; start.size--) {
        if (start.size != text.size && text.data[start.size] != '.')
            continue;
        const char *word = dialect_word(&m->dialect, WORDS_provider, start);
        if (word != NULL)
            return word_found(word, text, ret);
    }
    *ret = (struct found){.text = text_lower_case(text, &m->arena), .exact = true};
    return true;
}

bool finish_convert(struct mapper *m, struct slice text, struct found *ret)
{
    text = text_unquoted(text);
    if (text.size == 0)
        return false;
    const char *word = dialect_word(&m->dialect, WORDS_finish, text);
    if (word != NULL)
        return word_found(word, text, ret);
    text = text_cut(text, NAME_BYTES_MAX);
    *ret = (struct found){.text = text_lower_case(text, &m->arena), .exact = true};
    return true;
}

bool finish_of_value(struct mapper *m, const struct value *v, struct found *ret)
{
    if (v->type != VALUE_STRING && v->type != VALUE_JSON)
        return false;
    if (v->bytes.size == 0 || v->bytes.data[0] != '[')
        return finish_convert(m, v->bytes, ret);
    struct json j = json_over(v->bytes);
    if (json_next(&j) != JSON_ARRAY_BEGIN || json_next(&j) != JSON_STRING)
        return false;
    if (!finish_convert(m, json_string(&j, &m->arena), ret))
        return false;
    /* More than one reason: the others must not be lost. */
    ret->exact = ret->exact && json_next(&j) == JSON_ARRAY_END;
    return true;
}
