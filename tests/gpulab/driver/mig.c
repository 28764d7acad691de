/* Part of nvml.c: GPUs cut into slices. */

nvmlReturn_t nvmlDeviceGetMigMode(nvmlDevice_t device, unsigned int *current, unsigned int *pending) {
    ENTER(device);
    if (slice_named(uuid_of(device))) LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    *current = *pending = card_of(uuid_of(device))->mig;
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlDeviceGetMaxMigDeviceCount(nvmlDevice_t device, unsigned int *count) {
    ENTER(device);
    *count = card_of(uuid_of(device))->mig ? 7 : 0;
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlDeviceGetMigDeviceHandleByIndex(nvmlDevice_t device, unsigned int index, nvmlDevice_t *slice) {
    ENTER(device);
    for (int n = 0; n < state.slices; n++) {
        if (strcmp(state.slice[n].parent, uuid_of(device)) || !slice_seen(&state.slice[n])) continue;
        if (index--) continue;
        *slice = handle_of(state.slice[n].uuid);
        LEAVE(NVML_SUCCESS);
    }
    LEAVE(NVML_ERROR_NOT_FOUND);
}

nvmlReturn_t nvmlDeviceIsMigDeviceHandle(nvmlDevice_t device, unsigned int *is_slice) {
    ENTER(device);
    *is_slice = slice_named(uuid_of(device)) != NULL;
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlDeviceGetDeviceHandleFromMigDeviceHandle(nvmlDevice_t device, nvmlDevice_t *parent) {
    ENTER(device);
    Slice *slice = slice_named(uuid_of(device));
    if (!slice) LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    *parent = handle_of(slice->parent);
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlDeviceGetAttributes_v2(nvmlDevice_t device, nvmlDeviceAttributes_t *attributes) {
    ENTER(device);
    Slice *slice = slice_named(uuid_of(device));
    if (!slice) LEAVE(NVML_ERROR_NOT_SUPPORTED);
    memset(attributes, 0, sizeof *attributes);
    attributes->multiprocessorCount = 14 * slice->slices;
    attributes->gpuInstanceSliceCount = attributes->computeInstanceSliceCount = slice->slices;
    attributes->memorySizeMB = slice->memory;
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlDeviceGetGpuInstanceId(nvmlDevice_t device, unsigned int *id) {
    ENTER(device);
    Slice *slice = slice_named(uuid_of(device));
    if (!slice) LEAVE(NVML_ERROR_NOT_SUPPORTED);
    *id = slice->gi;
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlDeviceGetComputeInstanceId(nvmlDevice_t device, unsigned int *id) {
    ENTER(device);
    Slice *slice = slice_named(uuid_of(device));
    if (!slice) LEAVE(NVML_ERROR_NOT_SUPPORTED);
    *id = slice->ci;
    LEAVE(NVML_SUCCESS);
}
