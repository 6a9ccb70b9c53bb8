# lme4: the same model by REML. Arguments: CSV, chains, draws, warm-up, seed (the last four are not used).
# Prints one line of JSON.
arguments <- commandArgs(trailingOnly = TRUE)
if (!requireNamespace("lme4", quietly = TRUE)) {
  cat('{"skipped": "the R package lme4 is not installed"}\n')
  quit(status = 0)
}
table <- read.csv(arguments[[1]])
fit <- lme4::lmer(y ~ time + arm + baseline + arm_time + (time | client) + (time | therapist), table)
fixed <- lme4::fixef(fit)
parts <- lme4::VarCorr(fit)
found <- c(
  intercept = fixed[["(Intercept)"]], time = fixed[["time"]], arm = fixed[["arm"]],
  baseline = fixed[["baseline"]], arm_time = fixed[["arm_time"]], sd_residual = sigma(fit)
)
for (unit in c("client", "therapist")) {
  sds <- attr(parts[[unit]], "stddev")
  found[paste0("sd_", unit, "_intercept")] <- sds[[1]]
  found[paste0("sd_", unit, "_time")] <- sds[[2]]
  found[paste0("cor_", unit)] <- attr(parts[[unit]], "correlation")[1, 2]
}
means <- paste0('"', names(found), '": ', format(found, digits = 10, scientific = FALSE, trim = TRUE), collapse = ", ")
remark <- paste(R.version.string, "lme4", packageVersion("lme4"), if (lme4::isSingular(fit)) "singular" else "")
cat(sprintf('{"sampler": "REML", "remark": "%s", "mean": {%s}}\n', trimws(remark), means))
