/*
 * function.c - the tables behind functions.def, and the letters of types.
 */
#include "query/function.h"

static const struct function functions[] = {
#define FUNCTION(tag, name, args, result, run, flags, prepare)                                     \
    {tag, name, args, result, run, flags, prepare},
#define CAST(from, to, run, implicit)
#include "query/functions.def"
#undef FUNCTION
#undef CAST
};

static const struct cast {
    char from, to;
    bool implicit;
    struct function function;
} casts[] = {
#define FUNCTION(tag, name, args, result, run, flags, prepare)
#define CAST(from, to, run, implicit)                                                              \
    {from, to, implicit, {from == 'm' ? TAG_RENDER : TAG_NONE, "cast", "", to, run, 0, NULL}},
#include "query/functions.def"
#undef FUNCTION
#undef CAST
};

const struct function *function_table(uint32_t *ret_count)
{
    *ret_count = sizeof functions / sizeof *functions;
    return functions;
}

const struct function *function_cast(char from, char to, bool *ret_implicit)
{
    for (size_t i = 0; i < sizeof casts / sizeof *casts; i++)
        if (casts[i].from == from && casts[i].to == to) {
            *ret_implicit = casts[i].implicit;
            return &casts[i].function;
        }
    return NULL;
}

enum sql_type type_of_letter(char letter)
{
    switch (letter) {
    case 'i':
        return SQL_INT;
    case 'f':
    case 'k':
        return SQL_FLOAT;
    case 'b':
        return SQL_BOOL;
    case 'z':
        return SQL_TIMESTAMP;
    case 'd':
        return SQL_INTERVAL;
    case 'x':
    case 'X':
        return SQL_HEX;
    case 'm':
        return SQL_MESSAGES;
    default:
        return SQL_TEXT;
    }
}

enum phys phys_of_letter(char letter)
{
    switch (letter) {
    case 'i':
    case 'z':
    case 'd':
    case 'k':
        return PHYS_I64;
    case 'f':
        return PHYS_F64;
    case 'b':
        return PHYS_BOOL;
    case 'x':
        return PHYS_ID64;
    case 'X':
        return PHYS_ID128;
    default:
        return PHYS_TEXT;
    }
}

char letter_of(enum sql_type type, enum phys phys)
{
    switch (type) {
    case SQL_TIMESTAMP:
        return 'z';
    case SQL_INT:
        return 'i';
    case SQL_FLOAT:
        return phys == PHYS_I64 ? 'k' : 'f';
    case SQL_BOOL:
        return 'b';
    case SQL_TEXT:
        return 't';
    case SQL_HEX:
        return phys == PHYS_ID128 ? 'X' : 'x';
    case SQL_MESSAGES:
        return 'm';
    case SQL_INTERVAL:
        return 'd';
    case SQL_NULL:
        return 0;
    }
    return 0;
}
