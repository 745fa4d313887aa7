/*
 * yaml.c - libfyaml behind yaml.h.
 */
#include "server/yaml/yaml.h"

#include <errno.h>
#include <libfyaml.h>
#include <stdio.h>

#include "engine/base/memory.h"

struct yaml {
    struct fy_document *document;
    char *name;
    char *text; /* libfyaml points into it */
};

/* The first diagnostic libfyaml collected, as "line:column: text". */
static void first_diagnostic(struct fy_diag *diag, char *to, size_t size)
{
    void *iterator = NULL;
    struct fy_diag_error *e = fy_diag_errors_iterate(diag, &iterator);
    if (e == NULL)
        (void)snprintf(to, size, "1:1: not YAML");
    else
        (void)snprintf(to, size, "%d:%d: %s", e->line, e->column, e->msg);
}

/* Nothing but white space and comments. */
static bool is_blank(struct slice text)
{
    bool in_comment = false;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t b = text.data[i];
        in_comment = b != '\n' && (in_comment || b == '#');
        if (!in_comment && b != ' ' && b != '\t' && b != '\r' && b != '\n')
            return false;
    }
    return true;
}

/* A second document would be ignored without a word: that is an error, at its place. */
static enum status one_document(const char *name, struct slice text, const struct fy_parse_cfg *config,
                                struct error *reterr)
{
    struct fy_parser *parser = fy_parser_create(config);
    struct fy_event *event;
    enum status s = STATUS_OK;
    unsigned documents = 0;
    if (parser == NULL || fy_parser_set_string(parser, (const char *)text.data, text.size) != 0) {
        fy_parser_destroy(parser);
        return error_set(reterr, STATUS_INVALID, "%s: not YAML", name);
    }
    while (s >= 0 && (event = fy_parser_parse(parser)) != NULL) {
        const struct fy_mark *mark = fy_event_start_mark(event);
        if (event->type == FYET_DOCUMENT_START && ++documents > 1)
            s = error_set(reterr, STATUS_INVALID, "%s:%d:%d: a second document: only one is read", name,
                          mark == NULL ? 1 : mark->line + 1, mark == NULL ? 1 : mark->column + 1);
        fy_parser_event_free(parser, event);
    }
    fy_parser_destroy(parser);
    return s;
}

enum status yaml_parse(const char *name, struct slice text, struct yaml **ret, struct error *reterr)
{
    if (text.size > YAML_BYTES_MAX)
        return error_set(reterr, STATUS_LIMIT, "%s: larger than %u bytes", name, YAML_BYTES_MAX);
    struct yaml *y = MEM_NEW(struct yaml);
    y->name = mem_strdup(name);
    y->text = mem_alloc(text.size + 1);
    bytes_copy(y->text, text.data, text.size);
    y->text[text.size] = 0;
    struct fy_diag_cfg diag_config;
    fy_diag_cfg_default(&diag_config);
    diag_config.fp = NULL;
    diag_config.colorize = false;
    struct fy_diag *diag = fy_diag_create(&diag_config);
    fy_diag_set_collect_errors(diag, true);
    struct fy_parse_cfg config = {.flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG, .diag = diag};
    y->document = fy_document_build_from_string(&config, y->text, text.size);
    enum status s = STATUS_OK;
    if (y->document == NULL && !is_blank(text)) {
        char place[ERROR_TEXT_BYTES / 2];
        first_diagnostic(diag, place, sizeof place);
        s = error_set(reterr, STATUS_INVALID, "%s:%s", name, place);
        goto out;
    }
    if ((s = one_document(name, slice_of(y->text, text.size), &config, reterr)) < 0)
        goto out;
    *ret = y;
    y = NULL;
out:
    fy_diag_destroy(diag);
    yaml_destroy(y);
    return s;
}

enum status yaml_load(const char *path, struct yaml **ret, struct error *reterr)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return error_set(reterr, errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO, "%s: %s", path,
                         strerror(errno));
    struct buffer text = {0};
    enum status s = STATUS_OK;
    while (text.size <= YAML_BYTES_MAX) {
        size_t got = fread(buffer_reserve(&text, 65536), 1, 65536, file);
        text.size += got;
        if (got == 0)
            break;
    }
    if (ferror(file) != 0)
        s = error_set(reterr, STATUS_IO, "%s: %s", path, strerror(errno));
    else
        s = yaml_parse(path, buffer_slice(&text), ret, reterr);
    (void)fclose(file);
    buffer_deinit(&text);
    return s;
}

