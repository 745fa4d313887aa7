/*
 * terminal.c - safe text.
 */
#include "tools/terminal.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "engine/base/utf8.h"

/* C0, DEL, and C1 (U+0080 to U+009F), which some terminals obey as well. */
static bool is_control(const uint8_t *at, size_t size)
{
    return at[0] < 0x20 || at[0] == 0x7f || (size == 2 && at[0] == 0xc2 && at[1] < 0xa0);
}

static bool is_space(uint8_t c)
{
    return c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f';
}

/* One character; returns its bytes in the text. */
static size_t char_add(struct buffer *to, const uint8_t *at, const uint8_t *end)
{
    size_t size;
    if (!utf8_take(at, end, &size))
        buffer_add_text(to, UTF8_REPLACEMENT);
    else if (is_control(at, size))
        buffer_add_byte(to, is_space(at[0]) ? ' ' : '?');
    else
        buffer_add(to, at, size);
    return size;
}

uint32_t terminal_add_clipped(struct buffer *to, struct slice text, uint32_t max)
{
    const uint8_t *at = text.data;
    const uint8_t *end = at + text.size;
    uint32_t count = 0;
    size_t keep = to->size; /* where the dots would go */
    while (at < end && (max == 0 || count < max)) {
        if (max > 3 && count == max - 3)
            keep = to->size;
        at += char_add(to, at, end);
        count++;
    }
    if (at < end && max > 3) {
        to->size = keep;
        buffer_add_text(to, "...");
    }
    return count;
}

void terminal_add_padded(struct buffer *to, struct slice text, uint32_t width)
{
    uint32_t count = terminal_add_clipped(to, text, width);
    for (; count < width; count++)
        buffer_add_byte(to, ' ');
}

void terminal_add_block(struct buffer *to, struct slice text, uint32_t indent)
{
    const uint8_t *at = text.data;
    const uint8_t *end = at + text.size;
    while (at < end) {
        const uint8_t *newline = memchr(at, '\n', (size_t)(end - at));
        const uint8_t *line_end = newline != NULL ? newline : end;
        for (uint32_t i = 0; i < indent; i++)
            buffer_add_byte(to, ' ');
        while (at < line_end)
            at += char_add(to, at, line_end);
        buffer_add_byte(to, '\n');
        at = newline != NULL ? newline + 1 : end;
    }
}

void terminal_add_colour(struct buffer *to, bool coloured, enum colour colour)
{
    static const char *const codes[] = {
        [COLOUR_NONE] = "\033[0m",    [COLOUR_RED] = "\033[31m",  [COLOUR_GREEN] = "\033[32m",
        [COLOUR_YELLOW] = "\033[33m", [COLOUR_BLUE] = "\033[34m", [COLOUR_MAGENTA] = "\033[35m",
        [COLOUR_CYAN] = "\033[36m",   [COLOUR_DIM] = "\033[2m",   [COLOUR_BOLD] = "\033[1m"};
    if (coloured)
        buffer_add_text(to, codes[colour]);
}

bool terminal_write(const struct buffer *text)
{
    return text->size == 0 || fwrite(text->data, 1, text->size, stdout) == text->size;
}

bool terminal_is_utf8(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *value = getenv(names[i]);
        if (value == NULL || value[0] == 0)
            continue;
        const char *dot = strchr(value, '.');
        return dot != NULL && (strcasecmp(dot, ".UTF-8") == 0 || strcasecmp(dot, ".utf8") == 0);
    }
    return false;
}
