# Stops an old machine. It runs once for each target of the deployment, on the
# Octopus Server or on a worker. The target itself stays in Octopus: the next
# health check finds it unavailable, and the machine policy or regrow removes it.
# README.md lists the variables that it reads.
. (Join-Path $PSScriptRoot 'octopus.ps1')

# Octopus finds nobody there: no name below .invalid exists (RFC 2606).
$nowhere = 'https://stopped.invalid:10933/'

# ============================== FILL IN ==============================
# Stop-Machine stops the machine of a target in your cloud. A machine that is
# gone already is no error.
#
#   AWS    (Get-EC2Instance -Filter @{ Name = 'tag:Name'; Values = $Name }).Instances | Remove-EC2Instance -Force
#   Azure  Remove-AzVM -Force -Name $Name -ResourceGroupName ...
#   GCP    gcloud compute instances delete $Name --quiet --zone ...
#
# As it stands, this stops no machine: it gives the target an address at which
# nobody answers, so that Octopus sees what it would see after the end of one.
function Stop-Machine($Id, $Name) {
    for ($try = 1; $try -le 3; $try++) {
        $answer = Invoke-Octopus 'GET' "machines/$Id"
        if ($answer.Status -eq 404) {
            Write-Host "$Name is gone already."
            return
        }
        if ($answer.Status -ne 200) { Stop-Refused "Reading the target $Name" $answer }
        $endpoint = (ConvertFrom-Json $answer.Text).Endpoint
        if ($endpoint.CommunicationStyle -ne 'TentaclePassive') {
            throw "$Name is a target of the kind $($endpoint.CommunicationStyle), and only a listening Tentacle is stopped by its address. Fill in how to stop such a machine."
        }
        if ($endpoint.Uri -eq $nowhere) {
            Write-Host "$Name is stopped; Octopus finds it unavailable at its next health check."
            return
        }

        # All but the two addresses goes back as it came. It is edited as text, because
        # PowerShell would write dates and lists otherwise than it has read them.
        $body = $answer.Text -creplace '"Uri"(\s*:\s*)"https?://[^"]*"', ('"Uri"$1"' + $nowhere + '"')
        $answer = Invoke-Octopus 'PUT' "machines/$Id" $body
        if ($answer.Status -eq 200) {
            Write-Host "Stopped $Name; Octopus finds it unavailable at its next health check."
            return
        }
        # Gone meanwhile, changed by somebody else, or an answer that got lost: look again.
        if ((404, 409, 0) -notcontains $answer.Status -and $answer.Status -lt 500) { break }
    }
    Stop-Refused "Stopping $Name" $answer
}
# ============================ up to here =============================

$id = Get-Required 'Octopus.Machine.Id'
$name = Get-Required 'Octopus.Machine.Name'
$deployment = Get-Required 'Octopus.Deployment.Id'
if ($id -notmatch '^[A-Za-z0-9-]+$') { throw "Octopus.Machine.Id is `"$id`", which is no id of a target." }

# provision.ps1 names targets after their deployment. One of this very deployment
# is new: it can be among those of the step when Octopus found it fast.
if ($name -match ('-' + [Regex]::Escape($deployment) + '-[0-9]+$')) {
    Write-Host "$name belongs to this deployment and is left alone."
    return
}
Stop-Machine $id $name
