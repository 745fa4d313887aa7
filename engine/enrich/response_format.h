/*
 * response_format.h - what form an answer was asked to have, from the attributes of its span.
 */
#ifndef DRIFTLINE_ENRICH_RESPONSE_FORMAT_H
#define DRIFTLINE_ENRICH_RESPONSE_FORMAT_H

#include "engine/base/memory.h"

struct response_format {
    bool json;           /* JSON was asked for */
    struct slice schema; /* its JSON Schema; empty: none was given */
};
/* attributes: a JSON object. Strings live in the arena or in attributes. */
void response_format_read(struct slice attributes, struct arena *arena,
                          struct response_format *ret);

#endif