void yaml_destroy(struct yaml *y)
{
    if (y == NULL)
        return;
    if (y->document != NULL)
        fy_document_destroy(y->document);
    mem_free(y->name);
    mem_free(y->text);
    mem_free(y);
}

struct fy_node *yaml_root(struct yaml *y)
{
    return y->document == NULL ? NULL : fy_document_root(y->document);
}

enum yaml_kind yaml_kind(struct fy_node *node)
{
    if (node != NULL && fy_node_is_mapping(node))
        return YAML_MAPPING;
    if (node != NULL && fy_node_is_sequence(node))
        return YAML_SEQUENCE;
    return YAML_SCALAR;
}

struct slice yaml_text(struct fy_node *node)
{
    size_t size = 0;
    const char *text = node == NULL ? NULL : fy_node_get_scalar(node, &size);
    struct slice value = text == NULL ? SLICE_EMPTY : slice_of(text, size);
    bool plain = node != NULL && fy_node_get_style(node) == FYNS_PLAIN;
    if (plain && (slice_is(value, "~") || slice_is(value, "null")))
        return SLICE_EMPTY;
    return value;
}

size_t yaml_count(struct fy_node *node)
{
    int count = 0;
    if (yaml_kind(node) == YAML_MAPPING)
        count = fy_node_mapping_item_count(node);
    else if (yaml_kind(node) == YAML_SEQUENCE)
        count = fy_node_sequence_item_count(node);
    return count > 0 ? (size_t)count : 0;
}

struct fy_node *yaml_item(struct fy_node *node, size_t index)
{
    return fy_node_sequence_get_by_index(node, (int)index);
}

struct fy_node *yaml_key_node(struct fy_node *mapping, size_t index)
{
    struct fy_node_pair *pair = fy_node_mapping_get_by_index(mapping, (int)index);
    return pair == NULL ? NULL : fy_node_pair_key(pair);
}

struct slice yaml_key(struct fy_node *mapping, size_t index)
{
    return yaml_text(yaml_key_node(mapping, index));
}

struct fy_node *yaml_value(struct fy_node *mapping, size_t index)
{
    struct fy_node_pair *pair = fy_node_mapping_get_by_index(mapping, (int)index);
    return pair == NULL ? NULL : fy_node_pair_value(pair);
}

struct fy_node *yaml_find(struct fy_node *mapping, const char *key)
{
    for (size_t i = 0; i < yaml_count(mapping) && yaml_kind(mapping) == YAML_MAPPING; i++) {
        if (slice_is(yaml_key(mapping, i), key))
            return yaml_value(mapping, i);
    }
    return NULL;
}

void yaml_place(struct fy_node *node, int *ret_line, int *ret_column)
{
    *ret_line = 1;
    *ret_column = 1;
    /* The first token of a collection is that of its first scalar. */
    while (yaml_kind(node) != YAML_SCALAR && yaml_count(node) > 0)
        node = yaml_kind(node) == YAML_MAPPING ? yaml_key_node(node, 0) : yaml_item(node, 0);
    struct fy_token *token = node == NULL ? NULL : fy_node_get_scalar_token(node);
    const struct fy_mark *mark = token == NULL ? NULL : fy_token_start_mark(token);
    if (mark != NULL) {
        *ret_line = mark->line + 1;
        *ret_column = mark->column + 1;
    }
}

bool yaml_place_within(struct fy_node *node, size_t offset, int *ret_line, int *ret_column)
{
    yaml_place(node, ret_line, ret_column);
    struct fy_token *token = yaml_kind(node) == YAML_SCALAR && node != NULL ? fy_node_get_scalar_token(node) : NULL;
    const struct fy_mark *start = token == NULL ? NULL : fy_token_start_mark(token);
    const struct fy_mark *end = token == NULL ? NULL : fy_token_end_mark(token);
    struct slice text = yaml_text(node);
    /* Only where every byte of the text is one byte of one line of the file. */
    if (start == NULL || end == NULL || start->line != end->line || end->input_pos < start->input_pos)
        return false;
    if (end->input_pos - start->input_pos != text.size || offset > text.size)
        return false;
    *ret_column += (int)offset;
    return true;
}

enum status yaml_error(struct yaml *y, struct fy_node *node, struct error *reterr,
                       const char *format, ...)
{
    char text[ERROR_TEXT_BYTES / 2];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (node == NULL)
        return error_set(reterr, STATUS_INVALID, "%s: %s", y->name, text);
    int line;
    int column;
    yaml_place(node, &line, &column);
    return error_set(reterr, STATUS_INVALID, "%s:%d:%d: %s", y->name, line, column, text);
}
