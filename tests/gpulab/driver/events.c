/* Part of nvml.c: XIDs, the driver's reports of trouble. A set hears what happens after a device was registered. */

#define MAX_SETS 16
#define POLL_MS 20

typedef struct {
    int used, registered, heard; /* heard: the number of the last XID that was told */
    const char *device[MAX_GPUS];
} EventSet;
static EventSet event_sets[MAX_SETS];

nvmlReturn_t nvmlEventSetCreate(nvmlEventSet_t *set) {
    ENTER(NULL);
    for (int n = 0; n < MAX_SETS; n++)
        if (!event_sets[n].used) {
            memset(&event_sets[n], 0, sizeof event_sets[n]);
            event_sets[n].used = 1;
            for (int x = 0; x < state.xids; x++)
                if (state.xid[x].seq > event_sets[n].heard) event_sets[n].heard = state.xid[x].seq;
            *set = (nvmlEventSet_t)&event_sets[n];
            LEAVE(NVML_SUCCESS);
        }
    LEAVE(NVML_ERROR_INSUFFICIENT_RESOURCES);
}

nvmlReturn_t nvmlEventSetFree(nvmlEventSet_t set) {
    ENTER(NULL);
    ((EventSet *)set)->used = 0;
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlDeviceGetSupportedEventTypes(nvmlDevice_t device, unsigned long long *types) {
    ENTER(device);
    *types = nvmlEventTypeXidCriticalError;
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlDeviceRegisterEvents(nvmlDevice_t device, unsigned long long types, nvmlEventSet_t opaque) {
    ENTER(device);
    EventSet *set = (EventSet *)opaque;
    if (types & ~nvmlEventTypeXidCriticalError) LEAVE(NVML_ERROR_NOT_SUPPORTED);
    if (set->registered == MAX_GPUS) LEAVE(NVML_ERROR_INSUFFICIENT_RESOURCES);
    set->device[set->registered++] = uuid_of(device);
    LEAVE(NVML_SUCCESS);
}

/* The next XID of a registered device that this set has not told, or NULL. */
static Xid *next_xid(EventSet *set) {
    Xid *next = NULL;
    for (int x = 0; x < state.xids; x++) {
        Xid *xid = &state.xid[x];
        if (xid->seq <= set->heard || (next && xid->seq >= next->seq)) continue;
        for (int n = 0; n < set->registered; n++)
            if (!strcmp(set->device[n], xid->device)) next = xid;
    }
    return next;
}

nvmlReturn_t nvmlEventSetWait_v2(nvmlEventSet_t opaque, nvmlEventData_t *data, unsigned int timeout_ms) {
    EventSet *set = (EventSet *)opaque;
    for (unsigned int waited = 0;; waited += POLL_MS) {
        ENTER(NULL);
        Xid *xid = next_xid(set);
        if (xid) {
            set->heard = xid->seq;
            memset(data, 0, sizeof *data);
            data->device = handle_of(xid->device);
            data->eventType = nvmlEventTypeXidCriticalError;
            data->eventData = xid->code;
            data->gpuInstanceId = data->computeInstanceId = ~0U;
            LEAVE(NVML_SUCCESS);
        }
        pthread_mutex_unlock(&lock);
        if (waited >= timeout_ms) return NVML_ERROR_TIMEOUT;
        pause_ms(POLL_MS);
    }
}
