/*
 * terminal.h - text from outside on a terminal: cut to a width, and never able to move the cursor.
 */
#ifndef DRIFTLINE_TOOLS_TERMINAL_H
#define DRIFTLINE_TOOLS_TERMINAL_H

#include "engine/base/memory.h"

enum colour {
    COLOUR_NONE,
    COLOUR_RED,
    COLOUR_GREEN,
    COLOUR_YELLOW,
    COLOUR_BLUE,
    COLOUR_MAGENTA,
    COLOUR_CYAN,
    COLOUR_DIM,
    COLOUR_BOLD
};

/* Appends text of at most max characters (0: no bound), longer ones end in "...". Control characters become spaces, or '?' where
 * they are not white space; bytes that are not UTF-8 become U+FFFD. Returns how many characters were added. */
uint32_t terminal_add_clipped(struct buffer *to, struct slice text, uint32_t max);
/* The same, padded with spaces to width. */
void terminal_add_padded(struct buffer *to, struct slice text, uint32_t width);
/* Lines of a longer text, each behind the indent; no bound. */
void terminal_add_block(struct buffer *to, struct slice text, uint32_t indent);
/* Switches the colour on when coloured; COLOUR_NONE switches back. */
void terminal_add_colour(struct buffer *to, bool coloured, enum colour colour);
/* All of it to stdout. False when that fails. */
bool terminal_write(const struct buffer *text);
/* Whether the locale's character set is UTF-8 (LC_ALL, LC_CTYPE, LANG). */
bool terminal_is_utf8(void);

#endif
