"""What is true: the correctly rounded answers, how far from them one may be, and what proves both.

truth           w, v_bar, g_bar, and the second order, by an exact and a cross-checking route
exact           the exact route: integers and square roots
cross_check     the other route: 80 digits, and differences instead of derivatives
double_double   the same answers for many slices at once, each with a proof of its rounding
error_bounds    how far a right evaluation may be from them, by rounding
rounding        the formats, and rounding to them
layer           whole layers, by matrix products, and how far from them one may be
layer_loops     the other route to these: loops of exact fractions
slices          where a slice is in an array
"""
