#include "net/gcm_lib.h"

#include <dlfcn.h>
#include <string.h>

#define SONAME "libIPSec_MB.so.1"

struct entry {
    __typeof__(alloc_mb_mgr) *alloc;
    __typeof__(init_mb_mgr_avx512) *init;
    __typeof__(free_mb_mgr) *free;
};

/* ISO C has no cast from an object's pointer to a function's. */
static bool find(void *handle, const char *name, void *at)
{
    void *symbol = dlsym(handle, name);

    memcpy(at, &symbol, sizeof(symbol));
    return symbol != NULL;
}

/* The manager is for work in batches and takes megabytes: all that is kept are its functions. */
static void copy_calls(struct cv_gcm_lib *lib, const IMB_MGR *manager)
{
    lib->aes128 = (struct cv_gcm_calls){
        .key_len = IMB_KEY_128_BYTES,
        .expand = manager->gcm128_pre,
        .init = manager->gcm128_init,
        .encrypt = manager->gcm128_enc_update,
        .decrypt = manager->gcm128_dec_update,
        .encrypt_tag = manager->gcm128_enc_finalize,
        .decrypt_tag = manager->gcm128_dec_finalize,
    };
    lib->aes256 = (struct cv_gcm_calls){
        .key_len = IMB_KEY_256_BYTES,
        .expand = manager->gcm256_pre,
        .init = manager->gcm256_init,
        .encrypt = manager->gcm256_enc_update,
        .decrypt = manager->gcm256_dec_update,
        .encrypt_tag = manager->gcm256_enc_finalize,
        .decrypt_tag = manager->gcm256_dec_finalize,
    };
}

bool cv_gcm_lib_load(struct cv_gcm_lib *lib)
{
    void *handle = dlopen(SONAME, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    struct entry entry;
    IMB_MGR *manager;
    bool fast;

    if (!handle || !find(handle, "alloc_mb_mgr", &entry.alloc) ||
        !find(handle, "init_mb_mgr_avx512", &entry.init) ||
        !find(handle, "free_mb_mgr", &entry.free))
        return false;
    manager = entry.alloc(0);
    if (!manager)
        return false;
    fast = (manager->features & IMB_CPUFLAGS_AVX512_T2) == IMB_CPUFLAGS_AVX512_T2;
    if (fast) {
        entry.init(manager);
        fast = manager->gcm128_pre != NULL;
        copy_calls(lib, manager);
    }
    entry.free(manager);
    return fast;
}
