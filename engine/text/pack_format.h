/*
 * pack_format.h - the numbers of FORMAT.md 6, shared by writer and reader.
 */
#ifndef DRIFTLINE_PACK_FORMAT_H
#define DRIFTLINE_PACK_FORMAT_H

#include <stdint.h>

#include "engine/base/limits.h"

/* On disk: never change without a new version. */
#define PACK_HEADER_MAGIC      0x314b434150544c44u /* "DLTPACK1" */
#define PACK_FOOTER_MAGIC      0x31444e4550544c44u /* "DLTPEND1" */
#define PACK_VERSION           1u
#define PACK_HEADER_BYTES      32u
#define PACK_FOOTER_BYTES      96u
#define PACK_BLOCK_ENTRY_BYTES 24u
#define PACK_RUN_BYTES         8u
#define PACK_ADDRESS_BYTES     16u
#define PACK_NO_REFERENCE      UINT32_MAX

#define PACK_MESSAGES_MAX    (1u << 26)
#define PACK_BLOCKS_MAX      (1u << 24)
#define PACK_BLOCK_BYTES     (256u << 10) /* raw bytes of a block of several messages */
#define PACK_REFERENCE_BYTES (512u << 10) /* of one that others are compressed against */
/* Raw bytes of any block: one message and its length. */
#define PACK_BLOCK_BYTES_MAX (MESSAGE_BYTES_MAX + 4u)
/* A message takes at least one byte, that of its length. */
#define PACK_BLOCK_MESSAGES_MAX PACK_REFERENCE_BYTES

/* Writer's choice, not format: blocks that share a reference. */
#define PACK_CHAPTER_BLOCKS 64u

/* Bits of one ordinal, 0 when there is only one message. */
static inline unsigned pack_ordinal_bits(uint64_t messages)
{
    unsigned bits = 0;
    while (messages > (uint64_t)1 << bits)
        bits++;
    return bits;
}

/* Bytes of all ordinals: padded to 8, and 8 zero bytes so that a 64-bit read at any of them stays
 * inside. */
static inline uint64_t pack_ordinal_bytes(uint64_t messages)
{
    return (messages * pack_ordinal_bits(messages) + 63) / 64 * 8 + 8;
}

#endif
