/* Part of nvml.c: memory, utilisation, temperature, processes, health, links. */

static int alive(const Process *process) {
    if (process->ghost || state.inside) return 1; /* in a container the machine's pids mean nothing */
    return !kill(process->pid, 0) || errno == EPERM; /* a dead process holds nothing */
}

/* Whether it uses `uuid`: a slice's processes are its card's too. */
static int uses(const Process *process, const char *uuid) {
    Slice *slice = slice_named(process->device);
    return alive(process) && (!strcmp(process->device, uuid) || (slice && !strcmp(slice->parent, uuid)));
}

static long long used_by_processes(const char *uuid) {
    long long sum = 0;
    for (int n = 0; n < state.processes; n++)
        if (uses(&state.process[n], uuid) && state.process[n].used > 0) sum += state.process[n].used;
    return sum;
}

static void memory_of(nvmlDevice_t device, long long *total, long long *reserved, long long *used) {
    Slice *slice = slice_named(uuid_of(device));
    Gpu *gpu = card_of(uuid_of(device));
    *total = slice ? slice->memory : gpu->memory;
    *reserved = slice ? 0 : gpu->reserved;
    *used = *reserved + (slice ? 0 : gpu->base) + used_by_processes(uuid_of(device));
    if (*used > *total) *used = *total;
}

nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t *memory) {
    ENTER(device);
    long long total, reserved, used;
    memory_of(device, &total, &reserved, &used);
    memory->total = total * MIB, memory->used = used * MIB, memory->free = (total - used) * MIB;
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t device, nvmlMemory_v2_t *memory) {
    ENTER(device);
    if (memory->version != nvmlMemory_v2) LEAVE((nvmlReturn_t)25); /* argument version mismatch */
    long long total, reserved, used;
    memory_of(device, &total, &reserved, &used);
    memory->total = total * MIB, memory->reserved = reserved * MIB;
    memory->used = used * MIB, memory->free = (total - used) * MIB;
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t device, nvmlUtilization_t *rates) {
    ENTER(device);
    Gpu *gpu = gpu_named(uuid_of(device));
    if (!gpu || gpu->mig) LEAVE(NVML_ERROR_NOT_SUPPORTED); /* neither slices nor the card that they are cut from */
    int sum = 0;
    for (int n = 0; n < state.processes; n++)
        if (uses(&state.process[n], gpu->uuid)) sum += state.process[n].util;
    rates->gpu = gpu->util >= 0 ? gpu->util : sum > 100 ? 100 : sum;
    rates->memory = rates->gpu / 2;
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlDeviceGetTemperature(nvmlDevice_t device, nvmlTemperatureSensors_t sensor, unsigned int *degrees) {
    ENTER(device);
    if (sensor != NVML_TEMPERATURE_GPU) LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    *degrees = card_of(uuid_of(device))->temp;
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlDeviceGetPowerUsage(nvmlDevice_t device, unsigned int *milliwatts) {
    ENTER(device);
    *milliwatts = card_of(uuid_of(device))->power * 1000;
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlDeviceGetRemappedRows(nvmlDevice_t device, unsigned int *correctable, unsigned int *uncorrectable,
                                       unsigned int *pending, unsigned int *failed) {
    ENTER(device);
    Gpu *gpu = card_of(uuid_of(device));
    *correctable = 0, *uncorrectable = gpu->remap_failed || gpu->remap_pending;
    *pending = gpu->remap_pending, *failed = gpu->remap_failed;
    LEAVE(NVML_SUCCESS);
}

/* processes: the same rows in the three layouts that drivers have had; a container sees none, having its own pids */

#define PROCESSES(name, row, graphics_wanted, more)                                                       \
    nvmlReturn_t name(nvmlDevice_t device, unsigned int *count, row *rows) {                              \
        ENTER(device);                                                                                    \
        unsigned int room = *count, found = 0;                                                            \
        for (int n = 0; n < state.processes && !state.inside; n++) {                                      \
            Process *process = &state.process[n];                                                         \
            if (process->graphics != graphics_wanted || !uses(process, uuid_of(device))) continue;        \
            if (rows && found < room) {                                                                   \
                rows[found].pid = process->pid;                                                           \
                rows[found].usedGpuMemory = process->used < 0 ? ~0ULL : process->used * MIB;              \
                more                                                                                      \
            }                                                                                             \
            found++;                                                                                      \
        }                                                                                                 \
        *count = found;                                                                                   \
        LEAVE(found > room ? NVML_ERROR_INSUFFICIENT_SIZE : NVML_SUCCESS);                                \
    }
#define INSTANCES                                                                                         \
    Slice *slice = slice_named(process->device);                                                          \
    rows[found].gpuInstanceId = slice ? (unsigned int)slice->gi : ~0U;                                    \
    rows[found].computeInstanceId = slice ? (unsigned int)slice->ci : ~0U;

PROCESSES(nvmlDeviceGetComputeRunningProcesses, nvmlProcessInfo_v1_t, 0, )
PROCESSES(nvmlDeviceGetComputeRunningProcesses_v2, nvmlProcessInfo_v2_t, 0, INSTANCES)
PROCESSES(nvmlDeviceGetComputeRunningProcesses_v3, nvmlProcessInfo_t, 0, INSTANCES)
PROCESSES(nvmlDeviceGetGraphicsRunningProcesses, nvmlProcessInfo_v1_t, 1, )
PROCESSES(nvmlDeviceGetGraphicsRunningProcesses_v2, nvmlProcessInfo_v2_t, 1, INSTANCES)
PROCESSES(nvmlDeviceGetGraphicsRunningProcesses_v3, nvmlProcessInfo_t, 1, INSTANCES)

/* how two cards are connected */

static Link *link_between(const char *one, const char *other) {
    for (int n = 0; n < state.links; n++) {
        Link *link = &state.link[n];
        if (!strcmp(link->a, one) && !strcmp(link->b, other)) return link;
        if (!strcmp(link->a, other) && !strcmp(link->b, one)) return link;
    }
    return NULL;
}

nvmlReturn_t nvmlDeviceGetTopologyCommonAncestor(nvmlDevice_t one, nvmlDevice_t other, nvmlGpuTopologyLevel_t *level) {
    ENTER(one);
    Link *link = link_between(uuid_of(one), uuid_of(other));
    *level = link ? (nvmlGpuTopologyLevel_t)link->level : NVML_TOPOLOGY_SYSTEM;
    LEAVE(NVML_SUCCESS);
}

/* The card at the far end of NVLink number `lane`: its links are numbered in the order of the file. */
static Gpu *far_end(const char *uuid, unsigned int lane) {
    for (int n = 0; n < state.links; n++) {
        Link *link = &state.link[n];
        int first = !strcmp(link->a, uuid), second = !strcmp(link->b, uuid);
        if (!first && !second) continue;
        if (lane < (unsigned int)link->nvlinks) return gpu_named(first ? link->b : link->a);
        lane -= link->nvlinks;
    }
    return NULL;
}

nvmlReturn_t nvmlDeviceGetNvLinkState(nvmlDevice_t device, unsigned int lane, nvmlEnableState_t *active) {
    ENTER(device);
    if (lane >= NVML_NVLINK_MAX_LINKS) LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    *active = far_end(uuid_of(device), lane) ? NVML_FEATURE_ENABLED : NVML_FEATURE_DISABLED;
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlDeviceGetNvLinkRemotePciInfo_v2(nvmlDevice_t device, unsigned int lane, nvmlPciInfo_t *pci) {
    ENTER(device);
    Gpu *far = far_end(uuid_of(device), lane);
    if (!far) LEAVE(NVML_ERROR_NOT_SUPPORTED);
    memset(pci, 0, sizeof *pci);
    snprintf(pci->busId, sizeof pci->busId, "%s", far->bus);
    LEAVE(NVML_SUCCESS);
}
