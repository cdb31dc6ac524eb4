/* A libcuda.so.1 without hardware, for tests. It has what the driver of package device calls, and is strict where real drivers
 * are too: a call without a current context, a copy outside of memory, a launch that the device cannot take are errors.
 *
 * Streams are queues. By default their work is done at once; a stream whose bit is cleared in the setting "eager" does it only
 * when a query or a wait of another stream asks for it, so that a copy that should have been waited for comes too late, and
 * one that should have waited too early. Any call can be made to fail, any launch to fault or to hang.
 *
 * What a test reads and sets goes through the fake_ functions at the end. The variable FAKECUDA="key=value,..." sets the same. */
#include "cuda.h"
#include "fakecuda.h"
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { MOST = 64 }; /* parameters of a kernel */

struct launch {
    CUfunction f;
    unsigned grid[3], block[3], shared;
    uint64_t slots[MOST];
};

enum kind { COPY_IN, COPY_OUT, LAUNCH, GRAPH, RECORD, WAIT };

struct op {
    enum kind kind;
    struct op *next;
    CUdeviceptr device;
    void *host;
    size_t bytes;
    struct launch launch;
    CUgraphExec exec;
    CUevent event;
    uint64_t number; /* of the event's recording */
};

struct CUctx_st { int users; };
struct CUstream_st {
    int id, spoiled;
    struct op *head, **tail;
    CUgraph capture;
    int64_t clock; /* when the work before the head was done; 0 where there was none */
    CUstream next;
};
struct CUevent_st { int id; uint64_t asked, reached; CUstream stream; int shy; };
struct CUmod_st { char *text; uintptr_t loaded; int waiting; };
struct CUfunc_st { CUmodule module; char name[128]; int n, size[MOST], statics, dynamic; CUfunction next; };
struct CUgraph_st { int n; struct launch *all; };
struct CUgraphExec_st { int n, waiting; struct launch *all; };
struct piece { CUdeviceptr at; size_t bytes; unsigned char *data; struct piece *next; };

/* What a test can set, and read: name, value at the start. */
#define SETTINGS(X) \
    X(init, 0)                  /* what cuInit returns */ \
    X(version, 12080)           /* of CUDA */ \
    X(devices, 1)               /* how many */ \
    X(old, 0)                   /* the first so many are of compute capability 5 */ \
    X(major, 8)                 /* compute capability */ \
    X(minor, 0)                 /* and its second part */ \
    X(memory, 1 << 30)          /* bytes of the device */ \
    X(others, 0)                /* bytes of it that other programs have */ \
    X(optin, 166912)            /* bytes of shared memory that a block may ask for */ \
    X(paraminfo, 1)             /* 0: a driver of before CUDA 12.4 */ \
    X(eager, -1)                /* a bit for each stream in the order of making */ \
    X(shy, 0)                   /* how many queries of an event are answered "not ready" first */ \
    X(pause, 0)                 /* microseconds that a launch or a replay takes */ \
    X(slow, 0)                  /* milliseconds that a module takes to load */ \
    X(failcall, 0)              /* the number of the call that fails, counted from 1 since the last reset */ \
    X(failcode, 719)            /* how it fails */ \
    X(sticky, 0)                /* 1: and all that follow too */ \
    X(faultlaunch, 0)           /* the number of the launch at which the device faults with failcode */ \
    X(hanglaunch, 0)            /* the number of the launch that never ends */ \
    X(log, 0)                   /* 1: write the calls down */ \
    X(calls, 0)                 /* made since the last reset */ \
    X(launches, 0)              /* executed since then */ \
    X(live, 0)                  /* objects and memory not freed */
#define X(NAME, START) AT_##NAME,
enum { SETTINGS(X) COUNT };
#undef X
#define X(NAME, START) {#NAME, START, START},
static struct { const char *name; int64_t value, start; } settings[] = {SETTINGS(X)};
#undef X
#define SET(NAME) (settings[AT_##NAME].value)

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static CUresult fault; /* of the device, for good */
static int hung;
static char violation[256];
static char *logged;
static size_t log_size, log_room;
static int ids; /* of streams and events */
static uint64_t used, top;
static struct piece *pieces;
static CUstream streams;
static CUfunction functions;
static CUcontext contexts[8]; /* a new one each time that a device gets its first user */
static __thread CUcontext current;
static struct fake_hooks hooks;

