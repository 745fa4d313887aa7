/*
 * manifest_edit.h - edits as bytes, FORMAT.md 8.3.
 */
#ifndef DRIFTLINE_MANIFEST_EDIT_H
#define DRIFTLINE_MANIFEST_EDIT_H

#include "engine/base/cursor.h"
#include "engine/base/limits.h"
#include "engine/manifest/manifest.h"

/* One decoded edit and what its pointers point to. Don't copy: e points into the struct. */
struct manifest_edit_storage {
    struct manifest_edit e;
    struct manifest_segment segment;
    struct manifest_pack pack;
    struct manifest_patch patch;
    struct manifest_client client;
    char name[PROJECT_NAME_MAX + 1];
};

void manifest_edit_encode(const struct manifest_edit *e, struct buffer *to);
/* Reads one edit. NULL, or what is wrong with it: a sentence without its end. */
const char *manifest_edit_decode(struct cursor *c, struct manifest_edit_storage *to);

#endif
