// Weight normalisation and its derivatives on a GPU: the formulas of weight_norm.py, one slice at a
// time, in as few passes over memory as there can be.
//
// v is seen as (A, K, B): slice k is v[:, k, :], and has the gain g[k]. Whatever is asked for, the
// answer is a sum of the arrays that were given, with coefficients that a slice has in common:
//
//     forward     w        = c0 v
//     vjp         v_bar    = c0 w_bar + c1 v                        g_bar
//     double_vjp  by_w_bar = c0 A + c1 v
//                 by_v     = c2 A + c3 w_bar + c4 v                 by_g
//
// The coefficients come from the dot products <v, v>, <w_bar, v>, <A, v>, <A, w_bar> of the slice.
//
// rows: where A = 1 a slice is a row of memory. Its threads hold it in registers: each number is
//     read once and written once.
// sums, finish, apply: any other slice, however long. Parts of slices are summed, then the sums of
//     the parts, in an order that depends on the shapes alone; then the arrays are read again.
//
// Sums of 16-bit numbers are kept in float. Where <v, v> leaves [2^-20, 2^20], the slice is summed
// again with its largest entry brought to [1/2, 1) by a power of two, as in plain.py: below,
// v 2^-e takes the place of v, and h 2^-e that of h.

#if __has_include(<cuda_fp16.h>)
#include <cuda_fp16.h>
#endif
#if __has_include(<cuda_bf16.h>)
#include <cuda_bf16.h>
#endif

enum { FORWARD, VJP, DOUBLE_VJP };                          // what is asked for
enum { PLAIN, INSIDE, OUTSIDE, RMS, MAX_Q, MAX_N };         // in the order of forms.NAMES
enum { VV, WV, AV, AW };                                    // the dot products

template <class T> struct Wide { using type = float; };     // the type of sums
template <> struct Wide<double> { using type = double; };

// V numbers that are loaded and stored in one instruction.
template <class T, int V> struct alignas(V * sizeof(T)) Pack { T x[V]; };

// How many arrays are read and written, and how many dot products are needed.
__host__ __device__ constexpr int inputs(int op) { return op + 1; }
__host__ __device__ constexpr int outputs(int op) { return op == DOUBLE_VJP ? 2 : 1; }
__host__ __device__ constexpr int products(int op) { return op == DOUBLE_VJP ? 4 : op + 1; }

template <class S> struct Length { int form; S floor, root; };  // floor: eps, or its root
                                                                // root: of a slice's entries
template <class S> struct Linear { S c[5]; int e; };            // the coefficients, for v 2^-e


// ---- one slice ----------------------------------------------------------------------------------

template <int OP, class S>
__device__ void add_products(S* dots, const S* x) {             // x: v 2^-e, w_bar, A
    dots[VV] += x[0] * x[0];
    if (OP >= VJP) dots[WV] += x[1] * x[0];
    if (OP == DOUBLE_VJP) {
        dots[AV] += x[2] * x[0];
        dots[AW] += x[2] * x[1];
    }
}

// Whether a slice must be scaled, given <v, v>. NaN and infinity say yes.
template <class S> __device__ bool leaves_range(S q) { return !(q >= S(0x1p-20) && q <= S(0x1p20)); }

// The exponent e for a slice with this largest entry; 0 for none. Beside an eps not below -100
// (-900), which is enough for sums of squares, and leaves eps 2^-e in range.
template <class S>
__device__ int exponent(S top, const Length<S>& length) {
    int e = 0;
    if (isfinite(top)) frexp(top, &e);
    return length.floor == 0 ? e : max(e, sizeof(S) == 8 ? -900 : -100);
}

// What of 2^-e goes into g before it is divided: g may be as small as v, and g / h, by itself, a
// subnormal number of few digits.
__device__ inline int early(int e) { return e < 0 ? e / 2 : 0; }