static int64_t *setting(const char *name) {
    for (int i = 0; i < COUNT; i++)
        if (!strcmp(settings[i].name, name)) return &settings[i].value;
    fprintf(stderr, "fakecuda: no setting %s\n", name);
    abort();
}

static void note(const char *format, ...) {
    if (!SET(log)) return;
    if (log_room < log_size + 4096) logged = realloc(logged, log_room = 2 * log_room + 8192);
    va_list args;
    va_start(args, format);
    log_size += vsnprintf(logged + log_size, 2048, format, args);
    va_end(args);
}

static void violate(const char *what, const char *call) {
    if (!violation[0]) snprintf(violation, sizeof violation, "%s: %s", call, what);
}

static void unlock(int *unused) {
    (void)unused;
    pthread_mutex_unlock(&mutex);
}

/* Each call begins with this: ENTER for those that need a context, BEGIN for the others. */
static CUresult begin(const char *call, int needs_context) {
    SET(calls)++;
    note("%s\n", call);
    if (SET(calls) == SET(failcall)) {
        if (SET(sticky)) fault = SET(failcode);
        return SET(failcode);
    }
    if (!needs_context) return CUDA_SUCCESS;
    if (!current || current->users == 0) return CUDA_ERROR_INVALID_CONTEXT;
    return fault;
}
#define START(NEEDS)                                                    \
    __attribute__((cleanup(unlock))) int locked_ = pthread_mutex_lock(&mutex); \
    (void)locked_;                                                      \
    CUresult started_ = begin(__func__, NEEDS);                         \
    if (started_ != CUDA_SUCCESS) return started_
#define BEGIN START(0)
#define ENTER START(1)

/* Device memory, unless the hooks have it. */

static unsigned char *inside(CUdeviceptr at, size_t bytes) {
    for (struct piece *p = pieces; p; p = p->next)
        if (at >= p->at && at + bytes <= p->at + p->bytes) return p->data + (at - p->at);
    return NULL;
}

static int move(enum kind kind, CUdeviceptr device, void *host, size_t bytes) {
    if (hooks.copy) return hooks.copy(hooks.self, kind == COPY_OUT, device, host, bytes);
    unsigned char *p = inside(device, bytes);
    if (!p) return CUDA_ERROR_ILLEGAL_ADDRESS;
    if (kind == COPY_IN) memcpy(p, host, bytes);
    else memcpy(host, p, bytes);
    return CUDA_SUCCESS;
}

/* The work of streams. */

static int64_t microseconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void execute(struct launch *l) {
    if (fault) return;
    int64_t n = ++SET(launches);
    if (n == SET(faultlaunch)) fault = SET(failcode);
    else if (hooks.launch)
        fault = hooks.launch(hooks.self, l->f->module->loaded, l->f->name, l->grid, l->block, l->shared, l->slots, l->f->size, l->f->n);
}

static void perform(struct op *o) {
    switch (o->kind) {
    case COPY_IN:
    case COPY_OUT:
        if (!fault) fault = move(o->kind, o->device, o->host, o->bytes);
        break;
    case LAUNCH:
        o->launch.f->module->waiting--;
        execute(&o->launch);
        break;
    case GRAPH:
        o->exec->waiting--;
        for (int i = 0; i < o->exec->n; i++) execute(&o->exec->all[i]);
        break;
    case RECORD:
        if (o->event->reached < o->number) o->event->reached = o->number;
        break;
    case WAIT:
        break;
    }
}

/* Does the first work of a stream; 0 where there is none or it must wait. */
static int step(CUstream s) {
    struct op *o = s->head;
    if (!o || hung) return 0;
    if (!fault && (o->kind == LAUNCH || o->kind == GRAPH) && SET(hanglaunch) > 0 && SET(launches) + 1 >= SET(hanglaunch)) {
        hung = 1;
        return 0;
    }
    if (o->kind == WAIT && o->event->reached < o->number && !fault) return 0;
    if ((o->kind == LAUNCH || o->kind == GRAPH) && SET(pause) > 0) {
        int64_t now = microseconds();
        if (!s->clock) s->clock = now;
        if (now < s->clock + SET(pause)) return 0;
        s->clock += SET(pause);
    }
    s->head = o->next;
    if (!s->head) {
        s->tail = &s->head;
        s->clock = 0;
    }
    perform(o);
    free(o);
    return 1;
}

