/*
 * dialect_table.h - genai.def and vocabulary.def as a hash: from where something stands to what it means.
 *
 * Place:    genai.def -> [here] -> mapper_collect.c
 * Bounds:   names of attributes are remembered (with their JSON form) up to PLACES_MAX of them, each up to
 *           PLACE_BYTES_MAX long; what comes beyond that in one span is looked up the long way, and before the next span
 *           all are forgotten.
 * Threads:  a table belongs to one mapper.
 */
#ifndef DRIFTLINE_DIALECT_TABLE_H
#define DRIFTLINE_DIALECT_TABLE_H

#include "engine/base/intern.h"
#include "engine/base/memory.h"

#define PLACES_MAX      8192u
#define PLACE_BYTES_MAX 256u

enum target {
#define TARGET(name, holds, column) TARGET_##name,
#define SOURCE(target, where, how)
#define CONSTANT(target, where, text)
#include "server/dialect/genai.def"
#undef TARGET
#undef SOURCE
#undef CONSTANT
    TARGET_COUNT
};

/* What a target's slot holds. */
enum holds {
    HOLDS_TEXT,
    HOLDS_INT,
    HOLDS_NUMBER,
    HOLDS_SCORE
};
extern const enum holds target_holds[TARGET_COUNT];
extern const char *const target_column[TARGET_COUNT];

/* How a value becomes the target's. A value that does not fit gives nothing, and the next source is asked. */
enum how {
    HOW_CONSTANT,    /* the line's text */
    HOW_TEXT,        /* numbers and booleans by their text; the empty text is nothing */
    HOW_QUOTED,      /* text, or a JSON string of it */
    HOW_HASHED,      /* "template-" and the hash of a text */
    HOW_KIND,        /* by the vocabulary of kinds */
    HOW_KIND_ENDING, /* by the ending of a class name */
    HOW_PROVIDER,    /* by the vocabulary, endings such as ".chat" taken off; else in lower case */
    HOW_FINISH,      /* by the vocabulary; of an array the first */
    HOW_NUMBER,      /* a finite number or its text */
    HOW_COUNT,       /* a whole number from 0; input tokens that include cached ones */
    HOW_COUNT_AS_BILLED, /* the same, but some providers' (anthropic, aws.bedrock) leave cached ones out */
    HOW_COUNT_WITHOUT_DETAILS, /* the same, cached (input) or reasoning (output) tokens never included */
    HOW_USD,                   /* nano-USD */
    HOW_SECONDS,               /* ns */
    HOW_MILLISECONDS,
    HOW_DURATION, /* unit not known: the largest of s, ms, us, ns in which it is no longer than the span */
    HOW_SINCE_START,    /* a time (RFC 3339, or a number since 1970) minus the span's start */
    HOW_EVENT_TIME,     /* the event's time minus the span's start */
    HOW_HTTP,           /* 100 to 599 */
    HOW_HTTP_TEXT,      /* "429 Too Many Requests", "Error code: 503 - ..." */
    HOW_PRESENT,        /* 1 unless empty or false */
    HOW_FAILURE,        /* 1 when true or a word of failure */
    HOW_FAILURE_UNLESS, /* 1 when false */
    HOW_SEVERITY,       /* 1 from 17 (ERROR) up */
    HOW_FLAG,           /* a boolean */
    HOW_ERROR_TEXT,     /* text other than a boolean's */
    HOW_TOOL_NAME,      /* text without "execute_tool " before and ".tool" behind it */
    HOW_SCORES,         /* {name: number | {"score":..., "label":..., "reason":...}} */
    HOW_SCORE_OBJECT,   /* {"name":..., "score":..., "label":..., "details":...} */
    HOW_SCORE_NAME,     /* parts of one score: those whose places differ in their last name only */
    HOW_SCORE_VALUE,
    HOW_SCORE_LABEL,
    HOW_SCORE_EXPLANATION,
};

struct source {
    const char *where;
    const char *text; /* HOW_CONSTANT */
    uint8_t target;
    uint8_t how;
};
/* In the order of genai.def: a source's number is its rank. */
extern const struct source dialect_sources[];
uint32_t dialect_source_count(void);

enum vocabulary {
    WORDS_kind,
    WORDS_provider,
    WORDS_finish,
    WORDS_failure,
    WORDS_exception,
    WORDS_kind_ending
};
struct word {
    uint8_t vocabulary;
    const char *spelling;
    const char *word;
};
extern const struct word dialect_words[];
uint32_t dialect_word_count(void);

/* What is known about a name. */
struct place {
    uint16_t first;      /* its first source's number + 1; 0: none */
    uint16_t claim;      /* content_claim of it */
    bool has_members;    /* members of its value have sources */
    bool is_reserved;    /* means a member of ours in `attributes` */
    uint32_t follower;   /* the name behind it last time: most spans of a client look alike */
    uint64_t epoch;      /* the span that was seen to have this attribute */
    uint32_t index;      /* as which of its attributes */
    struct slice member; /* `"key":`, as it stands in JSON */
};

struct dialect {
    struct intern names; /* code -> places[code] */
    struct place *places;
    size_t places_capacity;
    uint32_t fixed;       /* names below this come from genai.def */
    uint16_t *next;       /* of a source: the next one of the same place + 1; 0: none */
    struct intern words;  /* vocabulary number and spelling */
    const char **word_of; /* by code */
    struct arena arena;
};
void dialect_init(struct dialect *d);
void dialect_deinit(struct dialect *d);
/* Forgets the names of attributes when there is no room for more; codes of places change. Between spans. */
void dialect_make_room(struct dialect *d);
/* The place of a span attribute, remembered when it is new; before: that of the one in front of it, or 0. 0: not
 * remembered; then *ret_place is what is known. */
uint32_t dialect_attribute(struct dialect *d, struct slice key, uint32_t before,
                           struct place *ret_place);
/* The place of a composed name ("resource x", "event y->z", "a->b"), NULL: genai.def has none. A number is tried as N. */
const struct place *dialect_find(struct dialect *d, struct slice name);
/* Our word for a spelling, NULL: not in the vocabulary. Case, '-', ' ' and surrounding quotes do not matter. */
const char *dialect_word(struct dialect *d, enum vocabulary vocabulary, struct slice spelling);

#endif
