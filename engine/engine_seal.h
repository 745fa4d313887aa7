/*
 * engine_seal.h - one seal under way, shared by engine_seal.c (order, manifest, swap) and engine_seal_write.c (files).
 */
#ifndef DRIFTLINE_ENGINE_SEAL_H
#define DRIFTLINE_ENGINE_SEAL_H

#include "engine/engine_internal.h"

/* A head being sealed. */
struct frozen {
    struct project *project;
    struct source *source;
    struct patch_set *patches; /* as folded in */
};

struct made_pack {
    struct project *project;
    struct manifest_pack meta;
};

/* The patch file of one project: amendments of spans in segments and of unknown spans. */
struct made_patch {
    struct project *project;
    struct manifest_patch meta; /* rows == 0: no new file */
    bool replaces;              /* all older patch files of the project go */
    uint32_t replaced_count;
    struct patch_file *replaced;
};

struct seal {
    struct engine *engine;
    struct arena arena;
    uint64_t up_to_seq;
    uint64_t fold_seq;
    struct frozen *frozen;
    size_t frozen_capacity;
    uint32_t frozen_count;
    struct source **created; /* opened segments */
    size_t created_capacity;
    uint32_t created_count;
    struct made_pack *packs;
    size_t pack_capacity;
    uint32_t pack_count;
    struct made_patch *patches;
    size_t patch_capacity;
    uint32_t patch_count;
    struct manifest_edit *edits;
    size_t edit_capacity;
    uint32_t edit_count;
    struct manifest_client *clients; /* as the edits save them */
    uint32_t client_count;
    struct carry *carries; /* one a project with sealed spans */
    uint32_t carry_count;
    bool told; /* the manifest commit was tried */
};

/* Writes the segments of the frozen heads, packs of the messages in memory and patch files of unfolded amendments. All durable on
 * return, nothing named by the manifest. After a failure packs are taken back; the other files are in *seal. */
MUST_CHECK enum status seal_write(struct seal *seal, struct error *reterr);

#endif
