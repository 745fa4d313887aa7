/*
 * stringify.h - JSON as JavaScript's JSON.stringify(JSON.parse(text)) writes it.
 *
 * Agents keep their history as parsed objects and send JSON.stringify of it, so this is the form in which
 * the same message is the same bytes.
 */
#ifndef DRIFTLINE_BASE_STRINGIFY_H
#define DRIFTLINE_BASE_STRINGIFY_H

#include "engine/base/memory.h"
#include "engine/base/status.h"

/* Appends the one JSON value in text. STATUS_INVALID with the byte; then what was appended is undefined. */
MUST_CHECK enum status stringify(struct slice text, struct buffer *to, struct error *reterr);
/* A string of bytes: quotes, the short escapes, \u00XX; bytes that are not UTF-8 become U+FFFD. */
void stringify_text(struct slice text, struct buffer *to);
/* A number; infinities and NaN are null. */
void stringify_number(double value, struct buffer *to);

#endif
