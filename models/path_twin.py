"""The plain PyMC model of a path model, every latent effect written out: the reference of the marginal kernel.

One line per line of the equations in :mod:`safezone.models.path_design`. Missing ratings and unknown covariates
are unknowns under the same law; nothing loops over clients or sessions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .families import observe
from .multilevel_parameters import Parameterisation, dot, lkj_factor
from .path_design import ZERO
from .path_form import moderator
from .path_parameters import dims_of, element_priors, elements
from .priors import joint_pymc

if TYPE_CHECKING:
    import pymc as pm

    from ..data.config import Level
    from .arrows import Arrow
    from .design import Floats, Ints
    from .families import Tensor
    from .path_design import PathDesign


def paths_pymc(design: PathDesign, parameterisation: Parameterisation = "noncentred") -> pm.Model:
    """Build the PyMC model of a path model.

    Parameters
    ----------
    design
        From :func:`safezone.models.path_build.build_paths`.
    parameterisation
        ``noncentred`` samples standardised effects, ``centred`` clients' levels around what their therapist and
        covariates let expect (of therapists there are few, and their SDs may be zero: they stay standardised). Many
        informative sessions per client make it mix several times as fast; an SD near zero makes it fail.

    Returns
    -------
    pymc.Model
        With the variables that :mod:`safezone.models.path_design` lists.
    """
    import pymc as pm

    with pm.Model(coords=design.coords) as model:
        twin = Twin(design, parameterisation, _parameters(design))
        people = twin.people()
        twin.sessions(people)
        twin.ends(people)
    return model


def _parameters(design: PathDesign) -> dict[str, Tensor]:
    """Add every parameter but correlations, which come with the effects; ties share a value."""
    import pymc as pm
    import pytensor.tensor as pt

    priors = element_priors(design)
    found: dict[str, Tensor] = {}
    values: dict[str, Any] = {ZERO: 0.0}
    for variable, dims in dims_of(design).items():
        if variable.startswith("cor_"):
            continue
        names = elements(design, variable, dims)
        own = [name for name in names if name not in design.ties]
        shape = tuple(len(design.coords[dim]) for dim in dims)
        if variable == "cutpoints":
            ordered = pm.distributions.transforms.ordered
            start = np.linspace(-2.0, 2.0, shape[0])
            found[variable] = joint_pymc(variable, [priors[n] for n in names], "cut", transform=ordered, initval=start)
        elif len(own) == len(names):
            found[variable] = joint_pymc(variable, [priors[name] for name in names], dims if len(dims) > 1 else dims[0])
        else:
            if own:
                pm.modelcontext(None).add_coord(f"{variable}__free", own)
                free = joint_pymc(f"{variable}__own", [priors[name] for name in own], f"{variable}__free")
                values |= {name: free[i] for i, name in enumerate(own)}
            joined = pt.stack([values[design.ties.get(name, name)] for name in names]).reshape(shape)
            found[variable] = pm.Deterministic(variable, joined, dims=dims)
            continue
        for i, name in enumerate(names):
            values[name] = found[variable][np.unravel_index(i, shape)]
    return found


@dataclass(frozen=True)
class People:
    """Latent means, trends and own paths by name, per client and therapist; and what is known of them."""

    client: dict[str, Any]
    therapist: dict[str, Any]
    covariates: dict[str, Any]


@dataclass(frozen=True)
class Twin:
    """Equations of one design on the model on the stack."""

    design: PathDesign
    parameterisation: Parameterisation
    parameters: dict[str, Tensor]

    # --- people ----------------------------------------------------------------------------------------

    def people(self) -> People:
        """Add the effects of both levels."""
        covariates = self.covariates()
        therapist = self.means("therapist", self.effects("therapist"), covariates)
        spread = not any(self.design.ties.get(f"sd_client[{one}]") == ZERO for one in self.design.client_effects)
        centred = self.parameterisation == "centred" and spread  # what does not vary has no density
        shift = self._level(therapist, covariates) if centred else None
        client = self.means("client", self.effects("client", shift), covariates)
        return People(client, therapist, covariates)

    def _level(self, therapist: dict[str, Any], covariates: dict[str, Tensor | Floats]) -> Tensor:
        """Return what a client's effects lie around when they are sampled as levels, (clients, effects)."""
        import pytensor.tensor as pt

        design = self.design
        columns: list[Any] = []
        for effect in design.client_effects:
            total: Any = pt.zeros(design.clients)
            if effect in design.names:
                total = total + self.parameters["intercept"][design.names.index(effect)]
                if design.has_therapists:
                    total = total + therapist[effect][design.therapist_of]
                for p, arrow in enumerate(design.client_arrows):
                    if arrow.target == effect and arrow.source in covariates:
                        total = total + self.parameters["path_client"][p] * covariates[arrow.source]
            columns.append(total)
        return pt.stack(columns, axis=1)  # type: ignore[no-any-return]

    def both(self, people: People, name: str) -> Any:
        """Return m_c + m_t of every client."""
        own = people.client[name]
        return own + people.therapist[name][self.design.therapist_of] if self.design.has_therapists else own

    def effects(self, level: Level, shift: Tensor | None = None) -> Tensor | None:
        """Add d of a level, (units, effects); with ``shift`` as levels that lie around it."""
        import pymc as pm
        import pytensor.tensor as pt

        design = self.design
        names = list(design.client_effects if level == "client" else design.therapist_effects)
        if not names:
            return None
        factor: Tensor = pt.as_tensor(np.eye(len(names)))
        free = [names.index(e) for e in (design.client_free if level == "client" else design.therapist_free)]
        if f"cor_{level}" in dims_of(design):
            block = lkj_factor(f"cor_{level}", f"{level}_free", len(free), self._eta(f"cor_{level}"))
            factor = factor[np.ix_(free, free)].set(block)
        if level == "client" and design.courses:
            each = []
            for course in design.courses:
                name = f"cor_course[{course}]"
                block = lkj_factor(f"cor_course__{course}", None, 2, self._eta(name))
                pair = [names.index(e) for e in names if e in (course, f"{course}:time")]
                factor = factor[np.ix_(pair, pair)].set(block)
                each.append(block[1, 0])
            pm.Deterministic("cor_course", pt.stack(each), dims="course")
        scaled = self.parameters[f"sd_{level}"][:, None] * factor
        dims = (level, f"{level}_effect")
        if shift is not None:
            total = pm.MvNormal(f"{level}_effects__level", mu=shift, chol=scaled, dims=dims)
            return pm.Deterministic(f"{level}_effects", total - shift, dims=dims)  # type: ignore[no-any-return]
        z = pm.Normal(f"{level}_effects_z", 0.0, 1.0, dims=dims)
        return pm.Deterministic(f"{level}_effects", z @ scaled.T, dims=dims)  # type: ignore[no-any-return]

    def _eta(self, name: str) -> float:
        return element_priors(self.design)[name].parameters[0]

    def covariates(self) -> dict[str, Tensor | Floats]:
        """Return values of every covariate per client (or therapist), unknown ones standard normal."""
        import pymc as pm
        import pytensor.tensor as pt

        found: dict[str, Tensor | Floats] = {}
        for level in ("client", "therapist"):
            holes = self.design.holes[level]
            unknown = pm.Normal(f"missing_{level}", 0.0, 1.0, dims=f"hole_{level}") if holes else None
            for one in (c for c in self.design.covariates if c.level == level):
                value: Tensor | Floats = np.nan_to_num(one.values)
                own = [n for n, (name, _) in enumerate(holes) if name == one.name]
                if own and unknown is not None:
                    units = [holes[n][1] for n in own]
                    value = pt.as_tensor(value)[units].set(unknown[own])
                found[one.name] = value
        return found

    def means(self, level: Level, d: Tensor | None, covariates: dict[str, Tensor | Floats]) -> dict[str, Any]:
        """Return latent means (and trends, outcomes' effects) of a level's units, causes first."""
        design = self.design
        if d is None:
            return {}
        names = design.client_effects if level == "client" else design.therapist_effects
        arrows = design.client_arrows if level == "client" else design.therapist_arrows
        found: dict[str, Any] = {name: d[:, e] for e, name in enumerate(names)}
        for target in names:
            for p, arrow in enumerate(arrows):
                if arrow.target == target and target in design.names:
                    source = f"{arrow.source}:time" if arrow.trend else arrow.source
                    cause = covariates.get(arrow.source, found.get(source))
                    found[target] = found[target] + self.parameters[f"path_{level}"][p] * cause
        return found

    # --- sessions --------------------------------------------------------------------------------------

    def sessions(self, people: People) -> None:
        """Add the likelihood of every rating."""
        design = self.design
        level: dict[str, Any] = {}
        for v, name in enumerate(design.names):
            mean = self.parameters["intercept"][v] + self.both(people, name)[design.client]
            level[name] = mean + self._course(v, people)
        values = {name: self._filled(v) for v, name in enumerate(design.names)}
        for v, name in enumerate(design.names):
            self._response(v, name, level, values, people)

    def _course(self, v: int, people: People) -> Any:
        """Return T's + b t."""
        design, name = self.design, self.design.names[v]
        total: Any = dot(design.T, self.parameters["slope"][v]) if design.terms else 0.0
        if name in design.trends:
            total = total + people.client[f"{name}:time"][design.client] * design.t
        return total

    def _filled(self, v: int) -> Tensor | Floats:
        import pymc as pm
        import pytensor.tensor as pt

        column, name = self.design.values[:, v], self.design.names[v]
        missing = np.flatnonzero(np.isnan(column))
        if not len(missing):
            return column
        pm.modelcontext(None).add_coord(f"hole_{name}", list(range(len(missing))))
        unknown = pm.Flat(f"missing_{name}", dims=f"hole_{name}")
        return pt.as_tensor(np.nan_to_num(column))[missing].set(unknown)  # type: ignore[no-any-return]

    def _response(self, v: int, name: str, level: dict[str, Any], values: dict[str, Any], people: People) -> None:
        import pymc as pm
        import pytensor.tensor as pt

        design, parameters = self.design, self.parameters
        last = np.maximum(design.previous, 0)
        mean = level[name]
        for p, arrow in enumerate(design.session):
            if arrow.target != name:
                continue
            at: Ints | slice = last if arrow.lag else slice(None)
            deviation = values[arrow.source][at] - level[arrow.source][at]
            mean = mean + parameters["path_session"][p] * deviation
            if arrow.random:
                mean = mean + people.client[arrow.text][design.client] * values[arrow.source][at]
            for m, moderation in enumerate(design.moderations):
                if moderation.path == p:
                    factor = moderator(design, moderation.moderator)
                    mean = mean + parameters["moderation"][m] * factor * deviation
        sd = parameters["sd_residual"][v]
        if name in design.initial:
            start, place = design.previous < 0, design.initial.index(name)
            mean = pt.switch(start, self._initial(v, level, values, people), mean)
            sd = pt.switch(start, parameters["initial_sd"][place], sd)
        rated = np.flatnonzero(~np.isnan(design.values[:, v]))
        missing = np.flatnonzero(np.isnan(design.values[:, v]))

        def spread(rows: Ints) -> Tensor:
            return sd[rows] if sd.ndim == 1 else sd  # type: ignore[no-any-return]

        pm.Normal(f"r_{name}", mean[rated], spread(rated), observed=design.values[rated, v])
        if len(missing):
            law = pm.Normal.dist(mean[missing], spread(missing))
            pm.Potential(f"{name}_missing_law", pm.logp(law, values[name][missing]).sum())

    def _initial(self, v: int, level: dict[str, Any], values: dict[str, Any], people: People) -> Any:
        design, parameters, name = self.design, self.parameters, self.design.names[v]
        mean = parameters["intercept"][v] + parameters["initial_shift"][design.initial.index(name)]
        mean = mean + self._course(v, people)
        for j, (target, other) in enumerate(design.initial_means):
            if target == name:
                mean = mean + parameters["initial_loading"][j] * self.both(people, other)[design.client]
        for j, (target, other) in enumerate(design.initial_paths):
            if target == name:
                mean = mean + parameters["initial_path"][j] * (values[other] - level[other])
        return mean

    # --- outcomes --------------------------------------------------------------------------------------

    def ends(self, people: People) -> None:
        """Add the likelihood of every outcome; one that others rest on is filled in where missing."""
        import pymc as pm
        import pytensor.tensor as pt

        design, parameters = self.design, self.parameters
        residuals = [str(one) for one in design.coords["residual"]]
        finals: dict[str, Any] = {}
        for o, one in enumerate(design.outcomes):
            mean = self._end(one.name, people, finals)
            column = design.final[:, o]
            rated, missing = np.flatnonzero(~np.isnan(column)), np.flatnonzero(np.isnan(column))
            sd = parameters["sd_residual"][residuals.index(one.name)] if one.name in residuals else None
            finals[one.name] = np.nan_to_num(column)
            if one is design.outcome:
                own = {"cutpoints": parameters.get("cutpoints"), "sd_residual": sd}
                observe(one.family, column[rated], mean[rated], {k: v for k, v in own.items() if v is not None})
                continue
            pm.Normal(f"o_{one.name}", mean[rated], sd, observed=column[rated])
            if len(missing):
                unknown = pm.Normal(f"missing_{one.name}", mean[missing], sd)
                finals[one.name] = pt.as_tensor(finals[one.name])[missing].set(unknown)

    def _end(self, name: str, people: People, finals: dict[str, Any]) -> Any:
        """Return the linear predictor of an outcome per client."""
        import pytensor.tensor as pt

        design, parameters = self.design, self.parameters
        located = [str(one) for one in design.coords["variable"]]
        mean: Any = pt.zeros(design.clients)
        if name in located:
            mean = mean + parameters["intercept"][located.index(name)]
        if design.has_therapists:
            mean = mean + people.therapist[name][design.therapist_of]
        for p, arrow in enumerate(design.client_arrows):
            if arrow.target == name:
                mean = mean + parameters["path_client"][p] * self._cause(arrow, people, finals)
        for p, arrow in enumerate(design.therapist_arrows):
            if arrow.target == name:
                latent = arrow.source in design.names
                cause = people.therapist[arrow.source] if latent else people.covariates[arrow.source]
                mean = mean + parameters["path_therapist"][p] * cause[design.therapist_of]
        return mean

    def _cause(self, arrow: Arrow, people: People, finals: dict[str, Any]) -> Any:
        if arrow.source in finals:
            return finals[arrow.source]
        if arrow.source in people.covariates:
            return people.covariates[arrow.source]
        return people.client[f"{arrow.source}:time"] if arrow.trend else self.both(people, arrow.source)
