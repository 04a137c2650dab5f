/* The inputs of a case, from section 6 of FORMAT.md alone. For each name on stdin, such as
   G-0007/axis=0/float32/plain, the lines v, g, w_bar, A and B, in hexadecimal. */

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM = 1 << 15 };
enum { MOST_RANK = 5, WHOLE = -1 };

static uint64_t x;
static int p, L, Q, bits; /* bits: the digits that `real` draws */
static double v[ROOM], g[ROOM], w_bar[ROOM], A[ROOM], B[ROOM];
static int rows, m, drawn; /* drawn: whether there are A and B */

static uint64_t step(void) { return x = 6364136223846793005u * x + 1442695040888963407u; }

static int integer(int a, int b)
{
    return a + (int)((step() >> 32) * (uint64_t)(b - a + 1) >> 32);
}

static double real(int a, int b)
{
    uint64_t now = step(), K = now >> (64 - bits) & (((uint64_t)1 << (bits - 1)) - 1);
    int e = integer(a, b);
    double size = ldexp((double)(((uint64_t)1 << (bits - 1)) + K), e - bits + 1);
    return now >> 63 ? -size : size;
}

static void reals(double *out, int count, int a, int b)
{
    for (int i = 0; i < count; i++)
        out[i] = real(a, b);
}

static void second(void)
{
    reals(A, rows * m, -1, 0);
    reals(B, rows, -1, 0);
    drawn = 1;
}

static void dyadic(int number)
{
    static const char *const lists[] = {
        "1111", "1111222", "1111111122", "1111222444", "1111222222244",
        "11123", "11237", "34", "122", "236",
    };
    int kind = number % 6;
    const char *list = lists[kind < 5 ? kind : 5 + number / 6 % 5];
    rows = 3, m = (int)strlen(list);
    for (int i = 0; i < rows; i++) {
        double *slice = v + i * m;
        for (int j = 0; j < m; j++)
            slice[j] = list[j] - '0';
        for (int j = m - 1; j > 0; j--) {
            int k = integer(0, j);
            double kept = slice[j];
            slice[j] = slice[k], slice[k] = kept;
        }
        for (int j = 0; j < m; j++)
            slice[j] = integer(0, 1) ? -slice[j] : slice[j];
        double scale = ldexp(1, integer(-1, 1));
        for (int j = 0; j < m; j++)
            slice[j] *= scale;
    }
    for (int i = 0; i < rows; i++)
        g[i] = integer(1, 3) * (i == 1 ? -1 : 1);
    for (int i = 0; i < rows * m; i++)
        w_bar[i] = integer(-3, 3);
    for (int i = 0; i < rows * m; i++)
        A[i] = integer(-3, 3);
    for (int i = 0; i < rows; i++)
        B[i] = integer(-3, 3);
    drawn = 1;
}

static void generic(void)
{
    int r = integer(0, rows > 0 ? rows - 1 : 0);
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < m; j++)
            v[i * m + j] = ldexp(real(0, 1), rows > 5 ? 0 : 2 * ((i + r) % rows) - rows + 1);
    for (int i = 0; i < rows; i++)
        g[i] = fabs(real(-2, 1)) * ((i + r) % 2 ? -1 : 1);
    reals(w_bar, rows * m, 0, 1);
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < m; j++) {
            double *y = &w_bar[i * m + j];
            *y = j % 3 == 2 ? *y / 4 : copysign(*y, i / 2 % 2 ? -v[i * m + j] : v[i * m + j]);
        }
    second();
}

static void angle(int number)
{
    static const int angles[] = {0, 3, 7, 10, 13, 17, 20, 23};
    int t = angles[number / 2 % 8];
    rows = 4, m = 6;
    for (int i = 0; i < rows * m; i++) {
        uint64_t now = step(), K = now >> (65 - p) & (((uint64_t)1 << (p - 2)) - 1);
        v[i] = (1.25 + ldexp((double)K, 1 - p)) * (now >> 63 ? -1 : 1);
    }
    reals(g, rows, -1, 1);
    for (int i = 0; i < rows * m; i++) {
        double u = number % 2 ? (i % 2 ? -v[i - 1] : v[i + 1]) : v[i];
        double y = u + integer(-1, 1) * ldexp(1, -t);
        int exponent;
        frexp(y, &exponent);
        w_bar[i] = ldexp(rint(ldexp(y, p - exponent)), exponent - p);
    }
    second();
}

static int floored(int a, int b) { return (int)floor((double)a / b); }

static void range(int number)
{
    int line = number % 13, top = L - 6, small = p + 5 - L;
    int table[13][3] = {
        {L - 4, 0, 0}, {L / 2 + 2, 0, 0}, {-(3 * L / 4), 0, 0}, {1 - L, -9, 0},
        {Q + 6, Q + L - 8, 0}, {0, L - 6, -6}, {0, 1 - L, 6}, {0, -6, L - 8},
        {top, floored(top, 2), top - floored(top, 2)},
        {small, floored(small, 2), small - floored(small, 2)},
        {0, 0, 0}, {0, 0, 0}, {0, 0, 0},
    };
    int slices_v[] = {L - 6, 1 - L, 0}, slices_g[] = {0, -9, 0};
    int entries[] = {0, -p, -(L / 2), 1 - L};
    bits = 6, rows = 3, m = 4 + number / 13;
    for (int i = 0; i < rows * m; i++) {
        int j = i % m, e = line == 10 ? slices_v[i / m] : table[line][0];
        v[i] = ldexp(real(0, 1), e + (line == 11 && j < 4 ? entries[j] : 0));
    }
    for (int i = 0; i < rows; i++)
        g[i] = ldexp(real(0, 1), line == 10 ? slices_g[i] : table[line][1]) * (line != 12);
    for (int i = 0; i < rows * m; i++)
        w_bar[i] = ldexp(real(0, 1), table[line][2]);
}

