/*
 * fuzz_manifest.c - manifest files and CURRENT from hostile bytes.
 *
 * The input is read three ways: as a file as it is, as CURRENT, and as payloads ("bytes" each) that
 * get the headers and checksums of a well-formed file, so that the edits inside are reached.
 */
#include <stdlib.h>

#include "engine/base/cursor.h"
#include "engine/base/hash.h"
#include "engine/manifest/manifest_log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PATH "manifest/0000000007"

static void require(bool fact)
{
    if (!fact)
        abort();
}

/* What was accepted must survive being written again. */
static void replay(struct slice file)
{
    struct manifest_state state;
    struct manifest_state again;
    struct manifest_replay info;
    struct error e = {0};
    struct buffer first = {0};
    struct buffer second = {0};
    manifest_state_init(&state);
    manifest_state_init(&again);
    enum status s = manifest_replay(file, 7, PATH, &state, &info, &e);
    if (s == STATUS_OK) {
        require(info.end + info.torn == file.size);
        manifest_snapshot_encode(7, &state, &first);
        require(manifest_replay(buffer_slice(&first), 7, PATH, &again, &info, &e) == STATUS_OK);
        manifest_snapshot_encode(7, &again, &second);
        require(slice_equal(buffer_slice(&first), buffer_slice(&second)));
    } else {
        require(s == STATUS_CORRUPT);
        require(e.position >= 0 && (uint64_t)e.position <= file.size);
    }
    buffer_deinit(&first);
    buffer_deinit(&second);
    manifest_state_deinit(&state);
    manifest_state_deinit(&again);
}

static void record_sign(struct slice payload, struct buffer *file)
{
    size_t start = file->size;
    put_u32(file, MANIFEST_RECORD_MAGIC);
    put_u32(file, (uint32_t)payload.size);
    put_u64(file, 7);
    put_u64(file, start);
    buffer_add_slice(file, payload);
    put_u64(file, hash64(slice_of(file->data + start, file->size - start)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = slice_of(data, size);
    struct cursor c = cursor_over(input);
    struct buffer file = {0};
    uint64_t number;
    replay(input);
    if (manifest_current_decode(input, &number, NULL) == STATUS_OK) {
        struct buffer again = {0};
        manifest_current_encode(number, &again);
        require(slice_equal(buffer_slice(&again), input));
        buffer_deinit(&again);
    }
    while (cursor_left(&c) > 0) {
        struct slice payload = cursor_bytes(&c);
        if (!c.failed)
            record_sign(payload, &file);
    }
    if (file.size > 0)
        replay(buffer_slice(&file));
    buffer_deinit(&file);
    return 0;
}
