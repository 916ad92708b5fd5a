# Makes the new machines of a deployment and registers them as targets. It runs
# once per deployment of the infrastructure project, on the Octopus Server or on
# a worker. Run again for the same deployment, it makes what is still missing.
# README.md lists the variables that it reads.
. (Join-Path $PSScriptRoot 'octopus.ps1')

# ============================== FILL IN ==============================
# New-Machines creates machines in your cloud and returns, for each, its Name
# (PREFIX-1, PREFIX-2, ...), the Address at which its Tentacle listens
# (https://HOST:10933) and the Tentacle's certificate Thumbprint (leave it empty,
# and Octopus asks the machine for it). A machine of that name that is there
# already has to be used, not made again. Write messages with Write-Host.
#
#   AWS    New-EC2Instance -ClientToken $name -LaunchTemplate ... -TagSpecification ...
#   Azure  New-AzVM -Name $name -Image ... -ResourceGroupName ...
#   GCP    gcloud compute instances create $name --source-instance-template=...
#
# An image that starts a Tentacle can also register itself. Then return nothing
# here and let it take its name, roles, environment and policy from below.
#
# As it stands, this makes no machines. It uses the addresses of the variable
# HelloWorld.Addresses; without them it makes addresses up.
function New-Machines($Prefix, $Count) {
    $addresses = @((Get-Setting 'HelloWorld.Addresses') -split '[,\s]+' | Where-Object { $_ })
    if ($addresses.Count -eq 0) {
        Write-Host 'HelloWorld.Addresses is empty, so the addresses of the new targets are made up: only a simulated Octopus Server finds something there.'
    }
    elseif ($addresses.Count -lt $Count) {
        throw "HelloWorld.Addresses has $($addresses.Count) addresses, but $Count targets are to be made (HelloWorld.Targets)."
    }
    for ($n = 1; $n -le $Count; $n++) {
        $name = "$Prefix-$n"
        $address = "https://$name.example:10933/"
        if ($addresses.Count -gt 0) { $address = $addresses[$n - 1] }
        [PSCustomObject]@{ Name = $name; Address = $address; Thumbprint = Get-Setting 'HelloWorld.Thumbprint' }
    }
}
# ============================ up to here =============================

# The text with nothing but what host names may hold.
function ConvertTo-HostName($Text) { return $Text.ToLowerInvariant() -replace '[^a-z0-9-]', '-' }

# Has Octopus ask a Tentacle who it is.
function Get-Thumbprint($Address) {
    if (-not ($Address -match '^https://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:]+\]):([0-9]+)/?$')) {
        throw "`"$Address`" is no address of a listening Tentacle: write https://HOST:10933"
    }
    $path = "machines/discover?host=$([Uri]::EscapeDataString($Matches[1]))&port=$($Matches[2])&type=TentaclePassive"
    $answer = Invoke-Octopus 'GET' $path
    if ($answer.Status -ne 200) { Stop-Refused "Asking the machine at $Address for its thumbprint" $answer }
    $thumbprint = (ConvertFrom-Json $answer.Text).Endpoint.Thumbprint
    if (-not $thumbprint) { throw "Octopus found a machine at $Address, but says no thumbprint of it. Set the variable HelloWorld.Thumbprint." }
    return $thumbprint
}

# The target of that name, or nothing.
function Find-Target($Name) {
    $answer = Invoke-Octopus 'GET' "machines?name=$([Uri]::EscapeDataString($Name))"
    if ($answer.Status -ne 200) { Stop-Refused "Looking for the target $Name" $answer }
    return Find-Named (ConvertFrom-Json $answer.Text).Items $Name
}

# Makes a machine a target. Octopus knows no request that may be repeated, so a
# target is looked for first, and again when the answer does not say that it has
# been made: answers can get lost.
function Register-Target($Machine) {
    $target = Find-Target $Machine.Name
    if ($target) {
        Write-Host "$($Machine.Name) is registered already, as $($target.Id)."
        return
    }
    $thumbprint = $Machine.Thumbprint
    if (-not $thumbprint) { $thumbprint = Get-Thumbprint $Machine.Address }
    $participation = 'Untenanted'
    $tenants = @()
    if ($tenant) {
        $participation = 'Tenanted'
        $tenants = @($tenant)
    }
    $body = ConvertTo-Json -Depth 5 @{
        Name                            = $Machine.Name
        EnvironmentIds                  = @($environment)
        Roles                           = @($roles)
        TenantedDeploymentParticipation = $participation
        TenantIds                       = $tenants
        TenantTags                      = @()
        MachinePolicyId                 = $policy.Id
        IsDisabled                      = $false
        Endpoint                        = @{ CommunicationStyle = 'TentaclePassive'; Uri = $Machine.Address; Thumbprint = $thumbprint }
    }
    for ($try = 1; $try -le 3; $try++) {
        $answer = Invoke-Octopus 'POST' 'machines' $body
        if ($answer.Status -eq 200 -or $answer.Status -eq 201) {
            $target = ConvertFrom-Json $answer.Text
        }
        else {
            $target = Find-Target $Machine.Name
        }
        if ($target) {
            Write-Host "Registered $($Machine.Name) at $($Machine.Address) as $($target.Id)."
            return
        }
        if ($answer.Status -ne 0 -and $answer.Status -lt 500) { break }
    }
    Stop-Refused "Registering the target $($Machine.Name)" $answer
}

$environment = Get-Required 'Octopus.Environment.Id'
$deployment = Get-Required 'Octopus.Deployment.Id'
$tenant = Get-Setting 'Octopus.Deployment.Tenant.Id'
$count = Get-Setting 'HelloWorld.Targets' '2'
if ($count -notmatch '^[1-9][0-9]{0,2}$') { throw "The variable HelloWorld.Targets is `"$count`": write a number from 1 to 999." }

$roles = @((Get-Setting 'HelloWorld.Roles' 'hello-world') -split ',' | ForEach-Object { $_.Trim() })
if (-not $roles[0]) { throw 'The variable HelloWorld.Roles holds no role: write role names with commas between them.' }

$policyName = Get-Setting 'HelloWorld.MachinePolicy' 'Immutable Infrastructure'
$answer = Invoke-Octopus 'GET' 'machinepolicies/all'
if ($answer.Status -ne 200) { Stop-Refused "Looking for the machine policy `"$policyName`"" $answer }
$policies = ConvertFrom-Json $answer.Text # on a line of its own: 5.1 would pass the list on as one thing
$policy = Find-Named $policies $policyName
if (-not $policy) { throw "There is no machine policy `"$policyName`" in this space. Create it, or name another one in the variable HelloWorld.MachinePolicy." }

# The name tells which deployment made the target: terminate.ps1 goes by that.
$prefix = (ConvertTo-HostName $roles[0]) + '-' + (ConvertTo-HostName $deployment)
foreach ($machine in @(New-Machines $prefix ([int]$count))) { Register-Target $machine }
