# What Octopus gives to every PowerShell script. The variables are appended to this file.
$ErrorActionPreference = 'Stop'
$OctopusParameters = [System.Collections.Generic.Dictionary[string, string]]::new([System.StringComparer]::OrdinalIgnoreCase)

function ConvertFrom-OctopusText([string]$Text) {
    [System.Text.Encoding]::UTF8.GetString([System.Convert]::FromBase64String($Text))
}

function ConvertTo-OctopusText([string]$Text) {
    [System.Convert]::ToBase64String([System.Text.Encoding]::UTF8.GetBytes($Text))
}

function Set-OctopusVariable([string]$Name, [string]$Value, [switch]$Sensitive) {
    $Mark = if ($Sensitive) { " sensitive='$(ConvertTo-OctopusText 'True')'" } else { '' }
    Write-Host "##octopus[setVariable name='$(ConvertTo-OctopusText $Name)' value='$(ConvertTo-OctopusText $Value)'$Mark]"
}

function Fail-Step([string]$Message) {
    if ($Message) { [Console]::Error.WriteLine($Message) }
    exit 1
}

function Write-Highlight([string]$Message) { Write-Host $Message }
function Write-Wait([string]$Message) { Write-Host $Message }
