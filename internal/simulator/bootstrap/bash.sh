# shellcheck shell=bash
# What Octopus gives to every bash script. The case of variables is appended to this file.

get_octopusvariable() {
  octopus_variable "$(printf '%s' "${1-}" | base64 | tr -d '\n')"
}

octopus_encode() {
  printf '%s' "${1-}" | base64 | tr -d '\n'
}

set_octopusvariable() {
  local sensitive=
  if [[ ${3-} == -sensitive ]]; then
    sensitive=" sensitive='$(octopus_encode True)'"
  fi
  printf "##octopus[setVariable name='%s' value='%s'%s]\n" "$(octopus_encode "${1-}")" "$(octopus_encode "${2-}")" "$sensitive"
}

fail_step() {
  if [[ -n ${1-} ]]; then
    printf '%s\n' "$1" >&2
  fi
  exit 1
}

write_highlight() { printf '%s\n' "${1-}"; }
write_verbose() { printf '%s\n' "${1-}"; }
write_wait() { printf '%s\n' "${1-}"; }
write_warning() { printf '%s\n' "${1-}"; }
