/*
 * status.c - names, sentences and the filling of struct error.
 */
#include "engine/base/status.h"

#include <stdio.h>
#include <string.h>

const char *status_name(enum status status)
{
    switch (status) {
#define STATUS(value, name, sentence)                                                              \
    case STATUS_##name:                                                                            \
        return #name;
#include "engine/base/status.def"
#undef STATUS
    }
    return "UNKNOWN";
}

const char *status_sentence(enum status status)
{
    switch (status) {
#define STATUS(value, name, sentence)                                                              \
    case STATUS_##name:                                                                            \
        return sentence;
#include "engine/base/status.def"
#undef STATUS
    }
    return "unknown status";
}

enum status error_set(struct error *reterr, enum status status, const char *format, ...)
{
    if (reterr == NULL)
        return status;
    va_list args;
    va_start(args, format);
    reterr->status = status;
    reterr->position = -1;
    (void)vsnprintf(reterr->text, sizeof reterr->text, format, args);
    va_end(args);
    return status;
}

enum status error_set_at(struct error *reterr, enum status status, int64_t position,
                         const char *format, ...)
{
    if (reterr == NULL)
        return status;
    va_list args;
    va_start(args, format);
    reterr->status = status;
    reterr->position = position;
    (void)vsnprintf(reterr->text, sizeof reterr->text, format, args);
    va_end(args);
    return status;
}

void error_prefix(struct error *reterr, const char *format, ...)
{
    if (reterr == NULL)
        return;
    char old[ERROR_TEXT_BYTES];
    memcpy(old, reterr->text, sizeof old);
    va_list args;
    va_start(args, format);
    int used = vsnprintf(reterr->text, sizeof reterr->text, format, args);
    va_end(args);
    if (used < 0 || (size_t)used >= sizeof reterr->text)
        return;
    size_t left = sizeof reterr->text - (size_t)used;
    (void)snprintf(reterr->text + used, left, ": %.*s", (int)left, old); /* cut where it ends */
}

enum status corrupt(struct error *reterr, const char *file, uint64_t offset, const char *format,
                    ...)
{
    if (reterr == NULL)
        return STATUS_CORRUPT;
    char reason[ERROR_TEXT_BYTES / 2];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    return error_set_at(reterr, STATUS_CORRUPT, (int64_t)offset, "%s at offset %llu: %s", file,
                        (unsigned long long)offset, reason);
}
