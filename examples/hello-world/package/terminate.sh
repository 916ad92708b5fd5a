#!/usr/bin/env bash
# Stops an old machine. It runs once for each target of the deployment, on the
# Octopus Server or on a worker. The target itself stays in Octopus: the next
# health check finds it unavailable, and the machine policy or regrow removes it.
# README.md lists the variables that it reads.
set -euo pipefail
# shellcheck source=octopus.sh
. "$(dirname "${BASH_SOURCE[0]}")/octopus.sh"

# Octopus finds nobody there: no name below .invalid exists (RFC 2606).
nowhere=https://stopped.invalid:10933/

# ============================== FILL IN ==============================
# stop ID NAME stops the machine of a target in your cloud. A machine that is
# gone already is no error.
#
#   AWS    aws ec2 describe-instances --filters "Name=tag:Name,Values=$2" \
#            "Name=instance-state-name,Values=pending,running" \
#            --query 'Reservations[].Instances[].InstanceId' --output text |
#            xargs -r aws ec2 terminate-instances --instance-ids
#   Azure  az vm delete --yes --name "$2" --resource-group ...
#   GCP    gcloud compute instances delete "$2" --quiet --zone ...
#
# As it stands, this stops no machine: it gives the target an address at which
# nobody answers, so that Octopus sees what it would see after the end of one.
stop() {
	local id=$1 name=$2 style
	for _ in 1 2 3; do
		api GET "machines/$id"
		case $status in
		200) ;;
		404)
			echo "$name is gone already."
			return
			;;
		*) refused "Reading the target $name" ;;
		esac
		style=$(value_at Endpoint.CommunicationStyle)
		[[ $style == TentaclePassive ]] || fail "$name is a target of the kind ${style:-unknown}, and only a listening Tentacle is stopped by its address. Fill in how to stop such a machine."
		if [[ $(value_at Endpoint.Uri) == "$nowhere" ]]; then
			echo "$name is stopped; Octopus finds it unavailable at its next health check."
			return
		fi

		# All but the two addresses goes back as it came, byte for byte.
		sed -E "s#\"Uri\"([[:space:]]*:[[:space:]]*)\"https?://[^\"]*\"#\"Uri\"\\1\"$nowhere\"#g" "$work/answer" >"$work/target"
		api PUT "machines/$id" --header 'Content-Type: application/json' --data-binary "@$work/target"
		case $status in
		200)
			echo "Stopped $name; Octopus finds it unavailable at its next health check."
			return
			;;
		# Gone meanwhile, changed by somebody else, or an answer that got lost: look again.
		404 | 409 | 000 | 5*) ;;
		*) break ;;
		esac
	done
	refused "Stopping $name"
}
# ============================ up to here =============================

connect
id=$(required Octopus.Machine.Id)
name=$(required Octopus.Machine.Name)
deployment=$(required Octopus.Deployment.Id | tr '[:upper:]' '[:lower:]')
[[ $id =~ ^[A-Za-z0-9-]+$ ]] || fail "Octopus.Machine.Id is \"$id\", which is no id of a target."

# provision.sh names targets after their deployment. One of this very deployment
# is new: it can be among those of the step when Octopus found it fast.
if [[ $name =~ -$deployment-[0-9]+$ ]]; then
	echo "$name belongs to this deployment and is left alone."
	exit 0
fi
stop "$id" "$name"