/* Does no more than an event needs. */
static void reach(CUevent e, uint64_t number) {
    while (e->reached < number && !hung)
        if (!step(e->stream)) {
            struct op *o = e->stream->head;
            if (!o || o->kind != WAIT || o->event == e) return;
            reach(o->event, o->number);
        }
}

/* Lets the eager streams go on. */
static void pump(void) {
    for (int more = 1; more;) {
        more = 0;
        for (CUstream s = streams; s; s = s->next)
            while ((SET(eager) >> (s->id & 63) & 1) && step(s)) more = 1;
    }
}

/* What waits for the whole device. */
static void drain(const char *call) {
    for (CUstream s = streams; s; s = s->next)
        while (s->head && !hung)
            if (!step(s) && s->head->kind == WAIT) reach(s->head->event, s->head->number);
    if (hung) violate("waits for a device that hangs", call);
}

static CUresult enqueue(CUstream s, struct op op) {
    if (s->capture && op.kind != LAUNCH) {
        s->spoiled = 1;
        return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    }
    if (!s->head && !hung && (SET(eager) >> (s->id & 63) & 1) && !SET(pause) && !SET(hanglaunch) && op.kind != WAIT) {
        perform(&op); /* without a detour, for benchmarks of what is above the driver */
        pump();
        return CUDA_SUCCESS;
    }
    struct op *o = malloc(sizeof *o);
    *o = op;
    o->next = NULL;
    *s->tail = o;
    s->tail = &o->next;
    pump();
    return CUDA_SUCCESS;
}

/* The driver. */

__attribute__((constructor)) static void loaded(void) {
    fake_reset();
    const char *s = getenv("FAKECUDA");
    char name[32];
    long long value;
    for (int n; s && sscanf(s, "%31[a-z]=%lld%n", name, &value, &n) == 2; s += n + (s[n] == ',')) *setting(name) = value;
}

CUresult cuInit(unsigned int flags) { return flags ? CUDA_ERROR_INVALID_VALUE : SET(init); }

CUresult cuDriverGetVersion(int *v) {
    BEGIN;
    *v = SET(version);
    return CUDA_SUCCESS;
}

CUresult cuGetErrorName(CUresult r, const char **name) {
    switch (r) {
    case CUDA_ERROR_INVALID_VALUE: *name = "CUDA_ERROR_INVALID_VALUE"; break;
    case CUDA_ERROR_OUT_OF_MEMORY: *name = "CUDA_ERROR_OUT_OF_MEMORY"; break;
    case CUDA_ERROR_DEVICE_UNAVAILABLE: *name = "CUDA_ERROR_DEVICE_UNAVAILABLE"; break;
    case CUDA_ERROR_NO_DEVICE: *name = "CUDA_ERROR_NO_DEVICE"; break;
    case CUDA_ERROR_ECC_UNCORRECTABLE: *name = "CUDA_ERROR_ECC_UNCORRECTABLE"; break;
    case CUDA_ERROR_INVALID_PTX: *name = "CUDA_ERROR_INVALID_PTX"; break;
    case CUDA_ERROR_UNSUPPORTED_PTX_VERSION: *name = "CUDA_ERROR_UNSUPPORTED_PTX_VERSION"; break;
    case CUDA_ERROR_NOT_FOUND: *name = "CUDA_ERROR_NOT_FOUND"; break;
    case CUDA_ERROR_ILLEGAL_ADDRESS: *name = "CUDA_ERROR_ILLEGAL_ADDRESS"; break;
    case CUDA_ERROR_LAUNCH_FAILED: *name = "CUDA_ERROR_LAUNCH_FAILED"; break;
    default: return CUDA_ERROR_INVALID_VALUE; /* as for codes that a driver is too old to know */
    }
    return CUDA_SUCCESS;
}

