/*
 * nearest_name.c - the name somebody probably meant.
 *
 * Distance: insert, delete, replace or swap two neighbours, one each (optimal string alignment),
 * without regard to ASCII case.
 */
#include "engine/span/cell.h"

#define NAME_MAX_COMPARED 64 /* longer ones have no near name worth the time */

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Both at most NAME_MAX_COMPARED long. Three rows of the usual matrix are kept. */
static uint32_t edit_distance(struct slice a, struct slice b)
{
    uint32_t rows[3][NAME_MAX_COMPARED + 1];
    for (uint32_t j = 0; j <= b.size; j++)
        rows[0][j] = j;
    for (uint32_t i = 1; i <= a.size; i++) {
        uint32_t *now = rows[i % 3];
        const uint32_t *above = rows[(i + 2) % 3];
        const uint32_t *two_above = rows[(i + 1) % 3];
        now[0] = i;
        for (uint32_t j = 1; j <= b.size; j++) {
            uint8_t x = lower(a.data[i - 1]);
            uint8_t y = lower(b.data[j - 1]);
            now[j] = least(above[j - 1] + (x != y), least(above[j], now[j - 1]) + 1);
            if (i > 1 && j > 1 && x == lower(b.data[j - 2]) && y == lower(a.data[i - 2]))
                now[j] = least(now[j], two_above[j - 2] + 1);
        }
    }
    return rows[a.size % 3][b.size];
}

const char *nearest_name(struct slice name, const char *const *names, uint32_t count)
{
    if (name.size == 0 || name.size > NAME_MAX_COMPARED)
        return NULL;
    uint32_t third = (uint32_t)name.size / 3;
    uint32_t nearest = third > 2 ? third : 2;
    const char *found = NULL;
    for (uint32_t i = 0; i < count; i++) {
        struct slice candidate = slice_text(names[i]);
        size_t apart =
            candidate.size > name.size ? candidate.size - name.size : name.size - candidate.size;
        if (candidate.size > NAME_MAX_COMPARED || apart > nearest)
            continue;
        uint32_t distance = edit_distance(name, candidate);
        /* What shares no letter is not near: it would just be a short word replaced by another. */
        if (distance < least((uint32_t)name.size, (uint32_t)candidate.size) &&
            (distance < nearest || (distance == nearest && found == NULL))) {
            nearest = distance;
            found = names[i];
        }
    }
    return found;
}
