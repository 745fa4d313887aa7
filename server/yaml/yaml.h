/*
 * yaml.h - configuration and rule files: libfyaml documents with errors that name file:line:column.
 *
 * Threads: a document belongs to one thread at a time.
 * Bounds:  files up to YAML_BYTES_MAX; aliases are not followed (no "billion laughs").
 */
#ifndef DRIFTLINE_YAML_H
#define DRIFTLINE_YAML_H

#include <stdbool.h>

#include "engine/base/slice.h"
#include "engine/base/status.h"

#define YAML_BYTES_MAX (4u << 20)

struct yaml;
struct fy_node;

/* STATUS_NOT_FOUND / STATUS_IO when it can't be read, STATUS_INVALID with file:line:column when it is not YAML. */
MUST_CHECK enum status yaml_load(const char *path, struct yaml **ret, struct error *reterr);
/* name stands for the file in messages. */
MUST_CHECK enum status yaml_parse(const char *name, struct slice text, struct yaml **ret, struct error *reterr);
void yaml_destroy(struct yaml *y);

/* NULL for an empty document. */
struct fy_node *yaml_root(struct yaml *y);

enum yaml_kind { YAML_SCALAR, YAML_SEQUENCE, YAML_MAPPING };
enum yaml_kind yaml_kind(struct fy_node *node);
/* The scalar's text (resolved quotes and escapes); valid until yaml_destroy. "~", "null" and nothing are the empty text. */
struct slice yaml_text(struct fy_node *node);
/* Items of a sequence or pairs of a mapping; 0 for a scalar. */
size_t yaml_count(struct fy_node *node);
struct fy_node *yaml_item(struct fy_node *node, size_t index);
struct slice yaml_key(struct fy_node *mapping, size_t index);
/* Either may be NULL when a pair has an empty side. */
struct fy_node *yaml_key_node(struct fy_node *mapping, size_t index);
struct fy_node *yaml_value(struct fy_node *mapping, size_t index);
/* NULL when absent. */
struct fy_node *yaml_find(struct fy_node *mapping, const char *key);

/* STATUS_INVALID with "file:line:column: ..." of the node (NULL: the file alone). */
enum status yaml_error(struct yaml *y, struct fy_node *node, struct error *reterr, const char *format, ...) PRINTF_LIKE(4, 5);
/* "line:column" of a node, from 1. */
void yaml_place(struct fy_node *node, int *ret_line, int *ret_column);
/* The place of the offset-th byte of a scalar's text. False: it can't be told (quotes with escapes, folded text);
 * then it is the node's place. */
bool yaml_place_within(struct fy_node *node, size_t offset, int *ret_line, int *ret_column);

#endif
