# What provision.sh and terminate.sh need to talk to Octopus, with curl and awk
# alone: workers have those. They read this file; it does nothing by itself.
# shellcheck shell=bash

fail() {
	printf '%s\n' "$*" >&2
	exit 1
}

# setting NAME [DEFAULT] prints a variable of the deployment.
setting() {
	local value
	value=$(get_octopusvariable "$1")
	printf '%s\n' "${value:-${2:-}}"
}

# required NAME prints a variable that has to have a value.
required() {
	local value
	value=$(setting "$1")
	[[ -n $value ]] || fail "The variable $1 has no value. Give it one in the variables of the infrastructure project."
	printf '%s\n' "$value"
}

# connect reads where Octopus is and who we are.
connect() {
	server=$(required Octopus.Web.ServerUri)
	server=${server%/}
	space=$(required Octopus.Space.Id)
	key=$(required HelloWorld.ApiKey)
	[[ $key =~ ^[A-Za-z0-9_-]+$ ]] || fail 'The variable HelloWorld.ApiKey holds no API key: one begins with "API-", followed by letters and digits.'
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
}

# api METHOD PATH [CURL-ARGUMENT...] sends a request to the space. It sets status
# (000 when there was no answer) and leaves the answer in $work/answer. Answers
# that say "later" (429, 5xx) are asked for again a few times, after as long as
# Octopus wants; so are reads that got no answer. Writes may have come through
# without one: whoever writes looks first.
api() {
	local try
	for try in 1 2 3 4 5; do
		request "$@"
		[[ $1 == GET && $status == 000 && $try != 5 ]] || return 0
		sleep "0.$try"
	done
}

# request sends a request once. The key goes through a file descriptor, because
# all processes of a machine can see arguments.
request() {
	local method=$1 path=$2
	shift 2
	: >"$work/answer"
	: >"$work/trouble"
	status=$(curl --silent --show-error \
		--config <(printf 'header = "X-Octopus-ApiKey: %s"\n' "$key") \
		--request "$method" --connect-timeout 15 --max-time 60 --retry 4 --retry-max-time 120 \
		--header 'Accept: application/json' \
		--output "$work/answer" --write-out '%{http_code}' \
		"$@" "$server/api/$space/$path" 2>"$work/trouble") || status=000
}

# refused WHAT ends the script and says why the last request came to nothing.
refused() {
	local reason
	if [[ $status == 000 ]]; then
		fail "$1 failed, because there was no answer from $server: $(tr '\n' ' ' <"$work/trouble")"
	fi
	reason=$(reasons)
	fail "$1 failed: Octopus answered with status $status${reason:+: $reason}"
}

# reasons prints what the last answer says about an error.
reasons() {
	json_values <"$work/answer" | awk -F '\t' '
		$1 == "ErrorMessage" || $1 ~ /^Errors\.[0-9]+$/ { printf "%s%s", gap, $2; gap = " " }'
}

# json_string TEXT prints the text as a JSON string.
json_string() {
	local text=$1
	text=${text//\\/\\\\}
	text=${text//\"/\\\"}
	text=${text//$'\n'/\\n}
	text=${text//$'\r'/\\r}
	text=${text//$'\t'/\\t}
	printf '"%s"' "$text"
}

# json_values reads JSON and prints each value with its path: Items.0.Name<TAB>web-1.
# Line breaks and tabs in values become spaces.
json_values() {
	LC_ALL=C awk '
		function unquote(text,    out, at, next_, code) {
			text = substr(text, 2, length(text) - 2)
			out = ""
			while (at = index(text, "\\")) {
				out = out substr(text, 1, at - 1)
				next_ = substr(text, at + 1, 1)
				text = substr(text, at + 2)
				if (next_ == "u") {
					code = tolower(substr(text, 1, 4))
					text = substr(text, 5)
					out = out (code in ascii ? ascii[code] : "\\u" code)
				} else {
					out = out (next_ ~ /[nrtbf]/ ? " " : next_)
				}
			}
			return out text
		}
		function show(value,    path, level) {
			path = part[1]
			for (level = 2; level <= depth; level++) path = path "." part[level]
			print path "\t" value
		}
		BEGIN { for (i = 32; i < 127; i++) ascii[sprintf("%04x", i)] = sprintf("%c", i) }
		{ json = json $0 " " }
		END {
			gsub(/"([^"\\]|\\.)*"|[][{},:]/, "\n&\n", json)
			count = split(json, token, "\n")
			for (i = 1; i <= count; i++) {
				t = token[i]
				if (t !~ /^"/) gsub(/[ \t\r]/, "", t)
				if (t == "" || t == ":") continue
				if (t == "{") { kind[++depth] = t; named = 0 }
				else if (t == "[") { kind[++depth] = t; part[depth] = 0 }
				else if (t == "}" || t == "]") depth--
				else if (t == ",") { if (kind[depth] == "[") part[depth]++; else named = 0 }
				else if (kind[depth] == "{" && !named) { part[depth] = unquote(t); named = 1 }
				else show(t ~ /^"/ ? unquote(t) : t)
			}
		}'
}

# value_at PATH prints the value at a path of the last answer. It reads all of
# it: who stops early breaks the pipe, and that ends the script.
value_at() {
	json_values <"$work/answer" | path=$1 awk -F '\t' '$1 == ENVIRON["path"] { print $2 }'
}

# id_of NAME prints the Id of the item of that name in a list of the last answer.
# Octopus takes no notice of capitals in names, so neither does this.
id_of() {
	json_values <"$work/answer" | name=$1 awk -F '\t' '
		$1 ~ /^(Items\.)?[0-9]+\.(Id|Name)$/ {
			item = $1
			sub(/\.[A-Za-z]+$/, "", item)
			if ($1 ~ /Id$/) id[item] = $2
			else if (tolower($2) == tolower(ENVIRON["name"])) found = item
		}
		END { if (found != "") print id[found] }'
}
