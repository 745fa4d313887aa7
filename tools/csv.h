/*
 * csv.h - fields of RFC 4180: commas, quotes doubled inside quotes, lines that end in LF or CRLF.
 *
 * Over a window followed by INPUT_PADDING bytes. A quote inside an unquoted field, or text behind a
 * closing quote, is an error; a lone CR is text.
 */
#ifndef DRIFTLINE_TOOLS_CSV_H
#define DRIFTLINE_TOOLS_CSV_H

#include "engine/base/memory.h"

enum csv_result {
    CSV_FIELD,
    CSV_MORE, /* the window ends inside the field */
    CSV_BAD,  /* csv_take wrote why */
};

/* Where the text of the field that begins at `at` ends if it is unquoted: the first comma, LF or quote, or end. */
const uint8_t *csv_scan(const uint8_t *at, const uint8_t *end);

/*
 * Takes the field at `at`. last_window: nothing follows end. The text points into the window, or into scratch when it
 * has doubled quotes. *ret_after: the comma, CR LF or LF that ends it, or end.
 */
enum csv_result csv_take(const uint8_t *at, const uint8_t *end, bool last_window,
                         struct buffer *scratch, struct slice *ret_text, bool *ret_quoted,
                         const uint8_t **ret_after, const char **ret_reason);
/* Behind the line end of the record at `at`, whatever its fields look like; NULL: the window ends first. */
const uint8_t *csv_skip_record(const uint8_t *at, const uint8_t *end, bool last_window);

/* Bytes of the line end at `at`: 1 or 2, or 0 when there is none. Two bytes are readable. */
static inline size_t csv_line_end(const uint8_t *at, const uint8_t *end)
{
    if (at >= end)
        return 0;
    if (at[0] == '\n')
        return 1;
    return at[0] == '\r' && at + 1 < end && at[1] == '\n' ? 2 : 0;
}

#endif
