/* Weight normalisation, w = g v / |v|, and a convolution of images with it, behind a pipe: C99 and
   its own library.

       cc -O2 weight_norm.c -o weight_norm -lm
       minwn check --pipe ./weight_norm
       minwn check --pipe ./weight_norm --kind conv2d --stride 2 --padding 1

   REAL and DTYPE make it another type: -DREAL=float -DDTYPE='"float32"'. MISTAKE plants one:
   1 no projection, 2 n^3 in place of n^2, 3 the norm of the whole, 4 the last slice left out; in
   the convolution, 5 windows assigned and not added, 6 taps in reversed order on the way to x_bar. */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef REAL
#define REAL double
#define DTYPE "float64"
#endif
#ifndef MISTAKE
#define MISTAKE 0
#endif

enum { RANK = 8, ROOM = 1 << 20 };

static char *line, *reply;
static size_t line_size, reply_size, reply_used;

/* ---- JSON: requests have no spaces, so that a key can be looked for as it stands ---- */

static const char *after(const char *key)
{
    char quoted[32];
    snprintf(quoted, sizeof quoted, "\"%s\":", key);
    const char *at = strstr(line, quoted);
    return at ? at + strlen(quoted) : NULL;
}

static int sizes(const char *key, long *out)
{
    const char *at = after(key);
    int count = 0, depth = 0;
    do {
        depth += (*at == '[') - (*at == ']');
        if (strchr("0123456789", *at) && count < RANK) {
            char *end;
            out[count++] = strtol(at, &end, 10);
            at = end - 1;
        }
        at++;
    } while (depth);
    return count;
}

static REAL *numbers(const char *key, long count)
{
    REAL *x = malloc((count + 1) * sizeof *x);
    const char *at = after(key);
    for (long i = 0; i < count; i++) {
        char *end;
        at = strchr(at, '"') + 1;
        x[i] = (REAL)strtod(at, &end); /* exact: the numbers are of this type */
        at = end + 1;
    }
    return x;
}

static void say(const char *text)
{
    size_t length = strlen(text);
    if (reply_used + length + 1 > reply_size)
        reply = realloc(reply, reply_size = 2 * (reply_size + length + ROOM));
    memcpy(reply + reply_used, text, length + 1);
    reply_used += length;
}

static void say_numbers(const char *key, const REAL *x, long count)
{
    char text[64];
    snprintf(text, sizeof text, ",\"%s\":[", key);
    say(text);
    for (long i = 0; i < count; i++) {
        snprintf(text, sizeof text, i ? ",\"%a\"" : "\"%a\"", (double)x[i]);
        say(text);
    }
    say("]");
}

/* ---- weight normalisation ---- */

/* The entry of g to which the entry i of v belongs; an axis of size 1 in g is one of a norm. */
static long slice_of(long i, int rank, const long *shape, const long *g_shape, int g_rank)
{
    long slice = 0, stride = 1;
    for (int a = rank - 1; a >= 0; a--) {
        if (g_rank && g_shape[a] == shape[a]) {
            slice += i % shape[a] * stride;
            stride *= shape[a];
        }
        i /= shape[a];
    }
    return slice;
}

static long product(const long *sizes, int rank)
{
    long count = 1;
    for (int a = 0; a < rank; a++)
        count *= sizes[a];
    return count;
}

static REAL *zeros(long count) { return calloc(count + 1, sizeof(REAL)); }

/* w into out, or, where there is w_bar, v_bar into out and g_bar. */
static void normalise(const REAL *w_bar, const REAL *v, const REAL *g, long size,
                      const long *slice, long slices, REAL *out, REAL *g_bar)
{
    REAL *n = zeros(slices), *d = zeros(slices), all = 0;
    for (long i = 0; i < size; i++) {
        n[slice[i]] += v[i] * v[i];
        d[slice[i]] += w_bar ? w_bar[i] * v[i] : 0;
        all += v[i] * v[i];
    }
    for (long k = 0; k < slices; k++) {
        n[k] = (REAL)sqrt(MISTAKE == 3 ? all : n[k]);
        if (w_bar)
            g_bar[k] = size ? d[k] / n[k] : 0;
    }
    for (long i = 0; i < size; i++) {
        long k = slice[i];
        REAL along = d[k] / (n[k] * n[k]);
        if (MISTAKE == 1)
            along = 0;
        if (MISTAKE == 2)
            along /= n[k];
        out[i] = g[k] / n[k] * (w_bar ? w_bar[i] - along * v[i] : v[i]);
        if (MISTAKE == 4 && w_bar && slices > 1 && k == slices - 1)
            out[i] = 0;
    }
    free(n), free(d);
}

static void answer(int backward)
{
    long shape[RANK], g_shape[RANK];
    int rank = sizes("shape", shape), g_rank = sizes("g_shape", g_shape);
    long size = product(shape, rank), slices = product(g_shape, g_rank);
    REAL *v = numbers("v", size), *g = numbers("g", slices);
    REAL *w_bar = backward ? numbers("w_bar", size) : NULL;
    REAL *out = zeros(size), *g_bar = zeros(slices);
    long *slice = malloc((size + 1) * sizeof *slice);
    for (long i = 0; i < size; i++)
        slice[i] = slice_of(i, rank, shape, g_shape, g_rank);
    normalise(w_bar, v, g, size, slice, slices, out, g_bar);
    say_numbers(backward ? "v_bar" : "w", out, size);
    if (backward)
        say_numbers("g_bar", g_bar, slices);
    free(v), free(g), free(w_bar), free(out), free(g_bar), free(slice);
}

