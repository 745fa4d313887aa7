/*
 * status.h - the one way of reporting errors.
 *
 * A function that can fail returns enum status: negative is a failure, STATUS_OK success,
 * STATUS_END the end of an iteration. Details go to a caller's struct error (reterr), written
 * only on failure; reterr may be NULL.
 */
#ifndef DRIFTLINE_BASE_STATUS_H
#define DRIFTLINE_BASE_STATUS_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

enum status {
#define STATUS(value, name, sentence) STATUS_##name = (value),
#include "engine/base/status.def"
#undef STATUS
};

#define MUST_CHECK __attribute__((warn_unused_result))
/* A failure that is deliberately not looked at: best effort, or one that was reported already. */
#define IGNORE_STATUS(call)                                                                        \
    do {                                                                                           \
        enum status ignored_status_ = (call);                                                      \
        (void)ignored_status_;                                                                     \
    } while (0)
#define PRINTF_LIKE(text_at, first) __attribute__((format(printf, text_at, first)))

#define ERROR_TEXT_BYTES 1024

/* Detail of one failure. Zero is "no error". */
struct error {
    enum status status;
    /* Byte position in the input the text speaks of (a query, a file), or -1: unknown. */
    int64_t position;
    char text[ERROR_TEXT_BYTES];
};

/* "IO", "CORRUPT", ... and the sentence of a status. Never NULL. */
const char *status_name(enum status status);
const char *status_sentence(enum status status);

/* Fills *reterr (when not NULL) and returns status, so that `return error_set(...)` reads well. */
enum status error_set(struct error *reterr, enum status status, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* The same, with the position in the input. */
enum status error_set_at(struct error *reterr, enum status status, int64_t position,
                         const char *format, ...) PRINTF_LIKE(4, 5);
/* Puts "prefix: " before the text of *reterr, keeping its status. */
void error_prefix(struct error *reterr, const char *format, ...) PRINTF_LIKE(2, 3);
/* error_set(STATUS_CORRUPT) for files: the only door for damage; put the breakpoint here. */
enum status corrupt(struct error *reterr, const char *file, uint64_t offset, const char *format,
                    ...) PRINTF_LIKE(4, 5);

#endif
