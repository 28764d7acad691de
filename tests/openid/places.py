"""Stand-ins for places that no test can sign in at: GitHub, GitLab, Google and Entra.

They have the endpoints that a sign-in speaks to, with answers of the shape that the places' documentation has.
They prove that the hub asks and reads rightly as far as that documentation goes, and nothing about the places.
"""

from __future__ import annotations

import secrets
from typing import Any

import jwt

from .provider import Answer, Claims, Key, Provider, Request

TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47"


class GitHub(Provider):
    """An Enterprise Server (its API is below /api/v3), https://docs.github.com/en/apps/oauth-apps.

    `person` is the answer of /user; `orgs`, `teams` and `emails` are those of their pages, two rows a page.
    """

    names_itself = False

    def __init__(self) -> None:
        super().__init__()
        self.person = {"id": 583231, "login": "octocat", "email": None}
        self.orgs: list[dict[str, Any]] = []
        self.teams: list[dict[str, Any]] = []
        self.emails: list[dict[str, Any]] = []
        self.rate_limited = False
        self.pages = {
            "/login/oauth/authorize": self.authorize,
            "/login/oauth/access_token": self.access_token,
            "/api/v3/user": lambda request: self._api(request, self.person),
            "/api/v3/user/orgs": lambda request: self._api(request, self.orgs),
            "/api/v3/user/teams": lambda request: self._api(request, self.teams),
            "/api/v3/user/emails": lambda request: self._api(request, self.emails),
        }

    def access_token(self, request: Request) -> Answer:
        """Says no with status 200; knows no ID tokens."""
        asked = self.codes.pop(request.fields.get("code", ""), None)
        if request.fields.get("client_secret") != self.client_secret:
            return 200, {"error": "incorrect_client_credentials"}
        if asked is None:
            return 200, {"error": "bad_verification_code"}
        token = f"gho_{secrets.token_urlsafe(24)}"
        self.access[token] = asked["person"]
        return 200, {"access_token": token, "token_type": "bearer", "scope": asked["scope"].replace(" ", ",")}

    def _api(self, request: Request, content: Any) -> Answer:
        if self.rate_limited:
            return 403, {"message": "API rate limit exceeded"}, {"X-RateLimit-Remaining": "0"}
        if request.token not in self.access:
            return 401, {"message": "Bad credentials"}
        if not isinstance(content, list):
            return 200, content
        page = int(request.fields.get("page", 1))
        more = len(content) > 2 * page
        link = {"Link": f'<{self.origin}{request.path}?page={page + 1}>; rel="next"'} if more else {}
        return 200, content[2 * page - 2 : 2 * page], link


class GitLab(Provider):
    """https://docs.gitlab.com/integration/openid_connect_provider: groups are on the userinfo page alone."""

    def __init__(self) -> None:
        super().__init__()
        self.person = {"sub": "17", "nickname": "tanuki", "preferred_username": "tanuki"}
        self.in_userinfo = {"groups": ["lab", "lab/vision"]}


class Google(Provider):
    """Google's OpenID Connect, its token page for service accounts, and the Directory API of Workspace.

    `groups` is who is in what, by addresses.
    """

    scopes = ("openid", "email", "profile")
    names_itself = False

    def __init__(self) -> None:
        super().__init__()
        self.person = {"sub": "1104", "email": "ada@example.edu", "email_verified": True, "hd": "example.edu"}
        self.groups: dict[str, list[str]] = {}
        self.account_key = Key("account")
        self._directory_tokens: set[str] = set()
        self.pages["/service-token"] = self.service_token
        self.pages["/admin/directory/v1/groups"] = self.directory

    @property
    def key_file(self) -> dict[str, str]:
        """As Google's console gives it."""
        return {
            "type": "service_account",
            "client_email": "hub@project.iam.gserviceaccount.com",
            "private_key": self.account_key.private_pem,
            "token_uri": f"{self.origin}/service-token",
        }

    def service_token(self, request: Request) -> Answer:
        claims = jwt.decode(
            request.fields["assertion"],
            self.account_key.private.public_key(),
            algorithms=["RS256"],
            audience=f"{self.origin}/service-token",
        )
        if claims["sub"] != "admin@example.edu" or not claims["scope"].endswith("admin.directory.group.readonly"):
            return 400, {"error": "unauthorized_client"}
        token = secrets.token_urlsafe(24)
        self._directory_tokens.add(token)
        return 200, {"access_token": token, "token_type": "Bearer", "expires_in": 3599}

    def directory(self, request: Request) -> Answer:
        if request.token not in self._directory_tokens:
            return 401, {"error": {"code": 401}}
        mine = [
            {"email": group, "id": "x"} for group, who in self.groups.items() if request.fields["userKey"] in who
        ]
        page = int(request.fields.get("pageToken", 0))
        answer: dict[str, Any] = {"kind": "admin#directory#groups", "groups": mine[page : page + 1]}
        if len(mine) > page + 1:
            answer["nextPageToken"] = str(page + 1)
        return 200, answer if mine else {"kind": "admin#directory#groups"}


class Entra(Provider):
    """Entra ID's v2.0 endpoints of one tenant, and Graph's list of groups for who is in too many."""

    path = f"/{TENANT}/v2.0"
    scopes = ("openid", "profile", "email", "offline_access")
    names_itself = False

    def __init__(self) -> None:
        super().__init__()
        self.person = {
            "sub": "pairwise", "oid": "00000000-0000-0000-66f3-3332eca7ea81", "tid": TENANT,
            "preferred_username": "ada@example.edu", "email": "anything@example.org", "groups": ["g-gpu-users"],
        }  # fmt: skip
        self.too_many: list[str] = []
        """Groups of who is in too many for a token."""
        self.graph_permitted = True
        self.pages["/v1.0/me/getMemberGroups"] = self.graph

    def claims(self, person: Claims) -> Claims:
        if not self.too_many:
            return person
        bare = {name: value for name, value in person.items() if name != "groups"}
        sources = {"src1": {"endpoint": f"https://graph.windows.net/{TENANT}/users/x/getMemberObjects"}}
        return {**bare, "_claim_names": {"groups": "src1"}, "_claim_sources": sources}

    def graph(self, request: Request) -> Answer:
        if request.token not in self.access:
            return 401, {"error": {"code": "InvalidAuthenticationToken"}}
        if not self.graph_permitted:
            return 403, {"error": {"code": "Authorization_RequestDenied"}}
        return 200, {"value": self.too_many}


__all__ = ["TENANT", "Entra", "GitHub", "GitLab", "Google"]