/* ---- y[n,o,p] = b[o] + sum w[o,c,k] x[n,c,q], where q = stride p + dilation k - before ---- */

static void layer(int backward)
{
    long x_[RANK], w_[RANK], y_[RANK], stride[RANK], dilation[RANK], padding[RANK];
    sizes("x_shape", x_), sizes("w_shape", w_), sizes("y_shape", y_);
    sizes("stride", stride), sizes("dilation", dilation), sizes("padding", padding);
    long x_size = product(x_, 4), w_size = product(w_, 4), y_size = product(y_, 4);
    long N = x_[0], O = y_[1], C = w_[1], groups = strtol(after("groups"), NULL, 10);
    REAL *x = numbers("x", x_size), *v = numbers("v", w_size), *g = numbers("g", O);
    REAL *b = numbers("b", O), *y_bar = backward ? numbers("y_bar", y_size) : zeros(y_size);
    REAL *w = zeros(w_size), *y = zeros(y_size), *x_bar = zeros(x_size), *w_bar = zeros(w_size);
    REAL *v_bar = zeros(w_size), *g_bar = zeros(O), *b_bar = zeros(O);
    long *slice = malloc((w_size + 1) * sizeof *slice);
    for (long i = 0; i < w_size; i++)
        slice[i] = i / (w_size / O);
    normalise(NULL, v, g, w_size, slice, O, w, NULL);

    for (long n = 0; n < N; n++)
    for (long c = 0; c < x_[1]; c++)
    for (long p0 = 0; p0 < y_[2]; p0++)
    for (long p1 = 0; p1 < y_[3]; p1++)
    for (long k0 = 0; k0 < w_[2]; k0++)
    for (long k1 = 0; k1 < w_[3]; k1++) {
        long q0 = stride[0] * p0 + dilation[0] * k0 - padding[0];
        long q1 = stride[1] * p1 + dilation[1] * k1 - padding[2];
        if (q0 < 0 || q0 >= x_[2] || q1 < 0 || q1 >= x_[3])
            continue;
        long at_x = ((n * x_[1] + c) * x_[2] + q0) * x_[3] + q1;
        REAL sum = 0;
        for (long o = c / C * (O / groups); o < (c / C + 1) * (O / groups); o++) {
            long at_w = ((o * C + c % C) * w_[2] + k0) * w_[3] + k1;
            long at_y = ((n * O + o) * y_[2] + p0) * y_[3] + p1;
            y[at_y] += w[at_w] * x[at_x];
            w_bar[at_w] += y_bar[at_y] * x[at_x];
            if (MISTAKE == 6)
                at_w += (w_[2] - 1 - 2 * k0) * w_[3] + w_[3] - 1 - 2 * k1;
            sum += w[at_w] * y_bar[at_y];
        }
        x_bar[at_x] = sum + (MISTAKE == 5 ? 0 : x_bar[at_x]);
    }
    for (long i = 0; i < y_size; i++) {
        long o = i / (y_[2] * y_[3]) % O;
        y[i] += b[o];
        b_bar[o] += y_bar[i];
    }

    if (backward) {
        normalise(w_bar, v, g, w_size, slice, O, v_bar, g_bar);
        say_numbers("x_bar", x_bar, x_size);
        say_numbers("v_bar", v_bar, w_size);
        say_numbers("g_bar", g_bar, O);
        say_numbers("b_bar", b_bar, O);
    } else {
        say_numbers("y", y, y_size);
    }
    free(x), free(v), free(g), free(b), free(y_bar), free(w), free(y), free(x_bar), free(w_bar);
    free(v_bar), free(g_bar), free(b_bar), free(slice);
}

/* ---- lines ---- */

static int read_line(void)
{
    size_t used = 0;
    if (!line)
        line = malloc(line_size = ROOM);
    while (fgets(line + used, (int)(line_size - used), stdin)) {
        used += strlen(line + used);
        if (line[used - 1] == '\n')
            return 1;
        line = realloc(line, line_size *= 2);
    }
    return 0;
}

int main(void)
{
    while (read_line()) {
        char id[32];
        const char *op = after("op");
        reply_used = 0;
        snprintf(id, sizeof id, "{\"id\":%ld", strtol(after("id"), NULL, 10));
        say(id);
        if (strncmp(op, "\"hello\"", 7) == 0)
            say(",\"ops\":[\"forward\",\"backward\",\"layer_forward\",\"layer_backward\"],"
                "\"axis\":[0],\"layer\":{\"kind\":\"conv2d\"},\"dtypes\":[\"" DTYPE "\"]");
        else if (strncmp(op, "\"forward\"", 9) == 0 || strncmp(op, "\"backward\"", 10) == 0)
            answer(op[1] == 'b');
        else if (strncmp(op, "\"layer_", 7) == 0)
            layer(op[7] == 'b');
        else
            say(",\"error\":\"there is no such operation here\"");
        say("}");
        puts(reply);
        fflush(stdout);
    }
    return 0;
}
