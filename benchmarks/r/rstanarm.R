# rstanarm: the same model; covariances have decov priors (regularisation 2), which the others do not have.
# Arguments: CSV, chains, draws, warm-up, seed. Prints one line of JSON.
arguments <- commandArgs(trailingOnly = TRUE)
for (package in c("rstanarm", "posterior")) {
  if (!requireNamespace(package, quietly = TRUE)) {
    cat(sprintf('{"skipped": "the R package %s is not installed"}\n', package))
    quit(status = 0)
  }
}
suppressPackageStartupMessages(library(rstanarm))
numbers <- as.integer(arguments[2:5])
table <- read.csv(arguments[[1]])
fit <- stan_lmer(
  y ~ time + arm + baseline + arm_time + (time | client) + (time | therapist),
  data = table, prior = normal(0, 1), prior_intercept = normal(0, 1.5), prior_aux = normal(0, 1),
  prior_covariance = decov(regularization = 2), chains = numbers[[1]], iter = numbers[[2]] + numbers[[3]],
  warmup = numbers[[3]], seed = numbers[[4]], cores = parallel::detectCores(), refresh = 0, adapt_delta = 0.8
)
array <- as.array(fit)
of <- function(name) array[, , name]
found <- list(
  intercept = of("(Intercept)"), time = of("time"), arm = of("arm"), baseline = of("baseline"),
  arm_time = of("arm_time"), sd_residual = of("sigma")
)
for (unit in c("client", "therapist")) {
  level <- of(sprintf("Sigma[%s:(Intercept),(Intercept)]", unit))
  slope <- of(sprintf("Sigma[%s:time,time]", unit))
  found[[paste0("sd_", unit, "_intercept")]] <- sqrt(level)
  found[[paste0("sd_", unit, "_time")]] <- sqrt(slope)
  found[[paste0("cor_", unit)]] <- of(sprintf("Sigma[%s:time,(Intercept)]", unit)) / sqrt(level * slope)
}
json <- function(values) {
  text <- format(values, digits = 10, scientific = FALSE, trim = TRUE)
  paste0("{", paste0('"', names(values), '": ', text, collapse = ", "), "}")
}
each <- function(f) vapply(found, f, numeric(1))
ess <- each(posterior::ess_bulk)
cat(sprintf(
  '{"sampler": "nuts", "remark": "%s, rstanarm %s", "ess_min": %f, "rhat_max": %f, "ess": %s, "mean": %s, "sd": %s}\n',
  R.version.string, packageVersion("rstanarm"), min(ess), max(each(posterior::rhat)), json(ess), json(each(mean)),
  json(each(function(x) stats::sd(as.vector(x))))
))
