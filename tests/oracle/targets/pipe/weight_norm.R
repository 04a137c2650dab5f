# Weight normalisation, w = g v / |v|, behind a pipe: base R alone.
#
#     minwn check --pipe "Rscript weight_norm.R"
#
# With an argument, a mistake is planted: "no_projection", or "scalar_g".

mistake <- c(commandArgs(trailingOnly = TRUE), "")[1]

# ---- weight normalisation: x is in the order of the pipe, k the slice of each of its entries ----

total <- function(x, k, slices) vapply(seq_len(slices), function(i) sum(x[k == i]), 0)

forward <- function(v, g, k) {
  n <- sqrt(total(v * v, k, length(g)))
  list(w = (g / n)[k] * v)
}

backward <- function(w_bar, v, g, k) {
  n <- sqrt(total(v * v, k, length(g)))
  d <- total(w_bar * v, k, length(g))
  g_bar <- ifelse(tabulate(k, length(g)) == 0, 0, d / n)
  along <- if (mistake == "no_projection") 0 * d else d / n^2
  if (mistake == "scalar_g") g_bar[] <- sum(g_bar)
  list(v_bar = (g / n)[k] * (w_bar - along[k] * v), g_bar = g_bar)
}

# The entry of g to which each entry of v belongs; an axis of size 1 in g is one that a norm runs
# over, and no sizes at all are one norm of the whole.
slices <- function(shape, g_shape) {
  k <- rep(1, prod(shape))
  if (length(g_shape) == 0) return(k)
  at <- seq_along(k) - 1
  stride <- 1
  for (a in rev(seq_along(shape))) {
    if (g_shape[a] == shape[a]) {
      k <- k + at %% shape[a] * stride
      stride <- stride * shape[a]
    }
    at <- at %/% shape[a]
  }
  k
}

# ---- JSON: requests have no spaces, so that a key can be looked for as it stands ----

text_of <- function(line, key, pattern) {
  found <- regmatches(line, regexec(sprintf('"%s":%s', key, pattern), line))[[1]]
  if (length(found)) found[2] else ""
}

# R reads "0x1.8p+1", and "inf" and "nan", as numbers.
numbers <- function(line, key) {
  text <- gsub('"', "", text_of(line, key, "\\[([^]]*)\\]"))
  if (text == "") numeric(0) else as.numeric(strsplit(text, ",")[[1]])
}

array_text <- function(name, x) {
  entries <- if (length(x)) paste0('"', sprintf("%a", x), '"', collapse = ",") else ""
  sprintf('"%s":[%s]', name, entries)
}

answer <- function(line) {
  op <- text_of(line, "op", '"([a-z_]*)"')
  if (op == "hello") {
    return('"ops":["forward","backward"],"name":"weight_norm.R","axis":[0]')
  }
  k <- slices(numbers(line, "shape"), numbers(line, "g_shape"))
  v <- numbers(line, "v")
  g <- numbers(line, "g")
  found <- switch(op,
    forward = forward(v, g, k),
    backward = backward(numbers(line, "w_bar"), v, g, k),
    return('"error":"there is no such operation here"')
  )
  paste(mapply(array_text, names(found), found), collapse = ",")
}

input <- file("stdin", open = "r")
while (length(line <- readLines(input, n = 1)) > 0) {
  cat(sprintf('{"id":%s,%s}\n', text_of(line, "id", "([0-9]+)"), answer(line)))
  flush(stdout())
}
