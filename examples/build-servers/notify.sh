#!/bin/sh
# Tells regrow of a commit, from any build server: signs it as Standard Webhooks
# describes and posts it to a source of kind generic. It needs curl and openssl.
#
# usage: notify.sh --id ID --repository NAME --commit SHA --branch NAME [OPTION VALUE]...
#
#   --id ID            your id of this message: the same when the step is repeated, and
#                      regrow starts nothing twice
#   --repository NAME  such as acme/hello-world
#   --commit SHA       all of it
#   --branch NAME      such as main; or --ref refs/heads/main
#   --version VERSION  what {version} stands for in the pipeline's templates
#   --message TEXT     the commit's message
#   --author TEXT      the commit's author
#   --url URL          where people find the commit or the build
#
# environment:
#   REGROW_URL         where regrow is, such as https://regrow.acme.example
#   REGROW_SECRET      the source's secret: "whsec_" and base64
#   REGROW_SOURCE      the source's name; without it: build
#   REGROW_TRIES       how often to try; without it: 6, with pauses of half a minute
#                      together, unless regrow asks for longer ones
#
# exit status: 0 regrow has stored it, 2 wrong usage, 3 regrow cannot be reached
# or cannot work now, 4 regrow refuses it, and the same again would be refused.
set -eu

fail() {
	status=$1
	shift
	printf 'notify.sh: %s\n' "$*" >&2
	exit "$status"
}

# json_string TEXT prints the text as a JSON string. Control characters other
# than line breaks and tabs are dropped.
tab=$(printf '\t')
json_string() {
	printf '%s' "$1" | tr -d '\000-\010\013-\037\177' |
		LC_ALL=C sed "s/[\\\\\"]/\\\\&/g; s/$tab/\\\\t/g" |
		awk 'BEGIN { printf "\"" } { printf "%s%s", gap, $0; gap = "\\n" } END { printf "\"" }'
}

# add NAME VALUE adds a member to the body. What is empty is left out.
add() {
	[ -n "$2" ] || return 0
	body="$body${body:+,}\"$1\":$(json_string "$2")"
}

id=
body=
names=
while [ $# -gt 0 ]; do
	[ $# -gt 1 ] || fail 2 "$1 needs a value"
	case $1 in
	--id) id=$(printf '%s' "$2" | LC_ALL=C tr -c '!-~' '-') ;; # job names can hold spaces
	--repository | --commit | --branch | --ref | --version | --message | --author | --url)
		add "${1#--}" "$2"
		[ -z "$2" ] || names="$names ${1#--} "
		;;
	*) fail 2 "there is no option $1" ;;
	esac
	shift 2
done
body="{$body}"

[ -n "$id" ] || fail 2 "--id has to say which message this is, such as the job's name and number"
for name in repository commit; do
	case $names in
	*" $name "*) ;;
	*) fail 2 "--$name is missing or empty" ;;
	esac
done
case $names in
*' branch '* | *' ref '*) ;;
*) fail 2 "--branch is missing or empty (or --ref)" ;;
esac
[ -n "${REGROW_URL:-}" ] || fail 2 "set REGROW_URL to the address of regrow"
[ -n "${REGROW_SECRET:-}" ] || fail 2 "set REGROW_SECRET to the secret of the source; take it from the build server's store of secrets"
case $REGROW_SECRET in
whsec_*) ;;
*) fail 2 "REGROW_SECRET is no secret of a source of kind generic: one begins with whsec_" ;;
esac
source=${REGROW_SOURCE:-build}
endpoint=${REGROW_URL%/}/webhooks/$source
tries=${REGROW_TRIES:-6}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

sha256() { openssl dgst -sha256 -binary; }

# octets prints what comes in as decimal numbers.
octets() { od -An -v -tu1 | tr '\n' ' '; }

