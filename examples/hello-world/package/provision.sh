#!/usr/bin/env bash
# Makes the new machines of a deployment and registers them as targets. It runs
# once per deployment of the infrastructure project, on the Octopus Server or on
# a worker. Run again for the same deployment, it makes what is still missing.
# README.md lists the variables that it reads.
set -euo pipefail
# shellcheck source=octopus.sh
. "$(dirname "${BASH_SOURCE[0]}")/octopus.sh"

# ============================== FILL IN ==============================
# machines PREFIX COUNT creates COUNT machines in your cloud and prints a line
#
#     NAME ADDRESS THUMBPRINT
#
# for each: its name (PREFIX-1, PREFIX-2, ...), the address at which its Tentacle
# listens (https://HOST:10933) and the Tentacle's certificate thumbprint (leave
# it out, and Octopus asks the machine for it). A machine of that name that is
# there already has to be used, not made again. Write messages to >&2.
#
#   AWS    aws ec2 run-instances --client-token "$name" --launch-template ... \
#            --tag-specifications "ResourceType=instance,Tags=[{Key=Name,Value=$name}]"
#          aws ec2 wait instance-running --instance-ids "$id"
#   Azure  az vm create --name "$name" --image ... --custom-data tentacle.yaml
#   GCP    gcloud compute instances create "$name" --source-instance-template=...
#
# An image that starts a Tentacle can also register itself. Then print nothing
# here and let it take its name, roles, environment and policy from below.
#
# As it stands, this makes no machines. It uses the addresses of the variable
# HelloWorld.Addresses; without them it makes addresses up.
machines() {
	local prefix=$1 count=$2 addresses address n
	IFS=', ' read -r -a addresses <<<"$(setting HelloWorld.Addresses)"
	if ((${#addresses[@]} == 0)); then
		echo "HelloWorld.Addresses is empty, so the addresses of the new targets are made up: only a simulated Octopus Server finds something there." >&2
	elif ((${#addresses[@]} < count)); then
		fail "HelloWorld.Addresses has ${#addresses[@]} addresses, but $count targets are to be made (HelloWorld.Targets)."
	fi
	for ((n = 1; n <= count; n++)); do
		address=${addresses[n - 1]:-https://$(host_name "$prefix-$n").example:10933/}
		echo "$prefix-$n $address $(setting HelloWorld.Thumbprint)"
	done
}
# ============================ up to here =============================

# host_name TEXT prints the text with nothing but what host names may hold.
host_name() { printf '%s\n' "$1" | tr '[:upper:]' '[:lower:]' | sed 's/[^a-z0-9-]/-/g'; }

# thumbprint_at ADDRESS has Octopus ask a Tentacle who it is.
thumbprint_at() {
	local address=$1 thumbprint
	if [[ ! $address =~ ^https://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:]+\]):([0-9]+)/?$ ]]; then
		fail "\"$address\" is no address of a listening Tentacle: write https://HOST:10933"
	fi
	api GET machines/discover --get --data-urlencode "host=${BASH_REMATCH[1]}" \
		--data "port=${BASH_REMATCH[2]}" --data type=TentaclePassive
	[[ $status == 200 ]] || refused "Asking the machine at $address for its thumbprint"
	thumbprint=$(value_at Endpoint.Thumbprint)
	[[ -n $thumbprint ]] || fail "Octopus found a machine at $address, but says no thumbprint of it. Set the variable HelloWorld.Thumbprint."
	printf '%s\n' "$thumbprint"
}

# registered NAME says whether there is a target of that name.
registered() {
	api GET machines --get --data-urlencode "name=$1"
	[[ $status == 200 ]] || refused "Looking for the target $1"
	id=$(id_of "$1")
	[[ -n $id ]]
}

# target NAME ADDRESS THUMBPRINT prints the document of a new target.
target() {
	local role roles='' participation=Untenanted tenants=
	for role in "${role_names[@]}"; do
		roles+=${roles:+,}$(json_string "$role")
	done
	if [[ -n $tenant ]]; then
		participation=Tenanted
		tenants=$(json_string "$tenant")
	fi
	cat <<-JSON
		{"Name": $(json_string "$1"),
		 "EnvironmentIds": [$(json_string "$environment")],
		 "Roles": [$roles],
		 "TenantedDeploymentParticipation": "$participation",
		 "TenantIds": [$tenants],
		 "TenantTags": [],
		 "MachinePolicyId": $(json_string "$policy"),
		 "IsDisabled": false,
		 "Endpoint": {"CommunicationStyle": "TentaclePassive", "Uri": $(json_string "$2"), "Thumbprint": $(json_string "$3")}}
	JSON
}

# register NAME ADDRESS [THUMBPRINT] makes a machine a target. Octopus knows no
# request that may be repeated, so a target is looked for first, and again when
# the answer does not say that it has been made: answers can get lost.
register() {
	local name=$1 address=$2 thumbprint=${3:-} refusal
	if registered "$name"; then
		echo "$name is registered already, as $id."
		return
	fi
	[[ -n $thumbprint ]] || thumbprint=$(thumbprint_at "$address")
	target "$name" "$address" "$thumbprint" >"$work/target"
	for _ in 1 2 3; do
		api POST machines --header 'Content-Type: application/json' --data-binary "@$work/target"
		case $status in
		200 | 201)
			echo "Registered $name at $address as $(value_at Id)."
			return
			;;
		esac
		refusal=$status
		cp "$work/answer" "$work/refusal"
		if registered "$name"; then
			echo "Registered $name at $address as $id."
			return
		fi
		status=$refusal
		mv "$work/refusal" "$work/answer"
		[[ $status == 000 || $status == 5* ]] || break
	done
	refused "Registering the target $name"
}

# policy_named NAME prints the id of a machine policy.
policy_named() {
	local id
	api GET machinepolicies/all
	[[ $status == 200 ]] || refused "Looking for the machine policy \"$1\""
	id=$(id_of "$1")
	[[ -n $id ]] || fail "There is no machine policy \"$1\" in this space. Create it, or name another one in the variable HelloWorld.MachinePolicy."
	printf '%s\n' "$id"
}

connect
environment=$(required Octopus.Environment.Id)
deployment=$(required Octopus.Deployment.Id)
tenant=$(setting Octopus.Deployment.Tenant.Id)
count=$(setting HelloWorld.Targets 2)
[[ $count =~ ^[1-9][0-9]{0,2}$ ]] || fail "The variable HelloWorld.Targets is \"$count\": write a number from 1 to 999."

roles=$(setting HelloWorld.Roles hello-world)
IFS=, read -r -a role_names <<<"$(sed 's/[[:space:]]*,[[:space:]]*/,/g; s/^[[:space:]]*//; s/[[:space:]]*$//' <<<"$roles")"
[[ -n ${role_names[0]:-} ]] || fail "The variable HelloWorld.Roles is \"$roles\": write role names with commas between them."
policy=$(policy_named "$(setting HelloWorld.MachinePolicy 'Immutable Infrastructure')")

# The name tells which deployment made the target: terminate.sh goes by that.
prefix=$(host_name "${role_names[0]}")-$(host_name "$deployment")
made=$(machines "$prefix" "$count")
while read -r name address thumbprint; do
	[[ -z $name ]] || register "$name" "$address" "$thumbprint"
done <<<"$made"
