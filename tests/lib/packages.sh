# shellcheck shell=bash disable=SC2034  # the lists are read by tests/run
# Debian packages that the tests need; only what is missing is installed.

# One line each: what must be there (a program, or the path of a file), the package that has it, and what for.
needed_for_unit='
shellcheck               shellcheck     checks the shell scripts
git                      git            lists the files to check
slapd                    slapd          the directory of the tests of LDAP
ldapmodify               ldap-utils     changes it
gcc                      gcc            compiles the stand-in for a GPU driver (tests/gpulab)
/usr/include/stdio.h     libc6-dev      as above
'
needed_for_all='
dockerd                  docker.io      the Docker Engine
iptables                 iptables       the networks of Docker
debootstrap              debootstrap    the base of the notebook image where no registry answers
chromium                 chromium       the browser of the browser tests
/usr/share/fonts/truetype/wqy/wqy-microhei.ttc  fonts-wqy-microhei  Chinese in its screenshots
unshare                  util-linux     namespaces of the private engine
ip                       iproute2       the network of the private engine
/usr/bin/python3         python3        what the stub image is made of
nginx                    nginx-light    a front with TLS before the hub
certbot                  certbot        gets its certificate, from
pebble                   pebble         an ACME server of our own
'

# missing_packages LIST: prints the packages of LIST that are missing.
missing_packages() {
  local what package
  while read -r what package _; do
    [ -n "$what" ] || continue
    if [ "${what#/}" != "$what" ]; then
      [ -e "$what" ] || echo "$package"
    else
      PATH="$PATH:/usr/sbin:/sbin" command -v "$what" >/dev/null || echo "$package"
    fi
  done <<<"$1"
}

# install_packages LIST: install what is missing of LIST, or say what to install by hand.
install_packages() {
  local packages sudo=()
  mapfile -t packages < <(missing_packages "$1")
  [ ${#packages[@]} -gt 0 ] || return 0
  command -v apt-get >/dev/null ||
    fail "this machine has no apt-get; install by hand what these Debian packages hold: ${packages[*]}"
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || fail "missing: ${packages[*]}; run as root: apt-get install ${packages[*]}"
    say "sudo is asked for to install Debian packages: ${packages[*]}"
    sudo=(sudo)
  fi
  say "installing ${packages[*]}"
  "${sudo[@]}" apt-get update -qq
  # --no-install-recommends also keeps Debian's docker.io from being started by its recommendations
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" \
    </dev/null >/dev/null
  mapfile -t packages < <(missing_packages "$1")
  [ ${#packages[@]} -eq 0 ] || fail "still missing after apt-get install: ${packages[*]}"
}
