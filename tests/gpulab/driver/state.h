/* What the stand-in's GPUs are, read from a file that a test rewrites (by rename, so never half-written).
 *
 * One thing a line, fields `key=value` separated by tabs, the first word says what it is:
 *   system   driver cuda init_error
 *   gpu      uuid name bus minor memory reserved base util temp power mig remap_failed remap_pending error hang
 *   slice    uuid parent profile gi ci cap memory slices
 *   process  device pid used util graphics ghost
 *   xid      seq device code
 *   link     a b level nvlinks
 *   fault    function device error hang
 * Memory is in MiB. Unknown words are errors of the test: the library says so on stderr and ends the process.
 */
#ifndef GPULAB_STATE_H
#define GPULAB_STATE_H

#define MAX_GPUS 64
#define MAX_SLICES 128
#define MAX_PROCESSES 1024
#define MAX_XIDS 256
#define MAX_LINKS 512
#define MAX_FAULTS 64
#define TEXT 96

typedef struct {
    char uuid[TEXT], name[TEXT], bus[32];
    int minor, util, temp, power, mig, remap_failed, remap_pending, error, hang;
    long long memory, reserved, base;
} Gpu;

typedef struct {
    char uuid[TEXT], parent[TEXT], profile[TEXT];
    int gi, ci, cap, slices;
    long long memory;
} Slice;

typedef struct {
    char device[TEXT];
    int pid, util, graphics, ghost;
    long long used;
} Process;

typedef struct {
    int seq, code;
    char device[TEXT];
} Xid;

typedef struct {
    char a[TEXT], b[TEXT];
    int level, nvlinks;
} Link;

typedef struct {
    char function[TEXT], device[TEXT];
    int error, hang;
} Fault;

typedef struct {
    char driver[TEXT];
    int cuda, init_error, inside; /* inside: read in a container, where only own devices are seen */
    int gpus, slices, processes, xids, links, faults;
    Gpu gpu[MAX_GPUS];
    Slice slice[MAX_SLICES];
    Process process[MAX_PROCESSES];
    Xid xid[MAX_XIDS];
    Link link[MAX_LINKS];
    Fault fault[MAX_FAULTS];
} State;

/* 0, or -1 where there is no state to read: as on a machine without a driver. */
int state_read(State *state);

/* Inside a container: whether the node is there and this process may open it; 0 yes, else errno. */
int node_problem(const char *path);

#endif
