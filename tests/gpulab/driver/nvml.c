/* libnvidia-ml.so.1 for machines without a GPU: the calls that this project makes, against NVIDIA's own nvml.h.
 *
 * Each call reads the state file anew. A handle is the address of an interned UUID, so it stays good over any
 * rewriting, and a device that is gone from the file is lost (15), as one that fell off the bus is. In a container
 * only devices whose /dev/nvidiaN may be opened are seen, as with the real one.
 */
#define _GNU_SOURCE /* strsep, pthread_mutex_t */
#define NVML_NO_UNVERSIONED_FUNC_DEFS /* so that old names can be defined beside their successors */
#include <nvml.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "state.h"

#define MIB 1048576ULL
#define MAX_HANDLES 256

typedef struct { char uuid[TEXT]; } Handle;
static Handle handles[MAX_HANDLES];
static State state; /* as of the call under way; guarded by `lock` */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int initialised;

static void pause_ms(int ms) {
    struct timespec time = {ms / 1000, (ms % 1000) * 1000000L};
    nanosleep(&time, NULL);
}

static nvmlDevice_t handle_of(const char *uuid) {
    for (int n = 0; n < MAX_HANDLES; n++) {
        if (!handles[n].uuid[0]) snprintf(handles[n].uuid, TEXT, "%s", uuid);
        if (!strcmp(handles[n].uuid, uuid)) return (nvmlDevice_t)&handles[n];
    }
    return NULL;
}

static const char *uuid_of(nvmlDevice_t device) { return device ? ((Handle *)device)->uuid : ""; }

static Gpu *gpu_named(const char *uuid) {
    for (int n = 0; n < state.gpus; n++)
        if (!strcmp(state.gpu[n].uuid, uuid)) return &state.gpu[n];
    return NULL;
}

static Slice *slice_named(const char *uuid) {
    for (int n = 0; n < state.slices; n++)
        if (!strcmp(state.slice[n].uuid, uuid)) return &state.slice[n];
    return NULL;
}

/* The card itself, also for a slice of it. */
static Gpu *card_of(const char *uuid) {
    Slice *slice = slice_named(uuid);
    return gpu_named(slice ? slice->parent : uuid);
}

static int seen(const Gpu *gpu) {
    char path[64];
    snprintf(path, sizeof path, "/dev/nvidia%d", gpu->minor);
    return !state.inside || !node_problem(path);
}

static int slice_seen(const Slice *slice) {
    char path[64];
    snprintf(path, sizeof path, "/dev/nvidia-caps/nvidia-cap%d", slice->cap);
    return !state.inside || !node_problem(path);
}

/* What a test wants this call to do: an error code, 0, or -1 to hang. */
static int fault_of(const char *function, const char *uuid) {
    Gpu *card = card_of(uuid);
    if (card && card->hang) return -1;
    for (int n = 0; n < state.faults; n++) {
        Fault *fault = &state.fault[n];
        int this_function = !strcmp(fault->function, "*") || !strcmp(fault->function, function);
        int this_device = !strcmp(fault->device, "*") || !strcmp(fault->device, uuid);
        if (this_function && this_device) return fault->hang ? -1 : fault->error;
    }
    return card ? card->error : 0;
}

/* Read the state; the answer is what the call has to return at once unless it is NVML_SUCCESS. Holds the lock. */
static nvmlReturn_t enter(const char *function, nvmlDevice_t device) {
    for (;;) {
        pthread_mutex_lock(&lock);
        if (!initialised && strncmp(function, "nvmlInit", 8)) return NVML_ERROR_UNINITIALIZED;
        if (state_read(&state)) return NVML_ERROR_DRIVER_NOT_LOADED;
        int wanted = fault_of(function, uuid_of(device));
        if (wanted >= 0) {
            if (wanted) return (nvmlReturn_t)wanted;
            return device && !card_of(uuid_of(device)) ? NVML_ERROR_GPU_IS_LOST : NVML_SUCCESS;
        }
        pthread_mutex_unlock(&lock); /* a dying card: the call comes back when it pleases, here: when healed */
        pause_ms(20);
    }
}

#define ENTER(device)                                                                  \
    nvmlReturn_t entered = enter(__func__, device);                                    \
    if (entered != NVML_SUCCESS) return pthread_mutex_unlock(&lock), entered;          \
    (void)0
#define LEAVE(result) return pthread_mutex_unlock(&lock), (result)

static nvmlReturn_t give_text(char *into, unsigned int size, const char *text) {
    if (strlen(text) >= size) return NVML_ERROR_INSUFFICIENT_SIZE;
    strcpy(into, text);
    return NVML_SUCCESS;
}

/* start and end */

