/* Weight normalisation, w = g v / |v|, behind a pipe: C99 and its own library.

       cc -O2 weight_norm.c -o weight_norm -lm
       minwn check --pipe ./weight_norm

   REAL and DTYPE make it another type: -DREAL=float -DDTYPE='"float32"'. MISTAKE plants one:
   1 no projection, 2 n^3 in place of n^2, 3 the norm of the whole, 4 the last slice left out. */

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
    int count = 0;
    for (; *at != ']' && count < RANK; at++)
        if (*at != '[' && *at != ',') {
            char *end;
            out[count++] = strtol(at, &end, 10);
            at = end - 1;
        }
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

static void answer(const char *op)
{
    long shape[RANK], g_shape[RANK];
    int rank = sizes("shape", shape), g_rank = sizes("g_shape", g_shape);
    long size = product(shape, rank), slices = product(g_shape, g_rank);
    int backward = strncmp(op, "\"backward", 9) == 0;

    REAL *v = numbers("v", size), *g = numbers("g", slices);
    REAL *w_bar = backward ? numbers("w_bar", size) : calloc(size + 1, sizeof *w_bar);
    REAL *n = calloc(slices + 1, sizeof *n), *d = calloc(slices + 1, sizeof *d), all = 0;
    REAL *out = calloc(size + 1, sizeof *out), *g_bar = calloc(slices + 1, sizeof *g_bar);
    long *slice = malloc((size + 1) * sizeof *slice);

    for (long i = 0; i < size; i++) {
        slice[i] = slice_of(i, rank, shape, g_shape, g_rank);
        n[slice[i]] += v[i] * v[i];
        d[slice[i]] += w_bar[i] * v[i];
        all += v[i] * v[i];
    }
    for (long k = 0; k < slices; k++) {
        n[k] = (REAL)sqrt(MISTAKE == 3 ? all : n[k]);
        g_bar[k] = size ? d[k] / n[k] : 0;
    }
    for (long i = 0; i < size; i++) {
        long k = slice[i];
        REAL along = d[k] / (n[k] * n[k]);
        if (MISTAKE == 1)
            along = 0;
        if (MISTAKE == 2)
            along /= n[k];
        out[i] = g[k] / n[k] * (backward ? w_bar[i] - along * v[i] : v[i]);
        if (MISTAKE == 4 && backward && slices > 1 && k == slices - 1)
            out[i] = 0;
    }
    say_numbers(backward ? "v_bar" : "w", out, size);
    if (backward)
        say_numbers("g_bar", g_bar, slices);
    free(v), free(g), free(w_bar), free(n), free(d), free(out), free(g_bar), free(slice);
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
            say(",\"ops\":[\"forward\",\"backward\"],\"axis\":[0],\"dtypes\":[\"" DTYPE "\"]");
        else if (strncmp(op, "\"forward\"", 9) == 0 || strncmp(op, "\"backward\"", 10) == 0)
            answer(op);
        else
            say(",\"error\":\"there is no such operation here\"");
        say("}");
        puts(reply);
        fflush(stdout);
    }
    return 0;
}
