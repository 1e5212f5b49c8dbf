/* FAKE_NVML_CALLS: a file of call counts, shared by all processes that name it and kept when they are killed. It is an
   array of `struct counted`, filled from the start; an empty name ends it. */

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include "call.h"

enum { MAX_COUNTED = 512, NAME_BYTES = 56 };

struct counted {
    char name[NAME_BYTES];
    _Atomic uint64_t calls;
    _Atomic uint64_t calls_of_gpu[MAX_GPUS];
};

static struct counted *file;
static int descriptor = -1;
static pthread_mutex_t adding = PTHREAD_MUTEX_INITIALIZER;

static void map_file(void)
{
    const char *path = told_path("FAKE_NVML_CALLS", "fake_nvml_calls");
    if (file || !path)
        return;
    descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (descriptor < 0 || ftruncate(descriptor, MAX_COUNTED * sizeof *file) != 0)
        refuse("FAKE_NVML_CALLS cannot be written", path, 0);
    file = mmap(NULL, MAX_COUNTED * sizeof *file, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    if (file == MAP_FAILED)
        refuse("FAKE_NVML_CALLS cannot be mapped", path, 0);
}

static struct counted *row_of(const char *name)
{
    for (int i = 0; i < MAX_COUNTED; i++) {
        if (!file[i].name[0])
            strncpy(file[i].name, name, NAME_BYTES - 1);
        if (strcmp(file[i].name, name) == 0)
            return &file[i];
    }
    refuse("too many names to count", name, 0);
}

static struct counted *find_or_add(const char *name)
{
    struct counted *row = NULL;
    pthread_mutex_lock(&adding);
    map_file();
    if (file) {
        flock(descriptor, LOCK_EX);
        row = row_of(name);
        flock(descriptor, LOCK_UN);
    }
    pthread_mutex_unlock(&adding);
    return row;
}

_Atomic uint64_t *shared_counter(const char *name)
{
    struct counted *row = find_or_add(name);
    return row ? &row->calls : NULL;
}

static struct counted *row_for(struct symbol *symbol)
{
    struct counted *row = atomic_load(&symbol->counted);
    if (!row && (row = find_or_add(symbol->name)))
        atomic_store(&symbol->counted, row);
    return row;
}

void record_call(struct symbol *symbol)
{
    struct counted *row = row_for(symbol);
    atomic_fetch_add(&symbol->calls, 1);
    if (row)
        atomic_fetch_add(&row->calls, 1);
}

void record_call_of_gpu(struct symbol *symbol, int gpu)
{
    struct counted *row = row_for(symbol);
    atomic_fetch_add(&symbol->calls_of_gpu[gpu], 1);
    if (row)
        atomic_fetch_add(&row->calls_of_gpu[gpu], 1);
}
