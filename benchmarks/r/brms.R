# brms: the same model and priors, four chains on the cores that are there. Arguments: CSV, chains, draws, warm-up, seed.
# Prints one line of JSON; the effective sample sizes are those of the posterior package (same definition).
arguments <- commandArgs(trailingOnly = TRUE)
for (package in c("brms", "posterior")) {
  if (!requireNamespace(package, quietly = TRUE)) {
    cat(sprintf('{"skipped": "the R package %s is not installed"}\n', package))
    quit(status = 0)
  }
}
suppressPackageStartupMessages(library(brms))
numbers <- as.integer(arguments[2:5])
table <- read.csv(arguments[[1]])
priors <- c(
  set_prior("normal(0, 1)", class = "b"),
  set_prior("normal(0, 1.5)", class = "b", coef = "Intercept"),
  set_prior("normal(0, 1)", class = "sd", group = "client", coef = "Intercept"),
  set_prior("normal(0, 0.5)", class = "sd", group = "client", coef = "time"),
  set_prior("normal(0, 0.24)", class = "sd", group = "therapist"),
  set_prior("normal(0, 1)", class = "sigma"),
  set_prior("lkj(2)", class = "cor")
)
fit <- brm(
  y ~ 0 + Intercept + time + arm + baseline + arm_time + (1 + time | client) + (1 + time | therapist),
  data = table, prior = priors, chains = numbers[[1]], iter = numbers[[2]] + numbers[[3]], warmup = numbers[[3]],
  seed = numbers[[4]], cores = parallel::detectCores(), refresh = 0, control = list(adapt_delta = 0.8)
)
own <- c(
  intercept = "b_Intercept", time = "b_time", arm = "b_arm", baseline = "b_baseline", arm_time = "b_arm_time",
  sd_client_intercept = "sd_client__Intercept", sd_client_time = "sd_client__time",
  cor_client = "cor_client__Intercept__time",
  sd_therapist_intercept = "sd_therapist__Intercept", sd_therapist_time = "sd_therapist__time",
  cor_therapist = "cor_therapist__Intercept__time", sd_residual = "sigma"
)
draws <- posterior::as_draws_array(fit)
of <- function(f) vapply(own, function(name) f(posterior::extract_variable_matrix(draws, name)), numeric(1))
json <- function(values) {
  text <- format(values, digits = 10, scientific = FALSE, trim = TRUE)
  paste0("{", paste0('"', names(values), '": ', text, collapse = ", "), "}")
}
ess <- of(posterior::ess_bulk)
cat(sprintf(
  '{"sampler": "nuts", "remark": "%s, brms %s", "ess_min": %f, "rhat_max": %f, "ess": %s, "mean": %s, "sd": %s}\n',
  R.version.string, packageVersion("brms"), min(ess), max(of(posterior::rhat)), json(ess), json(of(mean)),
  json(of(function(x) stats::sd(as.vector(x))))
))