// The coefficients, and the entry of g_bar or by_g. b: the entry of B, the cotangent of g_bar.
template <int OP, class S>
__device__ Linear<S> solve(const S* dots, int e, S g, S b, Length<S> length, S& by_g) {
    S n = sqrt(dots[VV]), floor = ldexp(length.floor, -e);
    S h = n, y = 1 / n, bend = 1, turn = 1;                     // dh/dv = y v;  the bend: see below
    bool away = n != 0, above = n >= floor;
    if (length.form == INSIDE) {
        h = hypot(n, floor);
        y = 1 / h;
    } else if (length.form == OUTSIDE) {
        h = n + floor;
        y = away ? y : 0;
        bend = h * y;
    } else if (length.form == MAX_Q || length.form == MAX_N) {
        h = n < floor ? floor : n;
        y = above ? 1 / h : 0;
        bend = above;
    } else if (length.form == RMS) {
        h = n / length.root + floor;
        y = away ? 1 / (length.root * n) : 0;
        bend = h * y;
        turn = length.root * length.root;
    }
    h = h == 0 ? S(nan("")) : h;                                // NVRTC knows no NAN
    Linear<S> to = {{g / h}, e};
    if (OP == FORWARD) return to;
    S ratio = to.c[0] = ldexp(g, -early(e)) / h, s = dots[WV] / h;
    by_g = s;
    to.c[1] = -(ratio * s * y);
    if (OP == VJP) return to;
    // h H A = bend (A - turn a y), with H the second derivative of h
    S a = dots[AV] * y, t = dots[AW] - s * a, one = ldexp(1 / h, -e);
    ratio = ldexp(ratio, early(e) - e);
    S d = b - ratio * a;
    by_g = t * one;
    to.c[0] = ratio;
    to.c[1] = d / h;
    to.c[2] = -(ratio * s * bend) * one;
    to.c[3] = d * one;
    to.c[4] = (ratio * (s * bend * turn * a - t) - d * s) * y * one;
    return to;
}

// The answers at one place.   x: v 2^-e, w_bar, A
template <int OP, class S>
__device__ void answers(S* z, const S* x, const Linear<S>& to) {
    const S* c = to.c;
    if (OP == FORWARD) z[0] = c[0] * x[0];
    if (OP == VJP) {
        z[0] = c[0] * x[1] + c[1] * x[0];
        if (to.e) z[0] = ldexp(z[0], early(to.e) - to.e);
    }
    if (OP == DOUBLE_VJP) {
        z[0] = c[0] * x[2] + c[1] * x[0];
        z[1] = c[2] * x[2] + c[3] * x[1] + c[4] * x[0];
    }
}

// The numbers of one place in the type of the sums, v scaled.
template <int OP, class T, int V, class S>
__device__ void open(S* x, const Pack<T, V>* packs, int stride, int i, int e) {
    for (int k = 0; k < inputs(OP); k++) x[k] = S(packs[k * stride].x[i]);
    if (e) x[0] = ldexp(x[0], -e);
}

// The sums (or, for LARGEST, the maxima) over the threads that share threadIdx.y, for all of them,
// each in the same order. Where there are more than a warp of these, nobody else may be there.
template <int D, bool LARGEST, class S>
__device__ void reduce(S* sums) {
    __shared__ S kept[D][32];
    auto join = [](S a, S b) { return LARGEST ? fmax(a, b) : a + b; };
    for (int d = 0; d < D; d++)
        for (int lanes = 16; lanes; lanes /= 2)
            sums[d] = join(sums[d], __shfl_xor_sync(0xffffffff, sums[d], lanes));
    if (blockDim.x == 32) return;
    __syncthreads();                                            // kept may be in use from before
    if (threadIdx.x % 32 == 0)
        for (int d = 0; d < D; d++) kept[d][threadIdx.x / 32] = sums[d];
    __syncthreads();
    for (int d = 0; d < D; d++) {
        sums[d] = kept[d][0];
        for (int warp = 1; warp < blockDim.x / 32; warp++) sums[d] = join(sums[d], kept[d][warp]);
    }
}


// ---- slices that are rows of memory -------------------------------------------------------------

