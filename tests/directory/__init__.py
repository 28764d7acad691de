"""A small university's directory: a real slapd with people, groups in groups, and what makes directories hard."""