# The key of the HMAC, as 64 numbers. It is computed here, because openssl takes
# keys only as arguments, which every process of a machine can see.
key=$(printf '%s\n' "${REGROW_SECRET#whsec_}" | openssl base64 -d -A | octets)
# shellcheck disable=SC2086 # numbers, one word each
set -- $key
[ $# -ge 24 ] || fail 2 "REGROW_SECRET is no secret of a source of kind generic: after whsec_ come at least 24 bytes in base64"
if [ $# -gt 64 ]; then
	key=$(printf '%s\n' "${REGROW_SECRET#whsec_}" | openssl base64 -d -A | sha256 | octets)
	# shellcheck disable=SC2086
	set -- $key
fi
while [ $# -lt 64 ]; do set -- "$@" 0; done
key=$*

# pad NUMBER prints the bytes of the key, each combined with a number.
pad() {
	for octet in $key; do
		printf '%b' "\\0$(printf %o $((octet ^ $1)))"
	done
}

# signature prints the HMAC-SHA256 (RFC 2104) of what comes in, in base64.
signature() {
	{
		pad 54
		cat
	} | sha256 >"$work/inner"
	{
		pad 92
		cat "$work/inner"
	} | sha256 | openssl base64 -A
}

# post sends the message once. It sets status, 000 when there was no answer, and
# the exit status of curl.
post() {
	timestamp=$(date +%s)
	signed=$(printf '%s' "$id.$timestamp.$body" | signature)
	: >"$work/answer"
	: >"$work/headers"
	ended=0
	status=$(printf '%s' "$body" | curl -sS --connect-timeout 10 --max-time 30 \
		-H 'Content-Type: application/json' -H 'Expect:' \
		-H "webhook-id: $id" \
		-H "webhook-timestamp: $timestamp" \
		-H "webhook-signature: v1,$signed" \
		--data-binary @- -o "$work/answer" -D "$work/headers" -w '%{http_code}' \
		"$endpoint" 2>"$work/trouble") || { ended=$? status=000; }
}

# answer prints what regrow said, on one line.
answer() { tr '\n' ' ' <"$work/answer"; }

# patience prints how many seconds to wait before another try: as many as regrow
# asks for, at most two minutes; otherwise 1, 2, 4, 8, then 16.
patience() {
	asked=$(sed -n 's/^[Rr][Ee][Tt][Rr][Yy]-[Aa][Ff][Tt][Ee][Rr]:[[:space:]]*\([0-9]\{1,6\}\)[[:space:]]*$/\1/p' "$work/headers" | tail -n 1)
	if [ -n "$asked" ]; then
		[ "$asked" -le 120 ] || asked=120
		echo "$asked"
		return
	fi
	seconds=1
	while [ "$seconds" -lt 16 ] && [ "$1" -gt 1 ]; do
		seconds=$((seconds * 2))
		set -- $(($1 - 1))
	done
	echo "$seconds"
}

try=1
while :; do
	post
	case $status in
	200 | 202)
		printf 'regrow has stored the message %s: %s\n' "$id" "$(answer)"
		exit 0
		;;
	000)
		said="there was no answer from $endpoint: $(tr '\n' ' ' <"$work/trouble")"
		case $ended in
		1 | 3) fail 2 "REGROW_URL is no address that curl understands; $said" ;;
		60) fail 3 "regrow's certificate is not trusted here; $said" ;;
		esac
		;;
	429 | 5??) said="regrow cannot take the message now (status $status): $(answer)" ;;
	401) fail 4 "regrow does not accept the signature (status 401). Is REGROW_SECRET the secret of the source $source, and is this machine's clock right? $(answer)" ;;
	404) fail 4 "there is no source $source at $endpoint (status 404). Look at REGROW_URL and REGROW_SOURCE. $(answer)" ;;
	*) fail 4 "regrow refuses the message (status $status): $(answer)" ;;
	esac
	[ "$try" -lt "$tries" ] || fail 3 "$said (tried $try times)"
	wait=$(patience "$try")
	printf 'notify.sh: %s; trying again in %s s\n' "$said" "$wait" >&2
	sleep "$wait"
	try=$((try + 1))
done
