/*
 * replay.c - runs a fuzz target over the files of its corpus, without a fuzzer.
 *
 * Arguments are directories (or files); -flags of libFuzzer are ignored. The empty input always
 * runs. Finding no file at all is a failure: a corpus that went missing must not look like success.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define INPUT_BYTES_MAX (64u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The input lies in memory of exactly its size, so that a sanitizer sees reads past its end. */
static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct stat info;
    uint8_t *bytes = NULL;
    int failed = 1;
    if (file == NULL || fstat(fileno(file), &info) != 0 || info.st_size > INPUT_BYTES_MAX)
        goto out;
    size_t size = (size_t)info.st_size;
    bytes = malloc(size == 0 ? 1 : size);
    if (bytes == NULL || fread(bytes, 1, size, file) != size)
        goto out;
    (void)LLVMFuzzerTestOneInput(bytes, size);
    failed = 0;
out:
    if (failed)
        (void)fprintf(stderr, "replay: %s can't be read\n", path);
    free(bytes);
    if (file != NULL)
        (void)fclose(file);
    return failed;
}

/* Adds the number of files replayed to *count. */
static int replay_path(const char *path, unsigned *count)
{
    struct stat info;
    if (stat(path, &info) != 0) {
        (void)fprintf(stderr, "replay: there is no %s\n", path);
        return 1;
    }
    if (!S_ISDIR(info.st_mode)) {
        (*count)++;
        return replay_file(path);
    }
    DIR *dir = opendir(path);
    int failed = dir == NULL;
    const struct dirent *entry;
    while (!failed && (entry = readdir(dir)) != NULL) {
        char inner[4096];
        if (entry->d_name[0] == '.')
            continue;
        int size = snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
        failed = size < 0 || (size_t)size >= sizeof inner || replay_path(inner, count) != 0;
    }
    if (dir != NULL)
        (void)closedir(dir);
    return failed;
}

int main(int argc, char **argv)
{
    unsigned count = 0;
    (void)LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] != '-' && replay_path(argv[i], &count) != 0)
            return 1;
    }
    if (count == 0) {
        (void)fprintf(stderr, "replay: no inputs\n");
        return 1;
    }
    (void)printf("replayed %u inputs\n", count);
    return 0;
}
