"""A real slapd on loopback, on free ports, below a temporary folder.

with Slapd(folder) as directory:
    directory.ldaps, directory.ldap       # its addresses
    directory.modify("dn: …")             # as its admin
    directory.stop(); directory.start()
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path

from tests.ours import find_free_port
from tests.waiting import wait_until

from . import university
from .certificates import Authority, make_authority

ROOT_DN, ROOT_PASSWORD = f"cn=root,{university.BASE}", "root-of-the-tests"
CONFIG = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/nis.schema
include /etc/ldap/schema/inetorgperson.schema
include /etc/ldap/schema/namedobject.schema
# as Active Directory compares them; OpenLDAP's own msuser.schema cannot be searched
attributetype ( 1.2.840.113556.1.4.221 NAME 'sAMAccountName' EQUALITY caseIgnoreMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.4.2 NAME 'objectGUID' EQUALITY octetStringMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.4.8 NAME 'userAccountControl' EQUALITY integerMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload ppolicy
pidfile {folder}/slapd.pid
TLSCACertificateFile {authority}
TLSCertificateFile {certificate}
TLSCertificateKeyFile {key}
database mdb
maxsize 67108864
suffix "{base}"
rootdn "{root_dn}"
rootpw "{root_password}"
directory {folder}/data
index objectClass,uid,member,entryUUID eq
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="{search_dn}" read by users read by anonymous auth
overlay ppolicy
ppolicy_default "cn=default,ou=policies,{base}"
"""


class Slapd:
    """The university's directory. `hosts`: whom its certificate is for."""

    def __init__(
        self, folder: Path, *, hosts: tuple[str, ...] = ("127.0.0.1", "localhost"), days: int = 30
    ) -> None:
        self.folder = folder
        (folder / "data").mkdir(parents=True)
        self.authority: Authority = make_authority(folder / "authority.pem")
        certificate, key = self.authority.issue(folder / "server", *hosts, days=days)
        self.port, self.tls_port = find_free_port(), find_free_port()
        self.ldap, self.ldaps = f"ldap://127.0.0.1:{self.port}", f"ldaps://127.0.0.1:{self.tls_port}"
        (folder / "slapd.conf").write_text(
            CONFIG.format(
                folder=folder,
                authority=self.authority.path,
                certificate=certificate,
                key=key,
                base=university.BASE,
                root_dn=ROOT_DN,
                root_password=ROOT_PASSWORD,
                search_dn=university.SEARCH_DN,
            )
        )
        # a copy: on Ubuntu AppArmor holds /usr/sbin/slapd, and what is called so, to the machine's own directory
        self._program = Path(shutil.copy(_program("slapd"), folder / "slapd"))
        self._process: subprocess.Popen[bytes] | None = None
        self._load(university.ldif())

    def __enter__(self) -> Slapd:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it where it does not run; back when both ports answer."""
        if self._process is None:
            urls = f"{self.ldap}/ {self.ldaps}/"
            with (self.folder / "slapd.log").open("ab") as log:
                self._process = subprocess.Popen(
                    [self._program, "-d", "0", "-f", self.folder / "slapd.conf", "-h", urls],
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
            wait_until(lambda: all(map(self._answers, (self.port, self.tls_port))), "slapd answers", timeout=20)

    def stop(self) -> None:
        """Whoever asks it now is refused the connection."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=20)
            self._process = None

    def modify(self, ldif: str) -> None:
        """A change in LDIF (`changetype: modify` …), as the directory's admin."""
        done = subprocess.run(
            ["ldapmodify", "-x", "-H", self.ldap, "-D", ROOT_DN, "-w", ROOT_PASSWORD],
            env={**os.environ, "LDAPNOINIT": "1"},
            input=ldif,
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert done.returncode == 0, done.stderr

    def block(self, **more: object) -> dict[str, object]:
        """Of `sign_in.methods` in hub.yaml: this directory, for students and admins; with `more` laid over it."""
        return {
            "type": "ldap",
            "name": "university",
            "servers": [self.ldaps],
            "ca_file": str(self.authority.path),
            "search_dn": university.SEARCH_DN,
            "users": {"base": university.PEOPLE},
            "groups": {"base": university.GROUPS},
            "allowed_groups": ["gpu-users"],
            "admin_groups": ["admins"],
            **more,
        }

    def add_member(self, group: str, dn: str) -> None:
        self._change_member(group, "add", dn)

    def remove_member(self, group: str, dn: str) -> None:
        self._change_member(group, "delete", dn)

    def _change_member(self, group: str, how: str, dn: str) -> None:
        self.modify(f"dn: cn={group},{university.GROUPS}\nchangetype: modify\n{how}: member\nmember: {dn}\n")

    def _load(self, ldif: str) -> None:
        command = [self._program, "-Tadd", "-f", self.folder / "slapd.conf"]
        done = subprocess.run(command, input=ldif, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr

    def _answers(self, port: int) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "slapd.log").read_text()
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex(("127.0.0.1", port)) == 0


def _program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    assert found, f"{name} is missing: apt-get install slapd ldap-utils (tests/run does)"
    return found
