# What scripts/setup-tests and scripts/setup-peers share; sourced, never run.
#
# Before it is sourced: `name` is the script's own, `log` its log, `debian_packages` its table, a
# line each: package | what shows without asking apt that it is there | what needs it.

failures=0
report() { # WHAT WHY WHO
  echo "$name: missing: $1 ($2); skipped without it: $3" >&2
  failures=$((failures + 1))
}

there() { # PACKAGE HOW
  case "$2" in
    cmd:*) command -v "${2#cmd:}" >/dev/null || [ -x "/usr/sbin/${2#cmd:}" ] ;;
    file:*) [ -e "${2#file:}" ] ;;
    ensurepip) [ -x .cache/venv/bin/python ] || python3 -c 'import ensurepip' 2>/dev/null ;;
    dpkg) compgen -G "/var/lib/dpkg/info/$1*.list" >/dev/null ;;
  esac
}

missing_packages() {
  while IFS='|' read -r package how _; do
    [ -z "$package" ] || there "$package" "$how" || echo "$package"
  done <<<"$debian_packages"
}

apt_problem() {
  if ! command -v apt-get >/dev/null; then echo "this system has no apt-get"
  elif [ "$(id -u)" != 0 ]; then echo "run as root: apt-get install $1"
  else echo "apt-get install $1 failed, see $log"; fi
}

# A package that brings a service would start it: nginx on port 80. Where nobody has said what
# may start (Debian policy, invoke-rc.d), we say that nothing does, for as long as apt runs.
policy=/usr/sbin/policy-rc.d
forbid_services() {
  [ ! -e "$policy" ] || return 0
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"
}
allow_services() {
  [ -z "$(trap -p EXIT)" ] || rm -f "$policy"
  trap - EXIT
}

install_debian_packages() {
  local missing package how who
  missing=$(missing_packages)
  [ -n "$missing" ] || return 0
  if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    echo "$name: apt-get install" $missing
    export DEBIAN_FRONTEND=noninteractive
    forbid_services
    apt-get update >>"$log" 2>&1
    # All at once, and one by one where that fails: one missing package shall not take the rest.
    # shellcheck disable=SC2086 # names without spaces
    apt-get install -y --no-install-recommends $missing >>"$log" 2>&1 ||
      for package in $missing; do
        apt-get install -y --no-install-recommends "$package" >>"$log" 2>&1
      done
    allow_services
  fi
  while IFS='|' read -r package how who; do
    [ -z "$package" ] || there "$package" "$how" ||
      report "Debian package $package" "$(apt_problem "$package")" "$who"
  done <<<"$debian_packages"
}

# A stamp holds what was installed; it is newer than the list only if that succeeded.
up_to_date() { # STAMP LIST...
  local stamp=$1 list
  shift
  [ -e "$stamp" ] || return 1
  for list in "$@"; do [ "$stamp" -nt "$list" ] || return 1; done
}

install_python_packages() { # VENV LIST WHO
  local venv=$1 list=$2 who=$3
  up_to_date "$venv/installed" "$list" && return 0
  echo "$name: Python packages in $venv"
  { [ -x "$venv/bin/python" ] || python3 -m venv "$venv"; } >>"$log" 2>&1 &&
    "$venv/bin/python" -m pip --disable-pip-version-check install --quiet -r "$list" >>"$log" 2>&1 &&
    touch "$venv/installed" ||
    report "Python packages of $list" "see $log" "$who"
}

install_npm_packages() { # FOLDER WHO
  local folder=$1 who=$2
  up_to_date "$folder/node_modules/.installed" "$folder/package.json" "$folder/package-lock.json" &&
    return 0
  if ! command -v npm >/dev/null; then
    report "npm packages of $folder" "npm is not there" "$who"
    return
  fi
  echo "$name: npm packages in $folder"
  # No install scripts: the native parts come prebuilt, and the programs also work without them.
  (cd "$folder" && npm ci --ignore-scripts --no-audit --no-fund) >>"$log" 2>&1 &&
    touch "$folder/node_modules/.installed" ||
    report "npm packages of $folder" "see $log" "$who"
}

# Programs of crates that are no members of the workspace.
install_crates() { # FOLDER TARGET WHO
  local folder=$1 target=$2 who=$3
  up_to_date "$target/installed" "$folder/Cargo.lock" "$folder/Cargo.toml" "$folder/src/main.rs" &&
    return 0
  echo "$name: crates of $folder"
  cargo build --quiet --locked --manifest-path "$folder/Cargo.toml" --target-dir "$target" \
    >>"$log" 2>&1 &&
    touch "$target/installed" ||
    report "crates of $folder" "see $log" "$who"
}

begin_log() {
  mkdir -p .cache 2>/dev/null
  if ! [ -w .cache ]; then
    echo "$name: $PWD/.cache cannot be written: nothing is installed" >&2
    exit 1
  fi
  : >"$log"
}
