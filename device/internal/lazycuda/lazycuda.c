//go:build cuda && cgo && linux

/* Every entry point of cuda_api.def, each calling its namesake in libcuda.so.1. That library is opened by the first of these
 * calls and not when the program starts, which so needs no driver: where there is none, every call returns an error. An entry
 * point that the installed driver is too old to have returns CUDA_ERROR_NOT_FOUND. */

#include "lazycuda.h"
#include "cuda.h"
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

static void *driver;
static CUresult status = CUDA_ERROR_NO_DEVICE;
static char reason[512];

static void open_driver(void) {
    /* The second and third are where Windows' Linux and some containers keep it without telling the loader. */
    static const char *const names[] = {"libcuda.so.1", "/usr/lib/wsl/lib/libcuda.so.1", "/usr/local/nvidia/lib64/libcuda.so.1"};
    for (size_t i = 0; !driver && i < sizeof names / sizeof *names; i++) {
        driver = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
        if (!driver && i == 0) snprintf(reason, sizeof reason, "no NVIDIA driver: %s", dlerror());
    }
    if (!driver) return;
    CUresult (*init)(unsigned int) = (CUresult(*)(unsigned int))dlsym(driver, "cuInit");
    if (!init) {
        snprintf(reason, sizeof reason, "libcuda.so.1 is no NVIDIA driver: it has no cuInit");
        return;
    }
    status = init(0);
    if (status == CUDA_SUCCESS) return;
    CUresult (*text)(CUresult, const char **) = (CUresult(*)(CUresult, const char **))dlsym(driver, "cuGetErrorString");
    const char *s = NULL;
    if (!text || text(status, &s) != CUDA_SUCCESS || !s) s = "unknown error";
    snprintf(reason, sizeof reason, "the NVIDIA driver does not start: cuInit: %s (error %d)", s, (int)status);
}

int lazycuda_open(const char **why) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, open_driver);
    if (why) *why = reason;
    return status;
}

static CUresult find(const char *symbol, void **f) {
    CUresult r = lazycuda_open(NULL);
    if (r != CUDA_SUCCESS) return r;
    *f = dlsym(driver, symbol);
    return *f ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}

/* gorgonia.org/cu calls this before main and ends the process if it fails. The driver's own is called by open_driver. */
CUresult cuInit(unsigned int flags) { return flags == 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE; }

#define CU(NAME, VERSION, PARAMETERS, ARGUMENTS)                          \
    CUresult NAME PARAMETERS {                                            \
        static void *found_;                                              \
        void *f_ = __atomic_load_n(&found_, __ATOMIC_ACQUIRE);            \
        if (!f_) {                                                        \
            CUresult r_ = find(#NAME #VERSION, &f_);                      \
            if (r_ != CUDA_SUCCESS) return r_;                            \
            __atomic_store_n(&found_, f_, __ATOMIC_RELEASE);              \
        }                                                                 \
        return ((CUresult(*) PARAMETERS)f_)ARGUMENTS;                     \
    }
#include "cuda_api.def"
