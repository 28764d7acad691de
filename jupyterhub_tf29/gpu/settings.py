"""The section `gpu:` of hub.yaml: who may hold GPUs for how long, and what happens when all are taken.

`policy()` and `windows()` turn it into what the scheduler follows; docs/scheduling.md explains each rule.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from ..units import Duration, Size
from .scheduler import policy as rules
from .scheduler.state import Window

MIB = 2**20
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

Positive = Annotated[float, Field(gt=0)]
AtLeastASecond = Annotated[Duration, Field(ge=1)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


class Lease(_Section):
    """How long a server may keep its GPUs. Every grant has an end."""

    default: AtLeastASecond = 8 * 3600
    """Where the profile names none."""
    longest: AtLeastASecond = 24 * 3600
    """The longest that is granted at once, and the longest single extension."""
    longest_in_all: AtLeastASecond = 7 * 86400
    """From the grant to the end, with all extensions."""
    shortest: AtLeastASecond = 600
    protected: Duration = 1800
    """So long from its start it is not taken back for being idle."""
    notice: list[AtLeastASecond] = [1800, 300]
    """Its user is told so long before the end."""
    extend: Literal["never", "ask", "always"] = "ask"

    @model_validator(mode="after")
    def _fit_together(self) -> Lease:
        if not self.shortest <= self.default <= self.longest <= self.longest_in_all:
            raise ValueError("gpu.lease: expected shortest <= default <= longest <= longest_in_all")
        return self


class Idle(_Section):
    """When a held GPU that does nothing is taken back. Times are from the first idle moment; 0: never."""

    utilisation: Annotated[float, Field(ge=0, le=100)] = 2
    """Percent; at or below it in every sample, and no busy kernel."""
    warn: AtLeastASecond = 1800
    take_back_waited: AtLeastASecond = 3600
    """If somebody waits who could use it."""
    take_back: Duration = 7200
    """If nobody does."""
    notice: Duration = 300
    """At least so long between the warning and the end."""


class Share(_Section):
    """What happens to a server that takes more GPU memory than its share."""

    over: Literal["warn", "stop"] = "stop"
    tolerance: Size = 64 * MIB
    """So much more is not held against it."""
    grace: Duration = 120
    """Between the warning and the stop."""


class FairShare(_Section):
    """Who is next: little use so far, a heavy group, a long wait."""

    half_life: AtLeastASecond = 7 * 86400
    """After so long, use counts half."""
    groups: dict[str, Positive] = {}
    """Group: weight. A user belongs to the first of these that they are in."""
    others: Positive = 1.0
    """The weight of everybody else."""
    dampening: Positive = 1.0
    use: Annotated[float, Field(ge=0)] = 1.0
    age: Annotated[float, Field(ge=0)] = 0.5
    """How much little use counts, and how much a long wait."""
    longest_wait: AtLeastASecond = 2 * 86400
    """Who has waited so long comes before all who have not."""


class Limit(_Section):
    """None: no limit."""

    gpus: Positive | None = None
    """Held at once; half a GPU counts half."""
    gpu_hours: Positive | None = None
    """In one period."""


class Limits(_Section):
    """How much one may hold and use."""

    period: Literal["week", "month"] = "month"
    """Of the clock of gpu.timezone; weeks begin on Monday."""
    user: Limit = Limit()
    """Everybody who is named nowhere below."""
    members: dict[str, Limit] = {}
    """Group: each of its members; of several groups the most generous counts."""
    users: dict[str, Limit] = {}
    """User: instead of all that."""
    groups: dict[str, Limit] = {}
    """Group: all its members together."""


def _clock(value: Any) -> Any:
    """YAML 1.1 reads 14:00 as 840; take it for what was meant."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 24 * 60:
        return f"{value // 60:02d}:{value % 60:02d}"
    return value


