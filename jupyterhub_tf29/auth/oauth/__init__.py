"""Sign-in with OAuth 2 and OpenID Connect: an institution's own provider, GitHub, GitLab, Google, Entra.

`idtoken`, `keys` and `metadata` are OpenID Connect without a hub; `handlers` is the way of the browser;
`authenticator` is what all providers share; `openid` and `github` are the two kinds of provider, `presets` the
well-known places.
"""