// blockDim.x threads to a row, each with N packs of it; blockDim.y rows to a block.
template <int OP, class T, int V, int N>
__global__ void __launch_bounds__(512, 1)
rows(T* z0, T* z1, T* by_g, const T* v, const T* w_bar, const T* A, const T* g, const T* B,
     long long K, long long m, long long form, double floor, double root) {
    using S = typename Wide<T>::type;
    constexpr int D = products(OP), IN = inputs(OP);
    const Length<S> length = {int(form), S(floor), S(root)};
    const long long k = (long long)blockIdx.x * blockDim.y + threadIdx.y;
    if (k >= K) return;                                         // a whole warp, or nobody
    const T* in[3] = {v, w_bar, A};
    T* out[2] = {z0, z1};
    const int packs = m / V;
    Pack<T, V> held[IN][N] = {};                                // 0 beyond the end of the row
    #pragma unroll
    for (int i = 0; i < N; i++) {
        const int j = threadIdx.x + i * blockDim.x;
        for (int q = 0; q < IN; q++)
            if (j < packs) held[q][i] = reinterpret_cast<const Pack<T, V>*>(in[q] + k * m)[j];
    }
    auto sum = [&](S* dots, int e) {
        for (int d = 0; d < D; d++) dots[d] = 0;
        #pragma unroll
        for (int i = 0; i < N; i++)
            for (int l = 0; l < V; l++) {
                S x[IN];
                open<OP, T, V>(x, &held[0][i], N, l, e);
                add_products<OP>(dots, x);
            }
        reduce<D, false>(dots);
    };
    S dots[D], largest = 0, slice = 0;
    int e = 0;
    sum(dots, 0);
    if (leaves_range(dots[VV])) {
        #pragma unroll
        for (int i = 0; i < N; i++)
            for (int l = 0; l < V; l++) largest = fmax(largest, fabs(S(held[0][i].x[l])));
        reduce<1, true>(&largest);
        e = exponent(largest, length);
        if (e) sum(dots, e);
    }
    const Linear<S> to = solve<OP>(dots, e, S(g[k]), OP == DOUBLE_VJP ? S(B[k]) : S(0), length, slice);
    if (OP != FORWARD && threadIdx.x == 0) by_g[k] = T(slice);
    #pragma unroll
    for (int i = 0; i < N; i++) {
        const int j = threadIdx.x + i * blockDim.x;
        if (j >= packs) break;
        Pack<T, V> z[2];
        for (int l = 0; l < V; l++) {
            S x[IN], y[2];
            open<OP, T, V>(x, &held[0][i], N, l, e);
            answers<OP>(y, x, to);
            for (int q = 0; q < outputs(OP); q++) z[q].x[l] = T(y[q]);
        }
        for (int q = 0; q < outputs(OP); q++)
            reinterpret_cast<Pack<T, V>*>(out[q] + k * m)[j] = z[q];
    }
}


// ---- all other slices ---------------------------------------------------------------------------

// Where the packs of this thread are, for blockIdx.y of the parts of `part` each.
//
// Runs: B is long. Block (k, part) takes some of the A * run packs of slice k.
// Columns: B is short. v is a matrix of A lines; a thread goes down the columns of one pack.
template <bool COLUMNS, class F>
__device__ void each(long long A, long long K, unsigned run, long long part, F f) {
    const long long first = blockIdx.y * part;
    if (COLUMNS) {
        const unsigned line = run, c = blockIdx.x * blockDim.x + threadIdx.x;
        if (c >= line) return;
        const long long last = min(first + part, A);
        #pragma unroll 4
        for (long long a = first + threadIdx.y; a < last; a += blockDim.y) f(a * line + c);
    } else {
        const long long last = min(first + part, A * run);
        #pragma unroll 4
        for (long long j = first + threadIdx.x; j < last; j += blockDim.x) {
            const unsigned a = A == 1 ? 0 : unsigned(j) / run;
            f((a * K + blockIdx.x) * run + (j - (long long)a * run));
        }
    }
}

// The slice of the first of the columns of a thread, and of a block of runs.
template <bool COLUMNS, int V>
__device__ long long slice(int l, unsigned B) {
    return COLUMNS ? ((long long)(blockIdx.x * blockDim.x + threadIdx.x) * V + l) / B : blockIdx.x;
}

// partial[d, part, column]: the dot products of each part, and its largest entry as the last of
// them. Where exponents are given, only of the slices that have one.
template <int OP, class T, int V, bool COLUMNS>
__global__ void sums(typename Wide<T>::type* partial, const int* exponents, const T* v,
                     const T* w_bar, const T* A, long long lines, long long K, long long B,
                     long long run, long long part) {
    using S = typename Wide<T>::type;
    constexpr int D = products(OP), IN = inputs(OP), SETS = COLUMNS ? V : 1;
    const T* in[3] = {v, w_bar, A};
    S dots[SETS][D + 1] = {};
    int e[SETS] = {};
    const bool within = !COLUMNS || blockIdx.x * blockDim.x + threadIdx.x < run;
    bool wanted = !exponents;
    if (exponents && within)
        for (int l = 0; l < SETS; l++) {
            e[l] = exponents[slice<COLUMNS, V>(l, B)];
            wanted = wanted || e[l];
        }
    if (wanted)
        each<COLUMNS>(lines, K, run, part, [&](long long at) {
            Pack<T, V> held[IN];
            for (int q = 0; q < IN; q++) held[q] = reinterpret_cast<const Pack<T, V>*>(in[q])[at];
            for (int l = 0; l < V; l++) {
                const int set = COLUMNS ? l : 0;
                S x[IN];
                open<OP, T, V>(x, held, 1, l, e[set]);
                add_products<OP>(dots[set], x);
                dots[set][D] = fmax(dots[set][D], fabs(x[0]));
            }
        });
    const long long columns = (long long)gridDim.y * (COLUMNS ? K * B : K);
    if constexpr (COLUMNS) {
        // The threads of one pack of columns are blockDim.x = 32 apart, blockDim.y = 8 of them.
        __shared__ S kept[8][32];
        #pragma unroll
        for (int l = 0; l < V; l++)
            #pragma unroll
            for (int d = 0; d <= D; d++) {
                __syncthreads();
                kept[threadIdx.y][threadIdx.x] = dots[l][d];
                __syncthreads();
                if (threadIdx.y || !wanted || !within) continue;
                S sum = kept[0][threadIdx.x];
                for (int q = 1; q < 8; q++) {
                    const S next = kept[q][threadIdx.x];
                    sum = d == D ? fmax(sum, next) : sum + next;
                }
                const long long c = (long long)(blockIdx.x * blockDim.x + threadIdx.x) * V + l;
                partial[d * columns + blockIdx.y * K * B + c] = sum;
            }
    } else {
        if (!wanted) return;                                    // the whole block
        reduce<D, false>(dots[0]);
        reduce<1, true>(dots[0] + D);
        if (threadIdx.x == 0)
            for (int d = 0; d <= D; d++)
                partial[d * columns + blockIdx.y * K + blockIdx.x] = dots[0][d];
    }
}