class WindowSetting(_Section):
    """GPUs that are kept for a group at a time of the week."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
    group: str
    gpus: Annotated[int, Field(ge=1)]
    days: Annotated[list[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]], Field(min_length=1)]
    start: Annotated[str, BeforeValidator(_clock), Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
    length: Annotated[Duration, Field(ge=60, le=7 * 86400)]
    timezone: str | None = None
    """An IANA name; None: gpu.timezone."""
    model: str | None = None
    first_day: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d$")] | None = None
    last_day: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d$")] | None = None
    except_days: list[Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d$")]] = []


class Reservations(_Section):
    """How the windows behave, these and those of classes."""

    no_show: AtLeastASecond = 900
    """What nobody of the group came for by then is given to all."""
    lead: Duration = 120
    """Leases end so long before a window starts."""
    take_back: bool = False
    """Whether a window ends leases that stand in its way, after notice and protected time."""


class Gpu(_Section):
    """All of `gpu:`."""

    managed: Literal["auto"] | bool = "auto"
    """auto: the GPUs that there are; true: and having none is a fault; false: none is handed out."""
    names: Literal["everyone", "admins"] = "admins"
    """Who sees the names of those who hold GPUs or wait for them."""
    timezone: str = "UTC"
    sample_every: Annotated[Duration, Field(ge=1, le=300)] = 10
    free_within: AtLeastASecond = 60
    """A GPU that its last container left and that is not free by then is quarantined."""
    hold: AtLeastASecond = 900
    """When a turn comes, the GPUs are held and the server runs so long for its user to come."""
    injection: Literal["auto", "hook", "cdi"] = "auto"
    """How containers come to their GPUs: by NVIDIA's container hook or by CDI; auto: as the engine can."""
    order: Literal["fair", "arrival"] = "fair"
    backfill: bool = True
    lease: Lease = Lease()
    idle: Idle = Idle()
    share: Share = Share()
    fair_share: FairShare = FairShare()
    limits: Limits = Limits()
    reservations: Reservations = Reservations()
    windows: list[WindowSetting] = []

    @model_validator(mode="after")
    def _can_be_followed(self) -> Gpu:
        for name in (self.timezone, *(window.timezone for window in self.windows)):
            try:
                ZoneInfo(name or "UTC")
            except (KeyError, ValueError, OSError):
                raise ValueError(
                    f"gpu: there is no time zone {name!r}; expected one such as Europe/Berlin"
                ) from None
        names = [window.name for window in self.windows]
        if len(set(names)) < len(names):
            raise ValueError("gpu.windows: each needs a name of its own")
        return self


def policy(gpu: Gpu) -> rules.Policy:
    """What the scheduler follows."""
    fair, lease, idle, limits = gpu.fair_share, gpu.lease, gpu.idle, gpu.limits
    return rules.Policy(
        fair=rules.FairShare(
            half_life_s=fair.half_life,
            group_weights=fair.groups,
            default_weight=fair.others,
            dampening=fair.dampening,
            share_weight=fair.use,
            age_weight=fair.age,
            max_age_s=fair.longest_wait,
        ),
        leases=rules.Leases(
            max_s=lease.longest,
            min_s=lease.shortest,
            protected_s=lease.protected,
            notice_s=tuple(sorted(lease.notice, reverse=True)),
            extend=lease.extend,
            max_total_s=lease.longest_in_all,
        ),
        idle=rules.Idle(
            utilisation=idle.utilisation,
            warn_s=idle.warn,
            take_back_waited_s=idle.take_back_waited,
            take_back_s=idle.take_back or None,
            notice_s=idle.notice,
        ),
        overrun=rules.Overrun(action=gpu.share.over, grace_s=gpu.share.grace),
        limits=rules.Limits(
            user=_limit(limits.user),
            members={name: _limit(one) for name, one in limits.members.items()},
            users={name: _limit(one) for name, one in limits.users.items()},
            groups={name: _limit(one) for name, one in limits.groups.items()},
        ),
        windows=rules.Windows(
            no_show_s=gpu.reservations.no_show,
            lead_s=gpu.reservations.lead,
            take_back=gpu.reservations.take_back,
        ),
        order=gpu.order,
        backfill=gpu.backfill,
    )


def windows(gpu: Gpu) -> tuple[Window, ...]:
    """The windows of hub.yaml, as the scheduler takes them."""
    return tuple(
        Window(
            id=one.name,
            group=one.group,
            count=one.gpus,
            weekdays=tuple(sorted({DAYS.index(day) for day in one.days})),
            start=one.start,
            duration_s=one.length,
            timezone=one.timezone or gpu.timezone,
            model=one.model,
            first_day=one.first_day,
            last_day=one.last_day,
            except_days=tuple(one.except_days),
        )
        for one in gpu.windows
    )


def _limit(limit: Limit) -> rules.Limit:
    return rules.Limit(gpus=limit.gpus, gpu_hours=limit.gpu_hours)