static void undefined(int number)
{
    int line = number % 10;
    rows = 4, m = 3;
    generic();
    for (int i = line == 1 ? 0 : 3; i < (line == 1 ? 12 : 6) && line < 3; i++)
        v[i] = line == 2 ? -0.0 : 0.0;
    if (line == 3 || line == 4)
        v[4] = line == 3 ? INFINITY : NAN;
    if (line == 5 || line == 8)
        w_bar[4] = line == 8 ? INFINITY : NAN;
    if (line == 6 || line == 7)
        g[1] = line == 6 ? INFINITY : NAN;
    for (int j = 0; j < m && line == 9; j++)
        v[3 + j] = ldexp(1, 4 - L / 2 + j), g[1] = -ldexp(1, L);
}

static void longer(int number)
{
    static const int lengths[] = {2, 3, 17, 64, 257, 1024, 4096, 8192};
    rows = 2, m = lengths[number % 8];
    reals(v, rows * m, -2, -1);
    reals(g, rows, -1, 0);
    reals(w_bar, rows * m, -2, -1);
    second();
}

/* ---- shapes: kept has a bit for each axis that keeps a norm ---- */

static int shape[MOST_RANK], rank, kept;

static int count_of(int set) { return set ? (set & 1) + count_of(set >> 1) : 0; }

/* Whether set comes before other in a dictionary: the first axis in one of them alone is in it. */
static int before(int set, int other)
{
    int differ = set ^ other;
    return (set & differ & -differ) != 0;
}

/* The set of so many axes that follows another one; 0 after the last, and the first after 0. */
static int next_set(int count, int after)
{
    int best = 0;
    for (int set = 1; set < 1 << rank; set++)
        if (count_of(set) == count && (!after || before(after, set)))
            if (!best || before(set, best))
                best = set;
    return best;
}

static void axes(int number)
{
    static const char *const shapes[] = {
        "5", "34", "234", "2534", "23154", "14", "41", "312", "11", "03", "30", "203",
    };
    int place = 0;
    for (int s = 0; s < 12; s++) {
        rank = (int)strlen(shapes[s]);
        for (int a = 0; a < rank; a++)
            shape[a] = shapes[s][a] - '0';
        kept = WHOLE;
        if (place++ == number)
            return;
        for (int count = 1; count <= 3 && count <= rank; count++)
            for (kept = next_set(count, 0); kept; kept = next_set(count, kept))
                if (place++ == number)
                    return;
    }
}

/* Where the entry i of the array is among the slices, one after the other. */
static int place(int i)
{
    int slice = 0, entry = 0, slices = 1, entries = 1;
    for (int a = rank - 1; a >= 0; a--) {
        int at = i % shape[a];
        i /= shape[a];
        if (kept != WHOLE && kept >> a & 1)
            slice += at * slices, slices *= shape[a];
        else
            entry += at * entries, entries *= shape[a];
    }
    return slice * m + entry;
}

static void print_array(const char *name, const double *y, int like_v)
{
    printf("%s", name);
    for (int i = 0; i < (like_v ? rows * m : rows); i++) {
        double z = y[like_v ? place(i) : i];
        printf(isnan(z) ? " nan" : " %a", z); /* no sign before nan */
    }
    printf("\n");
}

int main(void)
{
    char letter, dtype[16];
    int number;
    while (scanf(" %c-%d/axis=%*[^/]/%15[a-z0-9]/%*s", &letter, &number, dtype) == 3) {
        int half = !strcmp(dtype, "float16"), brain = !strcmp(dtype, "bfloat16");
        int single = !strcmp(dtype, "float32");
        p = bits = half ? 11 : brain ? 8 : single ? 24 : 53;
        L = half ? 15 : brain || single ? 127 : 1023;
        Q = half ? -24 : brain ? -133 : single ? -149 : -1074;
        x = ((uint64_t)(unsigned char)letter << 32) + (uint64_t)number;
        drawn = rank = 0;
        switch (letter) {
        case 'D': dyadic(number); break;
        case 'G':
            rows = integer(4, 5), m = integer(2, 8), m += m == rows ? 5 : 0;
            generic();
            break;
        case 'A': angle(number); break;
        case 'R': range(number); break;
        case 'Z': undefined(number); break;
        case 'M': longer(number); break;
        case 'X':
            axes(number);
            rows = m = 1;
            for (int a = 0; a < rank; a++)
                *(kept != WHOLE && kept >> a & 1 ? &rows : &m) *= shape[a];
            generic();
        }
        if (letter != 'X')
            rank = 2, shape[0] = rows, shape[1] = m, kept = 1;
        print_array("v", v, 1);
        print_array("g", g, 0);
        print_array("w_bar", w_bar, 1);
        if (drawn) {
            print_array("A", A, 1);
            print_array("B", B, 0);
        }
        printf("\n");
    }
    return 0;
}
