/* nvidia-smi's two most used answers, from the stand-in's calls: the table, and `-L`. For people in a terminal. */
#define NVML_NO_UNVERSIONED_FUNC_DEFS
#include <nvml.h>
#include <stdio.h>
#include <string.h>

static void list(nvmlDevice_t device, unsigned int index, int short_form) {
    char name[96] = "", uuid[96] = "";
    nvmlUtilization_t rates = {0, 0};
    nvmlMemory_t memory = {0, 0, 0};
    unsigned int degrees = 0;
    nvmlReturn_t result = nvmlDeviceGetName(device, name, sizeof name);
    nvmlDeviceGetUUID(device, uuid, sizeof uuid);
    if (result != NVML_SUCCESS) {
        printf("GPU %u: %s (UUID: %s)\n", index, nvmlErrorString(result), uuid);
    } else if (short_form) {
        printf("GPU %u: %s (UUID: %s)\n", index, name, uuid);
    } else {
        nvmlDeviceGetMemoryInfo(device, &memory);
        nvmlDeviceGetTemperature(device, NVML_TEMPERATURE_GPU, &degrees);
        int has_rates = nvmlDeviceGetUtilizationRates(device, &rates) == NVML_SUCCESS;
        printf("| %2u  %-30.30s %3u C  %6llu / %6llu MiB  ", index, name, degrees, memory.used >> 20, memory.total >> 20);
        printf(has_rates ? "%3u %% |\n" : "  N/A |\n", rates.gpu);
    }
    nvmlDevice_t slice;
    for (unsigned int n = 0; nvmlDeviceGetMigDeviceHandleByIndex(device, n, &slice) == NVML_SUCCESS; n++) {
        nvmlDeviceGetName(slice, name, sizeof name);
        nvmlDeviceGetUUID(slice, uuid, sizeof uuid);
        const char *profile = strstr(name, "MIG ");
        printf(short_form ? "  %s Device %u: (UUID: %s)\n" : "|     %-30s %u  %s |\n", profile ? profile : name, n, uuid);
    }
}

int main(int count, char **words) {
    int short_form = count > 1 && !strcmp(words[1], "-L");
    char version[96];
    unsigned int devices = 0;
    nvmlReturn_t result = nvmlInitWithFlags(0);
    if (result != NVML_SUCCESS) {
        printf("Failed to initialize NVML: %s\n", nvmlErrorString(result));
        return 255;
    }
    nvmlSystemGetDriverVersion(version, sizeof version);
    nvmlDeviceGetCount_v2(&devices);
    if (!short_form) printf("| NVIDIA-SMI (gpulab: these GPUs are not real)   Driver Version: %s |\n", version);
    if (!devices) printf("No devices were found\n");
    for (unsigned int n = 0; n < devices; n++) {
        nvmlDevice_t device;
        if (nvmlDeviceGetHandleByIndex_v2(n, &device) == NVML_SUCCESS) list(device, n, short_form);
        else printf("Unable to determine the device handle for GPU %u\n", n);
    }
    return 0;
}