// The coefficients of each slice, from the sums of its parts: blockDim.x threads to a slice. In the
// first pass a slice that must be scaled gets an exponent instead; the second serves these.
template <int OP, class T>
__global__ void finish(typename Wide<T>::type* coefficients, int* exponents, T* by_g,
                       const typename Wide<T>::type* partial, const T* g, const T* B,
                       long long K, long long parts, long long width, long long second,
                       long long form, double floor, double root) {
    using S = typename Wide<T>::type;
    constexpr int D = products(OP);
    const Length<S> length = {int(form), S(floor), S(root)};
    const long long k = (long long)blockIdx.x * blockDim.y + threadIdx.y;
    if (k >= K || (second && !exponents[k])) return;            // a whole warp, or the block
    S dots[D + 1] = {}, slice = 0;
    for (long long t = threadIdx.x; t < parts * width; t += blockDim.x)
        for (int d = 0; d <= D; d++) {
            const S next = partial[((d * parts + t / width) * K + k) * width + t % width];
            dots[d] = d == D ? fmax(dots[d], next) : dots[d] + next;
        }
    reduce<D, false>(dots);
    reduce<1, true>(dots + D);
    const int e = second ? exponents[k] : leaves_range(dots[VV]) ? exponent(dots[D], length) : 0;
    __syncwarp();
    if (threadIdx.x) return;
    exponents[k] = e;
    if (e && !second) return;
    const Linear<S> to = solve<OP>(dots, e, S(g[k]), OP == DOUBLE_VJP ? S(B[k]) : S(0), length, slice);
    for (int i = 0; i < 5; i++) coefficients[k * 5 + i] = to.c[i];
    if (OP != FORWARD) by_g[k] = T(slice);
}

template <int OP, class T, int V, bool COLUMNS>
__global__ void apply(T* z0, T* z1, const typename Wide<T>::type* coefficients,
                      const int* exponents, const T* v, const T* w_bar, const T* A,
                      long long lines, long long K, long long B, long long run, long long part) {
    using S = typename Wide<T>::type;
    constexpr int IN = inputs(OP), SETS = COLUMNS ? V : 1;
    const T* in[3] = {v, w_bar, A};
    T* out[2] = {z0, z1};
    Linear<S> to[SETS];
    if (COLUMNS && blockIdx.x * blockDim.x + threadIdx.x >= run) return;
    for (int l = 0; l < SETS; l++) {
        const long long k = slice<COLUMNS, V>(l, B);
        for (int i = 0; i < 5; i++) to[l].c[i] = coefficients[k * 5 + i];
        to[l].e = exponents[k];
    }
    each<COLUMNS>(lines, K, run, part, [&](long long at) {
        Pack<T, V> held[IN], z[2];
        for (int q = 0; q < IN; q++) held[q] = reinterpret_cast<const Pack<T, V>*>(in[q])[at];
        for (int l = 0; l < V; l++) {
            S x[IN], y[2];
            open<OP, T, V>(x, held, 1, l, to[COLUMNS ? l : 0].e);
            answers<OP>(y, x, to[COLUMNS ? l : 0]);
            for (int q = 0; q < outputs(OP); q++) z[q].x[l] = T(y[q]);
        }
        for (int q = 0; q < outputs(OP); q++) reinterpret_cast<Pack<T, V>*>(out[q])[at] = z[q];
    });
}
