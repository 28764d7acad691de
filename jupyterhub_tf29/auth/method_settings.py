"""What every way in has in hub.yaml: a name, a label, and who may come in."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

SEPARATOR = ":"
"""Between a method's prefix and a name there. No legal name contains it, so no two methods can share a name."""

Slug = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,30}$")]


class Section(BaseModel):
    """A part of hub.yaml: what is not known is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


class MethodSettings(Section):
    """One way in. Closed by default: nobody comes in whom none of the lists names."""

    type: str
    name: Slug = ""
    """In addresses (`/hub/login/<name>`), before its groups (`<name>:staff`), in the log. Default: the type."""
    label: str = ""
    """What its button says. Default: by type, in the reader's language."""
    prefix: Annotated[str, Field(pattern=r"^([a-z][a-z0-9-]{0,30})?$")] | None = None
    """Before its users' names: `github` for `github:octocat`. Default: none for the first method, else `name`."""
    allowed_users: list[str] = []
    """Names as this method has them, without a prefix."""
    allowed_groups: list[str] = []
    """Groups as this method has them, without a prefix."""
    allow_all: bool = False
    """Everybody who signs in there. For a whole university that is a lot of people."""
    admins: list[str] = []
    """Names as this method has them; admins may come in, too."""
    admin_groups: list[str] = []
    """Whoever is in one of them is an admin, and whoever is not is none (but `admins`)."""

    @model_validator(mode="before")
    @classmethod
    def _name_is_type(cls, data: object) -> object:
        if isinstance(data, dict) and not data.get("name"):
            default = cls.model_fields["type"].default
            return {**data, "name": data.get("type", default)}
        return data

    @property
    def lets_somebody_in(self) -> bool:
        """Whether anybody at all may come in by this method."""
        lists = (self.allowed_users, self.allowed_groups, self.admins, self.admin_groups)
        return self.allow_all or any(lists)