CUresult cuGetErrorString(CUresult r, const char **text) {
    (void)r;
    *text = "what the driver says about it";
    return CUDA_SUCCESS;
}

CUresult cuDeviceGetCount(int *n) {
    BEGIN;
    *n = SET(devices);
    return CUDA_SUCCESS;
}

CUresult cuDeviceGet(CUdevice *d, int i) {
    BEGIN;
    if (i < 0 || i >= SET(devices)) return CUDA_ERROR_INVALID_DEVICE;
    *d = i;
    return CUDA_SUCCESS;
}

CUresult cuDeviceGetName(char *s, int n, CUdevice d) {
    BEGIN;
    snprintf(s, n, "Fake GPU %d", d);
    return CUDA_SUCCESS;
}

CUresult cuDeviceTotalMem(size_t *n, CUdevice d) {
    BEGIN;
    (void)d;
    *n = SET(memory);
    return CUDA_SUCCESS;
}

CUresult cuDeviceGetAttribute(int *v, CUdevice_attribute a, CUdevice d) {
    BEGIN;
    switch (a) {
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR: *v = d < SET(old) ? 5 : SET(major); break;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR: *v = SET(minor); break;
    case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT: *v = 3; break;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN: *v = SET(optin); break;
    default: return CUDA_ERROR_INVALID_VALUE;
    }
    return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxRetain(CUcontext *c, CUdevice d) {
    BEGIN;
    if (!contexts[d] || contexts[d]->users == 0) {
        contexts[d] = calloc(1, sizeof **c);
        SET(live)++;
    }
    contexts[d]->users++;
    *c = contexts[d];
    return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxRelease(CUdevice d) {
    BEGIN;
    if (!contexts[d] || contexts[d]->users == 0) return CUDA_ERROR_INVALID_CONTEXT;
    drain(__func__);
    if (--contexts[d]->users == 0) SET(live)--;
    return CUDA_SUCCESS;
}

CUresult cuCtxSetCurrent(CUcontext c) {
    BEGIN;
    if (!c || c->users == 0) return CUDA_ERROR_INVALID_CONTEXT;
    current = c;
    return CUDA_SUCCESS;
}

CUresult cuMemGetInfo(size_t *free, size_t *total) {
    ENTER;
    *total = SET(memory);
    *free = *total - SET(others) - used;
    return CUDA_SUCCESS;
}

CUresult cuMemAlloc(CUdeviceptr *p, size_t n) {
    ENTER;
    if (n == 0) return CUDA_ERROR_INVALID_VALUE;
    if (n > SET(memory) - SET(others) - used) return CUDA_ERROR_OUT_OF_MEMORY;
    if (hung) violate("may wait for a device that hangs", __func__);
    struct piece *m = calloc(1, sizeof *m);
    if (hooks.alloc) m->at = hooks.alloc(hooks.self, n);
    else {
        m->at = 0x7f0000000000 + top;
        m->data = memset(malloc(n), 0xA5, n);
        top += (n + 1023) & ~(size_t)511;
    }
    m->bytes = n;
    m->next = pieces;
    pieces = m;
    used += n;
    SET(live)++;
    *p = m->at;
    note("  %zu bytes\n", n);
    return CUDA_SUCCESS;
}

CUresult cuMemFree(CUdeviceptr at) {
    ENTER;
    drain(__func__);
    for (struct piece **p = &pieces; *p; p = &(*p)->next)
        if ((*p)->at == at) {
            struct piece *gone = *p;
            *p = gone->next;
            used -= gone->bytes;
            if (hooks.release) hooks.release(hooks.self, at);
            free(gone->data);
            free(gone);
            SET(live)--;
            return CUDA_SUCCESS;
        }
    return CUDA_ERROR_INVALID_VALUE;
}

CUresult cuMemHostAlloc(void **p, size_t n, unsigned int flags) {
    ENTER;
    if (n == 0 || flags) return CUDA_ERROR_INVALID_VALUE;
    *p = malloc(n);
    SET(live)++;
    return CUDA_SUCCESS;
}

CUresult cuMemFreeHost(void *p) {
    ENTER;
    drain(__func__);
    if (!p) return CUDA_ERROR_INVALID_VALUE;
    free(p);
    SET(live)--;
    return CUDA_SUCCESS;
}

CUresult cuMemcpyHtoDAsync(CUdeviceptr device, const void *host, size_t n, CUstream s) {
    ENTER;
    note("  %zu bytes s%d\n", n, s->id);
    return enqueue(s, (struct op){.kind = COPY_IN, .device = device, .host = (void *)host, .bytes = n});
}

CUresult cuMemcpyDtoHAsync(void *host, CUdeviceptr device, size_t n, CUstream s) {
    ENTER;
    note("  %zu bytes s%d\n", n, s->id);
    return enqueue(s, (struct op){.kind = COPY_OUT, .device = device, .host = host, .bytes = n});
}

/* PTX that begins as PTX does is taken. The log of errors is written as the driver does: with an end, into what room there is. */
CUresult cuModuleLoadDataEx(CUmodule *m, const void *image, unsigned int n, CUjit_option *options, void **values) {
    ENTER;
    struct timespec pause = {SET(slow) / 1000, SET(slow) % 1000 * 1000000};
    nanosleep(&pause, NULL);
    char *log = NULL;
    size_t room = 0;
    for (unsigned int i = 0; i < n; i++) {
        if (options[i] == CU_JIT_ERROR_LOG_BUFFER) log = values[i];
        if (options[i] == CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES) room = (size_t)values[i];
    }
    if (!strstr(image, ".version ")) {
        if (log) snprintf(log, room, "ptxas fatal: a module needs a .version");
        return CUDA_ERROR_INVALID_PTX;
    }
    uintptr_t loaded = 0;
    if (hooks.load && !(loaded = hooks.load(hooks.self, image))) {
        if (log) snprintf(log, room, "ptxas fatal: the interpreter does not take this");
        return CUDA_ERROR_INVALID_PTX;
    }
    *m = calloc(1, sizeof **m);
    (*m)->text = strdup(image);
    (*m)->loaded = loaded;
    SET(live)++;
    return CUDA_SUCCESS;
}

CUresult cuModuleUnload(CUmodule m) {
    ENTER;
    if (m->waiting) violate("its kernels wait to run", __func__);
    free(m->text);
    m->text = NULL; /* the rest stays for the work that may name it */
    SET(live)--;
    return CUDA_SUCCESS;
}

/* Reads the kernel's parameters and its shared memory from the PTX. */
CUresult cuModuleGetFunction(CUfunction *f, CUmodule m, const char *name) {
    ENTER;
    char entry[160];
    snprintf(entry, sizeof entry, ".entry %s(", name);
    char *p = strstr(m->text, entry);
    if (!p) return CUDA_ERROR_NOT_FOUND;
    CUfunction g = calloc(1, sizeof *g);
    g->module = m;
    snprintf(g->name, sizeof g->name, "%s", name);
    char *end = strchr(p + strlen(entry), ')'), *next = strstr(end, ".entry ");
    for (char *q = p; (q = strstr(q, ".param ")) && q < end && g->n < MOST; q++) {
        int bits = 0;
        sscanf(q, ".param .%*1[ubsf]%d", &bits);
        g->size[g->n++] = bits / 8;
    }
    for (char *q = end; (q = strstr(q, ".shared .align ")) && (!next || q < next); q++) {
        int align, size;
        if (sscanf(q, ".shared .align %d .b8 %*[^[][%d]", &align, &size) == 2) g->statics = ((g->statics + align - 1) & -align) + size;
    }
    g->dynamic = 49152 - g->statics;
    g->next = functions;
    functions = g;
    *f = g;
    return CUDA_SUCCESS;
}

CUresult cuFuncGetAttribute(int *v, CUfunction_attribute a, CUfunction f) {
    ENTER;
    if (a != CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES) return CUDA_ERROR_INVALID_VALUE;
    *v = f->statics;
    return CUDA_SUCCESS;
}

CUresult cuFuncSetAttribute(CUfunction f, CUfunction_attribute a, int v) {
    ENTER;
    if (a != CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES || v < 0 || v + f->statics > SET(optin)) return CUDA_ERROR_INVALID_VALUE;
    f->dynamic = v;
    return CUDA_SUCCESS;
}

CUresult cuFuncGetParamInfo(CUfunction f, size_t i, size_t *offset, size_t *size) {
    ENTER;
    if (!SET(paraminfo)) return CUDA_ERROR_NOT_FOUND; /* what lazycuda.c says of an entry point that is not there */
    if (i >= (size_t)f->n) return CUDA_ERROR_INVALID_VALUE;
    *size = f->size[i];
    *offset = 0;
    for (size_t k = 0; k <= i; k++) {
        *offset = (*offset + f->size[k] - 1) / f->size[k] * f->size[k];
        if (k < i) *offset += f->size[k];
    }
    return CUDA_SUCCESS;
}

CUresult cuStreamCreate(CUstream *s, unsigned int flags) {
    ENTER;
    if (flags != CU_STREAM_NON_BLOCKING) return CUDA_ERROR_INVALID_VALUE;
    *s = calloc(1, sizeof **s);
    (*s)->tail = &(*s)->head;
    CUstream *last = &streams;
    while (*last) last = &(*last)->next, (*s)->id++;
    *last = *s;
    SET(live)++;
    return CUDA_SUCCESS;
}

CUresult cuStreamDestroy(CUstream s) {
    ENTER;
    drain(__func__);
    for (CUstream *p = &streams; *p; p = &(*p)->next)
        if (*p == s) {
            *p = s->next;
            SET(live)--;
            return CUDA_SUCCESS;
        }
    return CUDA_ERROR_INVALID_HANDLE;
}

CUresult cuStreamQuery(CUstream s) {
    ENTER;
    if (s->capture) {
        s->spoiled = 1;
        return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    }
    return s->head ? CUDA_ERROR_NOT_READY : CUDA_SUCCESS;
}

CUresult cuStreamWaitEvent(CUstream s, CUevent e, unsigned int flags) {
    ENTER;
    if (flags) return CUDA_ERROR_INVALID_VALUE;
    note("  s%d e%d\n", s->id, e->id);
    return enqueue(s, (struct op){.kind = WAIT, .event = e, .number = e->asked});
}

CUresult cuEventCreate(CUevent *e, unsigned int flags) {
    ENTER;
    if (flags != CU_EVENT_DISABLE_TIMING) return CUDA_ERROR_INVALID_VALUE;
    *e = calloc(1, sizeof **e);
    (*e)->id = ids++;
    SET(live)++;
    return CUDA_SUCCESS;
}

/* An event's memory stays, since work in queues may name it. */
CUresult cuEventDestroy(CUevent e) {
    ENTER;
    if (!e) return CUDA_ERROR_INVALID_HANDLE;
    SET(live)--;
    return CUDA_SUCCESS;
}

CUresult cuEventRecord(CUevent e, CUstream s) {
    ENTER;
    note("  e%d s%d\n", e->id, s->id);
    e->shy = SET(shy);
    e->stream = s;
    return enqueue(s, (struct op){.kind = RECORD, .event = e, .number = ++e->asked});
}

CUresult cuEventQuery(CUevent e) {
    ENTER;
    note("  e%d\n", e->id);
    if (e->reached == e->asked) return CUDA_SUCCESS;
    if (e->shy-- > 0) return CUDA_ERROR_NOT_READY;
    reach(e, e->asked);
    pump();
    if (fault) return fault;
    return e->reached == e->asked ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
}

CUresult cuLaunchKernel(CUfunction f, unsigned int gx, unsigned int gy, unsigned int gz, unsigned int bx, unsigned int by, unsigned int bz,
                        unsigned int shared, CUstream s, void **parameters, void **extra) {
    ENTER;
    if (extra || !f->module->text) return CUDA_ERROR_INVALID_VALUE;
    if (!gx || !gy || !gz || gx > 0x7fffffff || gy > 65535 || gz > 65535 || !bx || !by || !bz || (uint64_t)bx * by * bz > 1024)
        return CUDA_ERROR_INVALID_VALUE;
    if ((int)shared > f->dynamic) return CUDA_ERROR_INVALID_VALUE;
    struct launch l = {f, {gx, gy, gz}, {bx, by, bz}, shared, {0}};
    for (int i = 0; i < f->n; i++) memcpy(&l.slots[i], parameters[i], f->size[i]);
    if (SET(log)) {
        note("  %s grid %u %u %u block %u %u %u shared %u s%d:", f->name, gx, gy, gz, bx, by, bz, shared, s->id);
        for (int i = 0; i < f->n; i++)
            for (int k = 0; k < f->size[i]; k++) note(k ? "%02x" : " %02x", ((unsigned char *)&l.slots[i])[k]);
        note("\n");
    }
    if (s->capture) {
        CUgraph g = s->capture;
        g->all = realloc(g->all, (g->n + 1) * sizeof *g->all);
        g->all[g->n++] = l;
        return CUDA_SUCCESS;
    }
    f->module->waiting++;
    return enqueue(s, (struct op){.kind = LAUNCH, .launch = l});
}

CUresult cuStreamBeginCapture(CUstream s, CUstreamCaptureMode mode) {
    ENTER;
    if (s->capture || mode != CU_STREAM_CAPTURE_MODE_RELAXED) return CUDA_ERROR_ILLEGAL_STATE;
    s->capture = calloc(1, sizeof *s->capture);
    s->spoiled = 0;
    return CUDA_SUCCESS;
}

CUresult cuStreamEndCapture(CUstream s, CUgraph *g) {
    ENTER;
    if (!s->capture) return CUDA_ERROR_ILLEGAL_STATE;
    *g = s->capture;
    s->capture = NULL;
    if (s->spoiled) {
        *g = NULL;
        return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
    }
    SET(live)++;
    note("  %d launches\n", (*g)->n);
    return CUDA_SUCCESS;
}

CUresult cuGraphInstantiateWithFlags(CUgraphExec *e, CUgraph g, unsigned long long flags) {
    ENTER;
    if (flags) return CUDA_ERROR_INVALID_VALUE;
    *e = calloc(1, sizeof **e);
    (*e)->n = g->n;
    (*e)->all = memcpy(malloc((g->n + 1) * sizeof *g->all), g->all, g->n * sizeof *g->all);
    SET(live)++;
    return CUDA_SUCCESS;
}

CUresult cuGraphDestroy(CUgraph g) {
    ENTER;
    free(g->all);
    free(g);
    SET(live)--;
    return CUDA_SUCCESS;
}

CUresult cuGraphLaunch(CUgraphExec e, CUstream s) {
    ENTER;
    note("  %d launches s%d\n", e->n, s->id);
    e->waiting++;
    return enqueue(s, (struct op){.kind = GRAPH, .exec = e});
}

CUresult cuGraphExecDestroy(CUgraphExec e) {
    ENTER;
    if (e->waiting) violate("it waits to run", __func__);
    free(e->all);
    free(e);
    SET(live)--;
    return CUDA_SUCCESS;
}

/* For tests. */

void fake_reset(void) {
    pthread_mutex_lock(&mutex);
    for (int i = 0; i < COUNT; i++) settings[i].value = settings[i].start;
    fault = hung = ids = 0;
    used = log_size = violation[0] = 0;
    pieces = NULL;
    streams = NULL;
    for (size_t i = 0; i < sizeof contexts / sizeof *contexts; i++) {
        if (contexts[i]) contexts[i]->users = 0; /* threads that have it current must not go on */
        contexts[i] = NULL;
    }
    memset(&hooks, 0, sizeof hooks);
    pthread_mutex_unlock(&mutex);
}

void fake_set(const char *name, long long value) {
    pthread_mutex_lock(&mutex);
    *setting(name) = value;
    pthread_mutex_unlock(&mutex);
}

long long fake_get(const char *name) {
    pthread_mutex_lock(&mutex);
    long long v = *setting(name);
    pthread_mutex_unlock(&mutex);
    return v;
}

void fake_hook(struct fake_hooks h) {
    pthread_mutex_lock(&mutex);
    hooks = h;
    pthread_mutex_unlock(&mutex);
}

const char *fake_log(void) {
    if (!logged) return "";
    logged[log_size] = 0;
    return logged;
}

const char *fake_violation(void) { return violation; }
