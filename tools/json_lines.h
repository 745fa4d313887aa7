/*
 * json_lines.h - a small JSON object for people: one "name  value" line a scalar.
 */
#ifndef DRIFTLINE_TOOLS_JSON_LINES_H
#define DRIFTLINE_TOOLS_JSON_LINES_H

#include "engine/base/slice.h"
#include "engine/base/status.h"

/* Members of nested objects are named "outer.inner". */
MUST_CHECK enum status json_lines_print(struct slice text, struct error *reterr);

#endif