nvmlReturn_t nvmlInitWithFlags(unsigned int flags) {
    (void)flags;
    ENTER(NULL);
    if (state.init_error) LEAVE((nvmlReturn_t)state.init_error);
    int found = node_problem("/dev/nvidiactl");
    if (state.inside && found) /* what users see after a daemon-reload: "Failed to initialize NVML: Unknown Error" */
        LEAVE(found == EPERM || found == EACCES ? NVML_ERROR_UNKNOWN : NVML_ERROR_DRIVER_NOT_LOADED);
    initialised++;
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlInit_v2(void) { return nvmlInitWithFlags(0); }

nvmlReturn_t nvmlShutdown(void) {
    ENTER(NULL);
    initialised--;
    LEAVE(NVML_SUCCESS);
}

const char *nvmlErrorString(nvmlReturn_t result) {
    switch ((int)result) {
    case 0: return "Success";
    case 1: return "Uninitialized";
    case 2: return "Invalid Argument";
    case 3: return "Not Supported";
    case 6: return "Not Found";
    case 7: return "Insufficient Size";
    case 9: return "Driver Not Loaded";
    case 10: return "Timeout";
    case 13: return "Function Not Found";
    case 15: return "GPU is lost";
    case 16: return "GPU requires reset";
    case 18: return "Driver/library version mismatch";
    default: return "Unknown Error";
    }
}

/* the machine */

nvmlReturn_t nvmlSystemGetDriverVersion(char *version, unsigned int length) {
    ENTER(NULL);
    LEAVE(give_text(version, length, state.driver));
}

nvmlReturn_t nvmlSystemGetNVMLVersion(char *version, unsigned int length) {
    ENTER(NULL);
    char text[TEXT + 8];
    snprintf(text, sizeof text, "12.%s", state.driver);
    LEAVE(give_text(version, length, text));
}

nvmlReturn_t nvmlSystemGetCudaDriverVersion(int *version) {
    ENTER(NULL);
    *version = state.cuda;
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlSystemGetCudaDriverVersion_v2(int *version) {
    ENTER(NULL);
    *version = state.cuda;
    LEAVE(NVML_SUCCESS);
}

/* finding devices */

nvmlReturn_t nvmlDeviceGetCount_v2(unsigned int *count) {
    ENTER(NULL);
    *count = 0;
    for (int n = 0; n < state.gpus; n++) *count += seen(&state.gpu[n]);
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned int index, nvmlDevice_t *device) {
    ENTER(NULL);
    for (int n = 0; n < state.gpus; n++)
        if (seen(&state.gpu[n]) && !index--) {
            *device = handle_of(state.gpu[n].uuid);
            LEAVE(state.gpu[n].error == NVML_ERROR_GPU_IS_LOST ? NVML_ERROR_GPU_IS_LOST : NVML_SUCCESS);
        }
    LEAVE(NVML_ERROR_INVALID_ARGUMENT);
}

nvmlReturn_t nvmlDeviceGetHandleByUUID(const char *uuid, nvmlDevice_t *device) {
    ENTER(NULL);
    Gpu *gpu = gpu_named(uuid);
    Slice *slice = slice_named(uuid);
    if (!(gpu && seen(gpu)) && !(slice && slice_seen(slice))) LEAVE(NVML_ERROR_NOT_FOUND);
    *device = handle_of(uuid);
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlDeviceGetHandleByPciBusId_v2(const char *bus, nvmlDevice_t *device) {
    ENTER(NULL);
    for (int n = 0; n < state.gpus; n++)
        if (!strcasecmp(state.gpu[n].bus, bus) && seen(&state.gpu[n])) {
            *device = handle_of(state.gpu[n].uuid);
            LEAVE(NVML_SUCCESS);
        }
    LEAVE(NVML_ERROR_NOT_FOUND);
}

/* what a device is */

nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t device, char *name, unsigned int length) {
    ENTER(device);
    Slice *slice = slice_named(uuid_of(device));
    char text[2 * TEXT + 8];
    snprintf(text, sizeof text, slice ? "%s MIG %s" : "%s", card_of(uuid_of(device))->name, slice ? slice->profile : "");
    LEAVE(give_text(name, length, text));
}

nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t device, char *uuid, unsigned int length) {
    ENTER(device);
    LEAVE(give_text(uuid, length, uuid_of(device)));
}

nvmlReturn_t nvmlDeviceGetIndex(nvmlDevice_t device, unsigned int *index) {
    ENTER(device);
    *index = 0;
    for (int n = 0; &state.gpu[n] != card_of(uuid_of(device)); n++) *index += seen(&state.gpu[n]);
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlDeviceGetMinorNumber(nvmlDevice_t device, unsigned int *minor) {
    ENTER(device);
    if (slice_named(uuid_of(device))) LEAVE(NVML_ERROR_NOT_SUPPORTED);
    *minor = card_of(uuid_of(device))->minor;
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlDeviceGetPciInfo_v3(nvmlDevice_t device, nvmlPciInfo_t *pci) {
    ENTER(device);
    memset(pci, 0, sizeof *pci);
    Gpu *gpu = card_of(uuid_of(device));
    snprintf(pci->busId, sizeof pci->busId, "%s", gpu->bus);
    snprintf(pci->busIdLegacy, sizeof pci->busIdLegacy, "%s", gpu->bus + 4);
    sscanf(gpu->bus, "%x:%x:%x", &pci->domain, &pci->bus, &pci->device);
    LEAVE(NVML_SUCCESS);
}

#include "memory.c"
#include "mig.c"
#include "events.c"
