// How a launch runs: blocks one after the other, the threads of a block as fibres of one thread.
//
// A fibre runs until it waits for others. The scheduler takes a warp, runs its lanes as far as they
// get, frees those that have met in a warp's operation, and takes a warp again; when every thread
// of the block stands still, the barrier of the block opens. Which warp and which lane comes next
// is the order's choice, so that what a missing barrier leaves open differs from order to order.
//
// Kernels are compiled with g++'s checks of memory (those for the kernel of Linux) and of undefined
// behaviour. Both are calls to functions, which are defined at the end and fail the launch.
//
// -ftz=true is the processor's mode of the same effect, set while a launch runs.
#include <setjmp.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <xmmintrin.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "emulator.h"

uint3 threadIdx{1, 0, 0}, blockIdx{1, 0, 0};  // not zero: among the data that kernels may read
dim3 blockDim, gridDim;

#pragma GCC visibility push(hidden)
extern "C" char __ehdr_start[], shared_begin[], shared_end[];  // the linker's, and shared.ld's
#pragma GCC visibility pop

namespace emulator {
namespace {

constexpr int LANES = warpSize, THREADS = 1024;
constexpr size_t STACK = (256 << 10) + 1088;  // no power of two: caches map those to few places
constexpr char EXIT[] = "exit";

struct Fibre {
    uint3 index;
    jmp_buf here;       // where it stopped
    bool begun;         // whether it ever stopped
    const char* waits;  // for what: null if it can run, EXIT if it is done
    int line, source;
    unsigned mask;
    uint64_t value, result;
};

Fibre fibres[THREADS];
int size;  // threads of a block
Fibre* current;
char* stacks;
jmp_buf scheduler;
bool ready[THREADS / LANES];  // warps in which a fibre can run

alignas(256) char dynamic[48 << 10];
std::vector<Region> regions;
void (*body)(void**);
void** arguments;
uint64_t order, random_state;
char error[1024];

unsigned draw(unsigned n) {  // splitmix64, below n
    uint64_t z = random_state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return ((z ^ (z >> 31)) >> 32) * n >> 32;
}

void complain(const Fibre& who, const char* format, ...) {
    int n = snprintf(error, sizeof error, "thread (%u, %u, %u) of block (%u, %u, %u) ", who.index.x,
                     who.index.y, who.index.z, blockIdx.x, blockIdx.y, blockIdx.z);
    va_list more;
    va_start(more, format);
    vsnprintf(error + n, sizeof error - n, format, more);
    va_end(more);
}

template <class... Args>
[[noreturn]] void fail(const char* format, Args... args) {
    complain(*current, format, args...);
    _longjmp(scheduler, 1);
}

void suspend() {
    if (!_setjmp(current->here)) _longjmp(scheduler, 1);
}

void live() {  // a fibre serves block after block, and launch after launch
    for (;; suspend()) {
        body(arguments);
        current->waits = EXIT, current->mask = 0;
    }
}

// swapcontext would ask the operating system for the signal mask at each switch; a jump does not.
void resume(Fibre& f) {
    current = &f;
    threadIdx = f.index;
    if (_setjmp(scheduler)) return;
    if (f.begun) _longjmp(f.here, 1);
    f.begun = true;
    ucontext_t fresh;
    getcontext(&fresh);
    fresh.uc_stack.ss_sp = stacks + STACK * (&f - fibres);
    fresh.uc_stack.ss_size = STACK;
    makecontext(&fresh, live, 0);
    setcontext(&fresh);
}

bool together(const Fibre& a, const Fibre& b) {
    return b.waits && !strcmp(a.waits, b.waits) && a.mask == b.mask && (a.mask || a.line == b.line);
}

// Frees the lanes that have met all lanes of their mask; says whether there were any.
bool release(Fibre* warp, int lanes) {
    bool any = false;
    for (int i = 0; i < lanes; i++) {
        unsigned mask = warp[i].waits ? warp[i].mask : 0, ballot = 0;
        bool met = mask;
        for (int j = 0; j < lanes && met; j++) {
            if (!(mask >> j & 1)) continue;
            met = together(warp[i], warp[j]);
            ballot |= unsigned(warp[j].value & 1) << j;
        }
        for (int j = 0; j < lanes && met; j++) {
            if (!(mask >> j & 1)) continue;
            warp[j].result = warp[j].source < 0 ? ballot : warp[warp[j].source].value;
            warp[j].waits = nullptr;
        }
        any = any || met;
    }
    return any;
}

void run_warp(int w) {
    Fibre* warp = fibres + w * LANES;
    int lanes = std::min(LANES, size - w * LANES);
    unsigned step = order == 0 ? 1 : order == 1 ? LANES - 1 : 2 * draw(LANES / 2) + 1;
    unsigned lane = order == 0 ? 0 : order == 1 ? LANES - 1 : draw(LANES);
    for (int i = 0; i < LANES; i++, lane = (lane + step) % LANES) {  // step is odd: each lane once
        if (int(lane) < lanes && !warp[lane].waits) resume(warp[lane]);
        if (*error) return;
    }
    ready[w] = release(warp, lanes);
}

// No thread can run: opens the barrier of the block. False if the block is done, and with a
// complaint if some threads wait for others that will not come.
bool open_barrier() {
    Fibre* end = fibres + size;
    Fibre* first = std::find_if(fibres, end, [](Fibre& f) { return f.waits != EXIT; });
    if (first == end) return false;
    Fibre* warp = fibres + (first - fibres) / LANES * LANES;
    for (Fibre* other = fibres; other < end; other++) {
        bool mate = other >= warp && other < warp + LANES;
        bool wanted = !first->mask || (mate && first->mask >> (other - warp) & 1);
        if (!wanted || together(*first, *other)) continue;
        complain(*first, "waits at a divergent %s (line %d, mask 0x%x): thread (%u, %u, %u) %s %s "
                 "(line %d, mask 0x%x)", first->waits, first->line, first->mask, other->index.x,
                 other->index.y, other->index.z, other->waits == EXIT ? "has left by" : "waits at",
                 other->waits, other->line, other->mask);
        return false;
    }
    for (Fibre* f = fibres; f < end; f++) f->waits = nullptr;
    return true;
}

void run_block() {
    memset(shared_begin, 0xff, shared_end - shared_begin);  // every number in it is NaN, or -1
    memset(dynamic, 0xff, sizeof dynamic);
    for (Fibre& f : fibres) f.waits = nullptr;
    int warps = (size + LANES - 1) / LANES, turn = order == 1 ? warps - 1 : 1;
    do {
        std::fill(ready, ready + warps, true);
        for (int left = warps; left;) {  // the first ready warp of the order, from a new start
            int w = order == 0 ? 0 : order == 1 ? warps - 1 : draw(warps);
            for (left = warps; left && !ready[w]; left--) w = (w + turn) % warps;
            if (left) run_warp(w);
            if (*error) return;
        }
    } while (open_barrier());
}

// A fibre may use its own stack and the regions, and nothing else.
void check(uintptr_t address, size_t bytes, bool store, void* code) {
    uintptr_t stack = uintptr_t(stacks) + STACK * (current - fibres);
    if (address >= stack && address + bytes <= stack + STACK) return;
    const Region* nearest = nullptr;
    intptr_t least = INTPTR_MAX;
    for (Region& r : regions) {
        intptr_t far = std::max({intptr_t(r.low - address), intptr_t(address + bytes - r.high)});
        if (far <= 0 && (r.writable || !store)) {
            (store ? r.written : r.read) += bytes;
            return;
        }
        if (far < least) least = far, nearest = &r;
    }
    const char* what = least > 0 ? "" : ", which is read-only";
    fail("%s %zu bytes at offset %zd of %s of %zu bytes%s, at code 0x%zx",
         store ? "writes" : "reads", bytes, address - nearest->low, nearest->name,
         nearest->high - nearest->low, what, (char*)code - __ehdr_start);
}

}  // namespace

int lane() { return (current - fibres) % LANES; }

void* dynamic_shared() { return dynamic; }

uint64_t meet(const char* what, int line, unsigned mask, uint64_t value, int source) {
    int lanes = std::min(LANES, size - int(current - fibres) + lane());
    if (mask && !(mask >> lane() & 1))
        fail("calls %s in line %d with mask 0x%x, which leaves itself out", what, line, mask);
    if (source >= lanes || (source >= 0 && !(mask >> source & 1)))
        fail("calls %s in line %d to read lane %d, which takes no part", what, line, source);
    current->waits = what, current->line = line, current->mask = mask;
    current->value = value, current->source = source;
    suspend();
    return current->result;
}

uint16_t narrow(double x, int digits, int lowest) {
    if (isnan(x)) return 0x7fff;  // CUDA's choice
    int e = std::max(ilogb(x), lowest), infinity = (3 - 2 * lowest) << digits;
    int sign = signbit(x) ? 0x8000 : 0;
    if (e > 1 - lowest) return sign | infinity;
    int units = nearbyint(scalbn(fabs(x), digits - e));  // of the last digit
    return sign | (units + ((e - lowest) << digits));    // a carry goes into the exponent, rightly
}

float widen(uint16_t bits, int digits, int lowest) {
    int one = 1 << digits, m = bits & (one - 1), e = bits >> digits & (3 - 2 * lowest);
    double x = scalbn(e ? m + one : m, std::max(e, 1) - 1 + lowest - digits);
    if (e == 3 - 2 * lowest) x = m ? NAN : INFINITY;
    return bits & 0x8000 ? -x : x;
}

struct Flush {
    unsigned before = _mm_getcsr();
    explicit Flush(bool on) { _mm_setcsr(on ? before | 0x8040 : before); }  // results, and inputs
    ~Flush() { _mm_setcsr(before); }
};

const char* run(const Launch& launch, void (*kernel)(void**), void** args) {
    Flush mode(launch.flush);
    gridDim = launch.grid, blockDim = launch.block, order = random_state = launch.order;
    size = blockDim.x * blockDim.y * blockDim.z, body = kernel, arguments = args, *error = 0;
    if (!stacks) stacks = (char*)mmap(nullptr, STACK * THREADS, PROT_READ | PROT_WRITE,
                                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (stacks == MAP_FAILED) return stacks = nullptr, "no memory for the stacks of the threads";
    regions.assign(launch.regions, launch.regions + launch.count);
    auto add = [](const char* name, char* low, char* high, bool writable) {
        regions.push_back({uintptr_t(low), uintptr_t(high), writable, name, 0, 0});
    };
    add("a null pointer", nullptr, nullptr, true);
    add("the static __shared__ memory", shared_begin, shared_end, true);
    add("the dynamic __shared__ memory", dynamic, dynamic + launch.dynamic, true);
    add("the program and its constants", __ehdr_start, shared_begin, false);

    auto split = [](unsigned i, dim3 n) { return uint3{i % n.x, i / n.x % n.y, i / n.x / n.y}; };
    for (int i = 0; i < size; i++) fibres[i].index = split(i, blockDim);
    std::vector<unsigned> blocks(size_t(gridDim.x) * gridDim.y * gridDim.z);
    std::iota(blocks.begin(), blocks.end(), 0);
    if (order == 1) std::reverse(blocks.begin(), blocks.end());
    for (size_t n = order > 1 ? blocks.size() : 0; n > 1; n--)
        std::swap(blocks[n - 1], blocks[draw(n)]);
    for (unsigned b : blocks) {
        blockIdx = split(b, gridDim);
        run_block();
        if (!*error) continue;
        for (Fibre& f : fibres) f.begun = false;  // to start afresh: they stand where they stood
        return error;
    }
    std::copy_n(regions.begin(), launch.count, launch.regions);
    return nullptr;
}

}  // namespace emulator

// What g++ calls before each access to memory ...
#define ACCESS(verb, store)                                                                      \
    EACH(verb, 1, store) EACH(verb, 2, store) EACH(verb, 4, store) EACH(verb, 8, store)          \
    EACH(verb, 16, store)                                                                        \
    extern "C" void __asan_##verb##N_noabort(uintptr_t p, size_t n) {                            \
        emulator::check(p, n, store, __builtin_return_address(0));                               \
    }
