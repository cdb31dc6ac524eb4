/* What a test can ask of the fake driver: see fakecuda.c. */
#include <stddef.h>
#include <stdint.h>

/* Another device behind the driver's calls. Each gets self. Results are CUresults; alloc gives an address, load what launch is to
 * have, or 0 for an error. */
struct fake_hooks {
    uintptr_t self;
    uint64_t (*alloc)(uintptr_t self, size_t bytes);
    void (*release)(uintptr_t self, uint64_t at);
    int (*copy)(uintptr_t self, int out, uint64_t device, void *host, size_t bytes);
    uintptr_t (*load)(uintptr_t self, const char *text);
    int (*launch)(uintptr_t self, uintptr_t loaded, const char *kernel, const unsigned *grid, const unsigned *block, unsigned shared,
                  const uint64_t *slots, const int *sizes, int n);
};

void fake_reset(void); /* as after loading; what was made before is forgotten */
void fake_set(const char *name, long long value);
long long fake_get(const char *name);
void fake_hook(struct fake_hooks hooks);
const char *fake_log(void);
const char *fake_violation(void); /* the first misuse that a real driver would not tell */
