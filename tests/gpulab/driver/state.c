#define _GNU_SOURCE /* strsep */
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SIZE_LIMIT (1 << 20)
#define INSIDE "/run/gpulab/gpus" /* where the hook's stand-in mounts it in a container */

static void bad(const char *what, const char *line) {
    fprintf(stderr, "gpulab: %s: %s\n", what, line);
    _exit(70);
}

/* The value of `key` among the fields, or NULL. */
static const char *field(char **fields, const char *key) {
    size_t length = strlen(key);
    for (; *fields; fields++)
        if (!strncmp(*fields, key, length) && (*fields)[length] == '=') return *fields + length + 1;
    return NULL;
}

static long long number(char **fields, const char *key, long long missing) {
    const char *value = field(fields, key);
    char *end;
    if (!value || !*value) return missing;
    long long parsed = strtoll(value, &end, 10);
    if (*end) bad("not a number", value);
    return parsed;
}

static void text(char **fields, const char *key, char *into, size_t size) {
    const char *value = field(fields, key);
    snprintf(into, size, "%s", value ? value : "");
}

#define TEXT_FIELD(key, into) text(fields, key, into, sizeof into)
#define NEXT(array, count, limit) (count < limit ? &array[count++] : (bad("too many", line), (void *)0))

static void read_gpu(State *s, char **fields, const char *line) {
    Gpu *gpu = NEXT(s->gpu, s->gpus, MAX_GPUS);
    TEXT_FIELD("uuid", gpu->uuid);
    TEXT_FIELD("name", gpu->name);
    TEXT_FIELD("bus", gpu->bus);
    gpu->minor = number(fields, "minor", s->gpus - 1);
    gpu->memory = number(fields, "memory", 40960);
    gpu->reserved = number(fields, "reserved", 0);
    gpu->base = number(fields, "base", 0);
    gpu->util = number(fields, "util", -1); /* -1: what its processes add up to */
    gpu->temp = number(fields, "temp", 35);
    gpu->power = number(fields, "power", 50);
    gpu->mig = number(fields, "mig", 0);
    gpu->remap_failed = number(fields, "remap_failed", 0);
    gpu->remap_pending = number(fields, "remap_pending", 0);
    gpu->error = number(fields, "error", 0);
    gpu->hang = number(fields, "hang", 0);
}

static void read_slice(State *s, char **fields, const char *line) {
    Slice *slice = NEXT(s->slice, s->slices, MAX_SLICES);
    TEXT_FIELD("uuid", slice->uuid);
    TEXT_FIELD("parent", slice->parent);
    TEXT_FIELD("profile", slice->profile);
    slice->gi = number(fields, "gi", 1);
    slice->ci = number(fields, "ci", 0);
    slice->cap = number(fields, "cap", 0);
    slice->memory = number(fields, "memory", 4864);
    slice->slices = number(fields, "slices", 1);
}

static void read_process(State *s, char **fields, const char *line) {
    Process *process = NEXT(s->process, s->processes, MAX_PROCESSES);
    TEXT_FIELD("device", process->device);
    process->pid = number(fields, "pid", 0);
    process->used = number(fields, "used", 0); /* -1: the driver does not say */
    process->util = number(fields, "util", 0);
    process->graphics = number(fields, "graphics", 0);
    process->ghost = number(fields, "ghost", 0); /* 1: still listed when its process is long gone */
}

static void read_line(State *s, char *line) {
    char *fields[32] = {0}, *rest = line, *word = strsep(&rest, "\t");
    for (int n = 0; rest && n < 31; n++) fields[n] = strsep(&rest, "\t");
    char **all = fields;
    if (!strcmp(word, "gpu")) read_gpu(s, all, line);
    else if (!strcmp(word, "slice")) read_slice(s, all, line);
    else if (!strcmp(word, "process")) read_process(s, all, line);
    else if (!strcmp(word, "system")) {
        text(all, "driver", s->driver, sizeof s->driver);
        s->cuda = number(all, "cuda", 12020);
        s->init_error = number(all, "init_error", 0);
    } else if (!strcmp(word, "xid")) {
        Xid *xid = NEXT(s->xid, s->xids, MAX_XIDS);
        xid->seq = number(all, "seq", 0), xid->code = number(all, "code", 0);
        text(all, "device", xid->device, sizeof xid->device);
    } else if (!strcmp(word, "link")) {
        Link *link = NEXT(s->link, s->links, MAX_LINKS);
        text(all, "a", link->a, sizeof link->a), text(all, "b", link->b, sizeof link->b);
        link->level = number(all, "level", 50), link->nvlinks = number(all, "nvlinks", 0);
    } else if (!strcmp(word, "fault")) {
        Fault *fault = NEXT(s->fault, s->faults, MAX_FAULTS);
        text(all, "function", fault->function, sizeof fault->function);
        text(all, "device", fault->device, sizeof fault->device);
        fault->error = number(all, "error", 0), fault->hang = number(all, "hang", 0);
    } else bad("no such word in the state file", word);
}

int state_read(State *state) {
    static char content[SIZE_LIMIT];
    const char *path = getenv("GPULAB_STATE");
    memset(state, 0, sizeof *state);
    if (!path) path = INSIDE, state->inside = 1;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return -1;
    ssize_t size = 0, got;
    while (size < SIZE_LIMIT - 1 && (got = read(file, content + size, SIZE_LIMIT - 1 - size)) > 0) size += got;
    close(file);
    content[size] = 0;
    for (char *rest = content, *line; (line = strsep(&rest, "\n"));)
        if (*line) read_line(state, line);
    return 0;
}

int node_problem(const char *path) {
    int node = open(path, O_RDWR | O_CLOEXEC);
    if (node >= 0) return close(node), 0;
    return errno == ENXIO ? 0 : errno; /* ENXIO: allowed to, but there is no driver behind the number here */
}