#define EACH(verb, n, store)                                                                     \
    extern "C" void __asan_##verb##n##_noabort(uintptr_t p) {                                    \
        emulator::check(p, n, store, __builtin_return_address(0));                               \
    }
ACCESS(load, false)
ACCESS(store, true)
extern "C" void __asan_handle_no_return() {}

// ... and where it meets undefined behaviour.
struct Site {
    const char* file;
    unsigned line, column;
    const char* type;  // of a misaligned access: two numbers of 16 bits, then its name
    unsigned char log_alignment;
};
extern "C" void __ubsan_handle_type_mismatch_v1(Site* at, uintptr_t p) {
    emulator::fail("uses a misaligned address, 0x%zx, at %s:%u: %s must lie at multiples of %u",
                   p, at->file, at->line, at->type + 4, 1u << at->log_alignment);
}
#define UNDEFINED(name, text)                                      \
    extern "C" void __ubsan_handle_##name(Site* at) {              \
        emulator::fail("%s, at %s:%u", text, at->file, at->line);  \
    }
UNDEFINED(out_of_bounds, "uses an index outside of its array")
UNDEFINED(add_overflow, "overflows a signed sum")
UNDEFINED(sub_overflow, "overflows a signed difference")
UNDEFINED(mul_overflow, "overflows a signed product")
UNDEFINED(negate_overflow, "overflows a signed negation")
UNDEFINED(divrem_overflow, "divides an integer by zero")
UNDEFINED(shift_out_of_bounds, "shifts an integer by too much")
