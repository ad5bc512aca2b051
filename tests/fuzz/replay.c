/* Runs files of a corpus, and the files of folders, through a fuzz target: what CI does with every
 * input that a fuzzer ever found. Each input lies in a block of its exact size, so that the
 * sanitizer sees a read past its end. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Up to this size every prefix of an input is one more input. */
#define PREFIX_MAX   512
#define INPUT_MAX    ((size_t)1 << 20)
#define NAME_MAX_LEN 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void run(const uint8_t *data, size_t len)
{
    uint8_t *copy = malloc(len ? len : 1);

    if (!copy)
        abort();
    memcpy(copy, data, len);
    LLVMFuzzerTestOneInput(copy, len);
    free(copy);
}

/* Returns how many inputs were run, 0 when the file cannot be read. */
static size_t run_file(const char *path)
{
    uint8_t *data = malloc(INPUT_MAX);
    FILE *file = fopen(path, "rb");
    size_t len, runs = 0;

    if (!data || !file) {
        perror(path);
        free(data);
        return 0;
    }
    len = fread(data, 1, INPUT_MAX, file);
    fclose(file);
    for (size_t cut = len <= PREFIX_MAX ? 0 : len; cut <= len; cut++, runs++)
        run(data, cut);
    free(data);
    return runs;
}

static size_t run_folder(const char *path)
{
    DIR *folder = opendir(path);
    struct dirent *entry;
    size_t runs = 0;

    if (!folder) {
        perror(path);
        return 0;
    }
    while ((entry = readdir(folder))) {
        char name[NAME_MAX_LEN];

        if (entry->d_name[0] == '.')
            continue;
        snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
        runs += run_file(name);
    }
    closedir(folder);
    return runs;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        struct stat st;
        size_t runs;

        if (stat(argv[i], &st) < 0) {
            perror(argv[i]);
            return 1;
        }
        runs = S_ISDIR(st.st_mode) ? run_folder(argv[i]) : run_file(argv[i]);
        printf("%s: %zu inputs\n", argv[i], runs);
        if (runs == 0)
            return 1;
    }
    return argc > 1 ? 0 : 1;
}
